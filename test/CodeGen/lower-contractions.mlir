// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// Weights that each call passes as a constant are packed, 8 columns a panel here;
// the original goes, unless it is read in another way.
// CHECK-NOT: constant @w :
// CHECK: memref.global "private" constant @w_packed : memref<32xf32>
// CHECK-NOT: constant @w :
// CHECK: memref.global "private" constant @kept_packed : memref<32xf32>
// CHECK: memref.global "private" constant @kept : memref<4x8xf32>
memref.global "private" constant @w : memref<4x8xf32> = dense<[
  [0., 1., 2., 3., 4., 5., 6., 7.], [1., 1., 2., 3., 4., 5., 6., 7.],
  [2., 1., 2., 3., 4., 5., 6., 7.], [3., 1., 2., 3., 4., 5., 6., 7.]]>

memref.global "private" constant @kept : memref<4x8xf32> = dense<[
  [1., 1., 2., 3., 4., 5., 6., 7.], [1., 1., 2., 3., 4., 5., 6., 7.],
  [2., 1., 2., 3., 4., 5., 6., 7.], [3., 1., 2., 3., 4., 5., 6., 7.]]>

func.func @main(%x: memref<12x4xf32>, %bias: memref<8xf32>, %out: memref<12x8xf32>) -> f32 {
  %w = memref.get_global @w : memref<4x8xf32>
  call @packed(%x, %w, %bias, %out) : (memref<12x4xf32>, memref<4x8xf32>, memref<8xf32>, memref<12x8xf32>) -> ()
  %kept = memref.get_global @kept : memref<4x8xf32>
  call @packed(%x, %kept, %bias, %out) : (memref<12x4xf32>, memref<4x8xf32>, memref<8xf32>, memref<12x8xf32>) -> ()
  %c0 = arith.constant 0 : index
  %element = memref.load %kept[%c0, %c0] : memref<4x8xf32>
  return %element : f32
}

// One tile of 12 by 8 accumulators, with the bias added before it is stored.
// CHECK-LABEL: func.func private @packed
// CHECK-SAME:    %[[X:.*]]: memref<12x4xf32>, %[[W:.*]]: memref<32xf32>
// CHECK-NOT: linalg
// CHECK: vector.load %[[W]]
// CHECK: vector.fma
// CHECK: arith.addf
// CHECK: vector.store
// CHECK-NOT: linalg
func.func private @packed(%x: memref<12x4xf32>, %w: memref<4x8xf32>,
                          %bias: memref<8xf32>, %out: memref<12x8xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<12x8xf32>)
  linalg.matmul ins(%x, %w : memref<12x4xf32>, memref<4x8xf32>) outs(%out : memref<12x8xf32>)
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%out, %bias : memref<12x8xf32>, memref<8xf32>) outs(%out : memref<12x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  }
  return
}

// Integers are widened when they are packed, and columns that do not fill a
// vector are masked.
// CHECK-LABEL: func.func private @integers
// CHECK: arith.extsi
// CHECK: vector.maskedstore
// CHECK-NOT: linalg
func.func private @integers(%a: memref<?x?xi8>, %b: memref<?x?xi8>, %out: memref<?x?xi32>) {
  linalg.matmul ins(%a, %b : memref<?x?xi8>, memref<?x?xi8>) outs(%out : memref<?x?xi32>)
  return
}
