// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: func @conv
func.func @conv(%x: tensor<1x3x32x32xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<8xf32>) -> tensor<1x8x16x16xf32> {
  // CHECK: qnn.conv %{{.*}}, %{{.*}} bias %{{.*}} : tensor<8xf32> {dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, strides = array<i64: 2, 2>}
  %0 = qnn.conv %x, %w bias %b : tensor<8xf32> {
      strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>}
    : tensor<1x3x32x32xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x16x16xf32>
  return %0 : tensor<1x8x16x16xf32>
}

// CHECK-LABEL: func @integer
func.func @integer(%x: tensor<1x4x?xui8>, %w: tensor<8x2x3xi8>, %xz: tensor<ui8>, %wz: tensor<8xi8>) -> tensor<1x8x?xi32> {
  // CHECK: input_zero_point %{{.*}} : tensor<ui8> weights_zero_point %{{.*}} : tensor<8xi8>
  // CHECK-SAME: auto_pad = #qnn<auto_pad same_upper>
  %0 = qnn.conv %x, %w input_zero_point %xz : tensor<ui8> weights_zero_point %wz : tensor<8xi8> {
      strides = array<i64: 1>, dilations = array<i64: 2>, pads = array<i64: 0, 0>, group = 2, auto_pad = #qnn<auto_pad same_upper>}
    : tensor<1x4x?xui8>, tensor<8x2x3xi8> -> tensor<1x8x?xi32>
  return %0 : tensor<1x8x?xi32>
}

// CHECK-LABEL: func @transposed
func.func @transposed(%x: tensor<?x8x4x4xf32>, %w: tensor<8x2x3x3xf32>) -> tensor<?x4x8x8xf32> {
  // CHECK: qnn.conv_transpose
  %0 = qnn.conv_transpose %x, %w {
      strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>,
      output_padding = array<i64: 1, 1>, group = 2}
    : tensor<?x8x4x4xf32>, tensor<8x2x3x3xf32> -> tensor<?x4x8x8xf32>
  return %0 : tensor<?x4x8x8xf32>
}

// CHECK-LABEL: func @deformable
func.func @deformable(%x: tensor<1x1x3x3xf32>, %w: tensor<1x1x2x2xf32>, %o: tensor<1x8x2x2xf32>, %m: tensor<1x4x2x2xf32>) -> tensor<1x1x2x2xf32> {
  // CHECK: qnn.deform_conv %{{.*}}, %{{.*}}, %{{.*}} mask
  %0 = qnn.deform_conv %x, %w, %o mask %m : tensor<1x4x2x2xf32> {
      strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x3x3xf32>, tensor<1x1x2x2xf32>, tensor<1x8x2x2xf32> -> tensor<1x1x2x2xf32>
  return %0 : tensor<1x1x2x2xf32>
}
