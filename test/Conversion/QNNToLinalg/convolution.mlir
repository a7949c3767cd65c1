// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize | FileCheck %s

// The bias is what the accumulator starts with.
// CHECK-LABEL: func @dense
func.func @dense(%x: tensor<?x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<8xf32>) -> tensor<?x8x8x8xf32> {
  // CHECK: %[[PAD:.*]] = tensor.pad %{{.*}} low[0, 0, 1, 1] high[0, 0, 1, 1]
  // CHECK: %[[ACC:.*]] = linalg.broadcast ins(%{{.*}} : tensor<8xf32>) {{.*}} dimensions = [0, 2, 3]
  // CHECK: linalg.conv_2d_nchw_fchw {{.*}} ins(%[[PAD]], %{{.*}}) outs(%[[ACC]] : tensor<?x8x8x8xf32>)
  %0 = qnn.conv %x, %w bias %b : tensor<8xf32>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>}
    : tensor<?x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<?x8x8x8xf32>
  return %0 : tensor<?x8x8x8xf32>
}

// CHECK-LABEL: func @depthwise
func.func @depthwise(%x: tensor<1x8x8x8xf32>, %w: tensor<8x1x3x3xf32>) -> tensor<1x8x6x6xf32> {
  // CHECK-NOT: tensor.pad
  // CHECK: linalg.depthwise_conv_2d_nchw_chw
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 8}
    : tensor<1x8x8x8xf32>, tensor<8x1x3x3xf32> -> tensor<1x8x6x6xf32>
  return %0 : tensor<1x8x6x6xf32>
}

// CHECK-LABEL: func @grouped_1d
func.func @grouped_1d(%x: tensor<1x8x8xf32>, %w: tensor<4x4x3xf32>) -> tensor<1x4x6xf32> {
  // CHECK: linalg.conv_2d_ngchw_gfchw {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x2x4x1x8xf32>, tensor<2x2x4x1x3xf32>)
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, group = 2}
    : tensor<1x8x8xf32>, tensor<4x4x3xf32> -> tensor<1x4x6xf32>
  return %0 : tensor<1x4x6xf32>
}

// Groups are split before the padding, and in the bias before it is broadcast:
// nothing stands between these and the convolution.
// CHECK-LABEL: func @grouped
func.func @grouped(%x: tensor<?x8x8x?xf32>, %w: tensor<6x4x3x3xf32>, %b: tensor<6xf32>) -> tensor<?x6x8x?xf32> {
  // CHECK: %[[X:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2], [3], [4]] {{.*}} : tensor<?x8x8x?xf32> into tensor<?x2x4x8x?xf32>
  // CHECK: %[[P:.*]] = tensor.pad %[[X]] low[0, 0, 0, 1, 1] high[0, 0, 0, 1, 1]
  // CHECK: %[[B:.*]] = tensor.expand_shape %{{.*}} {{\[\[}}0, 1]] output_shape [2, 3] : tensor<6xf32> into tensor<2x3xf32>
  // CHECK: %[[ACC:.*]] = linalg.broadcast ins(%[[B]] : tensor<2x3xf32>) outs({{.*}}tensor<?x2x3x8x?xf32>) dimensions = [0, 3, 4]
  // CHECK: linalg.conv_2d_ngchw_gfchw {{.*}} ins(%[[P]], {{.*}}) outs(%[[ACC]]
  %0 = qnn.conv %x, %w bias %b : tensor<6xf32>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 2}
    : tensor<?x8x8x?xf32>, tensor<6x4x3x3xf32> -> tensor<?x6x8x?xf32>
  return %0 : tensor<?x6x8x?xf32>
}

// Padding is the zero point; unsigned operands are zero-extended.
// CHECK-LABEL: func @integer
func.func @integer(%x: tensor<1x1x4x4xui8>, %w: tensor<1x1x3x3xi8>, %z: tensor<ui8>) -> tensor<1x1x4x4xi32> {
  // CHECK: %[[Z:.*]] = tensor.extract
  // CHECK: tensor.pad
  // CHECK: tensor.yield %[[Z]] : i8
  // CHECK: linalg.generic
  // CHECK: arith.extui
  // CHECK: arith.extsi
  %0 = qnn.conv %x, %w input_zero_point %z : tensor<ui8>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>}
    : tensor<1x1x4x4xui8>, tensor<1x1x3x3xi8> -> tensor<1x1x4x4xi32>
  return %0 : tensor<1x1x4x4xi32>
}

// A kernel that tiles the result is a matrix product.
// CHECK-LABEL: func @tiling
func.func @tiling(%x: tensor<1x8x4x4xf32>, %w: tensor<8x4x2x2xf32>) -> tensor<1x4x8x8xf32> {
  // CHECK: linalg.generic
  // CHECK: tensor.collapse_shape %{{.*}} {{\[}}[0], [1], [2, 3], [4, 5]] : tensor<1x4x4x2x4x2xf32>
  %0 = qnn.conv_transpose %x, %w
    {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>}
    : tensor<1x8x4x4xf32>, tensor<8x4x2x2xf32> -> tensor<1x4x8x8xf32>
  return %0 : tensor<1x4x8x8xf32>
}

// Integers: what is between and around the elements is the zero point.
// CHECK-LABEL: @transposed_integers
// CHECK-SAME: %{{.*}}, %[[Z:.*]]: tensor<i8>
// CHECK: %[[ZERO:.*]] = tensor.extract %[[Z]][] : tensor<i8>
// CHECK: linalg.fill ins(%[[ZERO]] : i8)
// CHECK: tensor.insert_slice
// CHECK: tensor.pad
// CHECK: tensor.yield %[[ZERO]] : i8
func.func @transposed_integers(%x: tensor<1x2x4x4xui8>, %w: tensor<2x3x3x3xi8>, %z: tensor<ui8>) -> tensor<1x3x9x9xi32> {
  %0 = qnn.conv_transpose %x, %w input_zero_point %z : tensor<ui8> {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>} : tensor<1x2x4x4xui8>, tensor<2x3x3x3xi8> -> tensor<1x3x9x9xi32>
  return %0 : tensor<1x3x9x9xi32>
}

// A depthwise convolution of integers has a loop for the channels, and no
// reshape of the result, which would keep it from what follows.
// CHECK-LABEL: @depthwise_integers
// CHECK-NOT: tensor.expand_shape
// CHECK: %[[Y:.*]] = linalg.generic {{.*}}"parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]
// CHECK-SAME: tensor<1x8x8x8xi8>, tensor<8x3x3xi8>
// CHECK-NOT: tensor.collapse_shape
// CHECK: return %[[Y]] : tensor<1x8x6x6xi32>
func.func @depthwise_integers(%x: tensor<1x8x8x8xui8>, %w: tensor<8x1x3x3xi8>) -> tensor<1x8x6x6xi32> {
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 8}
    : tensor<1x8x8x8xui8>, tensor<8x1x3x3xi8> -> tensor<1x8x6x6xi32>
  return %0 : tensor<1x8x6x6xi32>
}

// The samples of each element of a kernel are channels of their own, and those
// of a block share places.
// CHECK-LABEL: func @deformable
func.func @deformable(%x: tensor<?x8x?x?xf32>, %w: tensor<6x4x3x3xf32>, %o: tensor<?x36x6x7xf32>) -> tensor<?x6x?x?xf32> {
  // CHECK: tensor.expand_shape %{{.*}} into tensor<?x2x4x?x?xf32>
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<?x2x4x3x3x?x?xf32>)
  // CHECK: tensor.collapse_shape %{{.*}} : tensor<?x2x4x3x3x?x?xf32> into tensor<?x2x36x?x?xf32>
  // CHECK: linalg.conv_2d_ngchw_gfchw {{.*}} ins(%{{.*}}, %{{.*}} : tensor<?x2x36x?x?xf32>, tensor<2x3x36x1x1xf32>)
  %0 = qnn.deform_conv %x, %w, %o {
      strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 2, offset_group = 2}
    : tensor<?x8x?x?xf32>, tensor<6x4x3x3xf32>, tensor<?x36x6x7xf32> -> tensor<?x6x?x?xf32>
  return %0 : tensor<?x6x?x?xf32>
}
