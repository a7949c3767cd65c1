// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

memref.global "private" constant @w : memref<1x8xf32> = dense<[[0., 1., 2., 3., 4., 5., 6., 7.]]>

func.func @main(%x: memref<?x1xf32>, %out: memref<?x8xf32>) {
  %w = memref.get_global @w : memref<1x8xf32>
  call @rows(%x, %w, %out) : (memref<?x1xf32>, memref<1x8xf32>, memref<?x8xf32>) -> ()
  return
}

// How many rows there are the run tells: where one is left, a decoder's token,
// it is multiplied alone; the other tiles have twelve.
// CHECK-LABEL: func.func private @rows
// CHECK-SAME:    %[[OUT:[a-z0-9]+]]: memref<?x8xf32>
// CHECK:         %[[M:.*]] = memref.dim %[[OUT]]
// CHECK:         scf.for %[[ROW:.*]] = %{{.*}} step %c12
// CHECK:           %[[NEXT:.*]] = arith.addi %[[ROW]], %c1 :
// CHECK:           %[[SINGLE:.*]] = arith.cmpi eq, %[[NEXT]], %[[M]]
// CHECK:           scf.if %[[SINGLE]] {
// CHECK:             vector.fma
// CHECK-NOT:         vector.fma
// CHECK:           } else {
// CHECK-COUNT-12:    vector.fma
func.func private @rows(%x: memref<?x1xf32>, %w: memref<1x8xf32>, %out: memref<?x8xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<?x8xf32>)
  linalg.matmul ins(%x, %w : memref<?x1xf32>, memref<1x8xf32>) outs(%out : memref<?x8xf32>)
  return
}

// A row alone leaves registers for more vectors of columns, but ten columns
// fill two, and neither zeros nor code are needed for more.
// CHECK: memref.global "private" constant @few_packed : memref<16xf32>
// CHECK-LABEL: func.func private @few_columns
// CHECK-COUNT-2: vector.fma
// CHECK-NOT:     vector.fma
memref.global "private" constant @few : memref<1x10xf32> = dense<[[0., 1., 2., 3., 4., 5., 6., 7., 8., 9.]]>

func.func @one_row(%x: memref<1x1xf32>, %out: memref<1x10xf32>) {
  %w = memref.get_global @few : memref<1x10xf32>
  call @few_columns(%x, %w, %out) : (memref<1x1xf32>, memref<1x10xf32>, memref<1x10xf32>) -> ()
  return
}

func.func private @few_columns(%x: memref<1x1xf32>, %w: memref<1x10xf32>, %out: memref<1x10xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<1x10xf32>)
  linalg.matmul ins(%x, %w : memref<1x1xf32>, memref<1x10xf32>) outs(%out : memref<1x10xf32>)
  return
}
