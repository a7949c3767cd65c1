// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize --cse | FileCheck %s

// CHECK: #[[$B:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d4, d3)>

// A layer's rows are one matrix.
// CHECK-LABEL: func.func @layer
// CHECK: %[[ROWS:.*]] = tensor.collapse_shape %arg0 {{\[\[}}0, 1], [2]]
// CHECK: linalg.matmul ins(%[[ROWS]], %arg1
// CHECK: tensor.expand_shape
func.func @layer(%x: tensor<?x7x4xf32>, %w: tensor<4x8xf32>) -> tensor<?x7x8xf32> {
  %0 = qnn.matmul %x, %w : tensor<?x7x4xf32>, tensor<4x8xf32> -> tensor<?x7x8xf32>
  return %0 : tensor<?x7x8xf32>
}

// CHECK-LABEL: func.func @batched
// CHECK: linalg.batch_matmul
func.func @batched(%a: tensor<3x5x4xf32>, %b: tensor<3x4x8xf32>) -> tensor<3x5x8xf32> {
  %0 = qnn.matmul %a, %b : tensor<3x5x4xf32>, tensor<3x4x8xf32> -> tensor<3x5x8xf32>
  return %0 : tensor<3x5x8xf32>
}

// CHECK-LABEL: func.func @broadcast_batch
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[$B]], #{{.*}}]
func.func @broadcast_batch(%a: tensor<2x3x5x4xf32>, %b: tensor<1x3x4x8xf32>) -> tensor<2x3x5x8xf32> {
  %0 = qnn.matmul %a, %b : tensor<2x3x5x4xf32>, tensor<1x3x4x8xf32> -> tensor<2x3x5x8xf32>
  return %0 : tensor<2x3x5x8xf32>
}

// Zero points are subtracted in the accumulator's type.
// CHECK-LABEL: func.func @integer
// CHECK: linalg.generic
// CHECK: arith.extui %{{.*}} : i8 to i32
// CHECK: arith.extsi %{{.*}} : i8 to i32
// CHECK: arith.subi
// CHECK: arith.muli
func.func @integer(%a: tensor<5x4xui8>, %b: tensor<4x8xi8>, %z: tensor<ui8>) -> tensor<5x8xi32> {
  %0 = qnn.matmul %a, %b lhs_zero_point %z : tensor<ui8> : tensor<5x4xui8>, tensor<4x8xi8> -> tensor<5x8xi32>
  return %0 : tensor<5x8xi32>
}

// Half precision accumulates in f32.
// CHECK-LABEL: func.func @half
// CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<5x8xf32>)
// CHECK: arith.truncf
func.func @half(%a: tensor<5x4xf16>, %b: tensor<4x8xf16>) -> tensor<5x8xf16> {
  %0 = qnn.matmul %a, %b : tensor<5x4xf16>, tensor<4x8xf16> -> tensor<5x8xf16>
  return %0 : tensor<5x8xf16>
}

// No rows do not tell how many there are along the other dimensions.
// CHECK-LABEL: func.func @no_rows
// CHECK: %[[SIZE:.*]] = tensor.dim %arg0
// CHECK-NOT: collapse_shape
// CHECK: tensor.empty(%[[SIZE]]) : tensor<?x0x8xf32>
func.func @no_rows(%a: tensor<?x0x4xf32>, %b: tensor<4x8xf32>) -> tensor<?x0x8xf32> {
  %0 = qnn.matmul %a, %b : tensor<?x0x4xf32>, tensor<4x8xf32> -> tensor<?x0x8xf32>
  return %0 : tensor<?x0x8xf32>
}
