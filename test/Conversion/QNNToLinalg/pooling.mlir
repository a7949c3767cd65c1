// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize | FileCheck %s

// CHECK-DAG: #[[$LINE:.*]] = affine_map<(d0, d1, d2, d3) -> (d2)>
// CHECK-DAG: #[[$COLUMN:.*]] = affine_map<(d0, d1, d2, d3) -> (d3)>

// CHECK-LABEL: func @max
func.func @max(%x: tensor<1x2x5x5xf32>) -> tensor<1x2x3x3xf32> {
  // The last window reaches one beyond the input: padded with -inf.
  // CHECK: %[[LEAST:.*]] = arith.constant 0xFF800000 : f32
  // CHECK: tensor.pad %{{.*}} low[0, 0, 0, 0] high[0, 0, 1, 1]
  // CHECK: linalg.generic
  // CHECK: arith.maximumf
  %0 = qnn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, ceil_mode}
    : tensor<1x2x5x5xf32> -> tensor<1x2x3x3xf32>
  return %0 : tensor<1x2x3x3xf32>
}

// Without padding all windows are full.
// CHECK-LABEL: func @average
func.func @average(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x2x2xf32> {
  // CHECK-DAG: arith.constant 4.000000e+00 : f32
  // CHECK-NOT: linalg.index
  // CHECK: arith.divf
  %0 = qnn.pool average %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32> -> tensor<1x2x2x2xf32>
  return %0 : tensor<1x2x2x2xf32>
}

// Padding that does not count: how many elements of a window do is the product of
// two numbers, which lines and columns have each.
// CHECK-LABEL: func @average_at_border
func.func @average_at_border(%x: tensor<1x2x?x?xf32>) -> tensor<1x2x?x?xf32> {
  // CHECK: %[[LINES:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32>)
  // CHECK: linalg.index 0
  // CHECK: %[[COLUMNS:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32>)
  // CHECK: linalg.index 0
  // CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[$LINE]], #[[$COLUMN]], #{{.*}}]{{.*}} ins(%{{.*}}, %[[LINES]], %[[COLUMNS]] :
  // CHECK-NOT: linalg.index
  // CHECK: %[[COUNT:.*]] = arith.mulf
  // CHECK: arith.divf %{{.*}}, %[[COUNT]]
  %0 = qnn.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>}
    : tensor<1x2x?x?xf32> -> tensor<1x2x?x?xf32>
  return %0 : tensor<1x2x?x?xf32>
}

// A kernel that misses less than a stride has one window, of what there is.
// CHECK-LABEL: func @partial
func.func @partial(%x: tensor<1x2x1x4xf32>) -> tensor<1x2x1x2xf32> {
  // CHECK: tensor.pad %{{.*}} low[0, 0, 0, 0] high[0, 0, 1, 0]
  %0 = qnn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x1x4xf32> -> tensor<1x2x1x2xf32>
  return %0 : tensor<1x2x1x2xf32>
}

// The same where the size is known at run time only.
// CHECK-LABEL: func @may_be_partial
func.func @may_be_partial(%x: tensor<1x2x?xf32>) -> tensor<1x2x?xf32> {
  // CHECK: %[[ROOM:.*]] = arith.addi %{{.*}}, %c-2
  // CHECK: %[[OK:.*]] = arith.cmpi sgt, %[[ROOM]], %c-2
  // CHECK: cf.assert %[[OK]]
  // CHECK: arith.maxsi %[[ROOM]], %c0
  // Nothing is copied in a run whose windows are full.
  // CHECK: %[[REACH:.*]] = arith.maxsi %{{.*}}, %c0
  // CHECK: %[[REACHES:.*]] = arith.cmpi sgt, %[[REACH]], %c0
  // CHECK: scf.if %[[REACHES]]
  // CHECK: tensor.pad
  // CHECK: } else {
  // CHECK-NEXT: scf.yield %arg0
  %0 = qnn.pool max %x {kernel = array<i64: 2>, strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>}
    : tensor<1x2x?xf32> -> tensor<1x2x?xf32>
  return %0 : tensor<1x2x?xf32>
}
