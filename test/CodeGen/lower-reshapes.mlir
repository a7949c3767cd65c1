// RUN: quant-opt %s --quantc-lower-reshapes | FileCheck %s

// CHECK-LABEL: func.func @two_dynamic
// CHECK-SAME: (%{{.*}}: memref<?x384xf32>, %[[B:.*]]: index, %[[S:.*]]: index)
// CHECK: %[[STRIDE:.*]] = arith.muli %[[S]], %{{.*}}
// CHECK: memref.reinterpret_cast %{{.*}} to offset: [0], sizes: [%[[B]], %[[S]], 384], strides: [%[[STRIDE]], 384, 1]
func.func @two_dynamic(%m: memref<?x384xf32>, %b: index, %s: index) -> memref<?x?x384xf32> {
  %0 = memref.expand_shape %m [[0, 1], [2]] output_shape [%b, %s, 384] : memref<?x384xf32> into memref<?x?x384xf32>
  return %0 : memref<?x?x384xf32>
}

// CHECK-LABEL: func.func @one_dynamic
// CHECK: memref.expand_shape
func.func @one_dynamic(%m: memref<?x384xf32>, %b: index) -> memref<?x7x384xf32> {
  %0 = memref.expand_shape %m [[0, 1], [2]] output_shape [%b, 7, 384] : memref<?x384xf32> into memref<?x7x384xf32>
  return %0 : memref<?x7x384xf32>
}
