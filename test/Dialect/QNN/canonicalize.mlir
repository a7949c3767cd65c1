// RUN: quant-opt %s -canonicalize | FileCheck %s

// CHECK-LABEL: @identities
// CHECK-SAME: (%[[$X:.*]]: tensor<2x3xf32>)
// CHECK-NEXT: return %[[$X]]
func.func @identities(%x: tensor<2x3xf32>) -> tensor<2x3xf32> {
  %s = qnn.constant dense<[2, -1]> : tensor<2xi64>
  %0 = qnn.cast %x : tensor<2x3xf32> -> tensor<2x3xf32>
  %1 = qnn.transpose %0 [0, 1] : tensor<2x3xf32> -> tensor<2x3xf32>
  %2 = qnn.reshape %1, %s : tensor<2x3xf32>, tensor<2xi64> -> tensor<2x3xf32>
  return %2 : tensor<2x3xf32>
}

// A reshape between dynamic types may still change the shape.
// CHECK-LABEL: @dynamic_reshape
// CHECK: qnn.reshape
func.func @dynamic_reshape(%x: tensor<?x?xf32>, %s: tensor<2xi64>) -> tensor<?x?xf32> {
  %0 = qnn.reshape %x, %s : tensor<?x?xf32>, tensor<2xi64> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// CHECK-LABEL: @reshape_constant
// CHECK-NEXT: qnn.constant dense<{{\[}}[1.0{{.*}}, 2.0{{.*}}], [3.0{{.*}}, 4.0{{.*}}]]> : tensor<2x2xf32>
// CHECK-NEXT: return
func.func @reshape_constant() -> tensor<2x2xf32> {
  %x = qnn.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %s = qnn.constant dense<2> : tensor<2xi64>
  %0 = qnn.reshape %x, %s : tensor<4xf32>, tensor<2xi64> -> tensor<2x2xf32>
  return %0 : tensor<2x2xf32>
}

// CHECK-LABEL: @static_part_of_shape
// CHECK: qnn.constant dense<[4, 5]> : tensor<2xi64>
// CHECK-NOT: qnn.shape
func.func @static_part_of_shape(%x: tensor<?x4x5xf32>) -> tensor<2xi64> {
  %0 = qnn.shape %x[1, 3] : tensor<?x4x5xf32> -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

// CHECK-LABEL: @unused
// CHECK-NEXT: return
func.func @unused(%x: tensor<?xf32>) {
  %0 = qnn.unary exp %x : tensor<?xf32> -> tensor<?xf32>
  return
}

// CHECK-LABEL: @small_power
func.func @small_power(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK-NEXT: %[[S:.*]] = qnn.binary mul %arg0, %arg0
  // CHECK-NEXT: %[[S2:.*]] = qnn.binary mul %arg0, %arg0
  // CHECK-NEXT: %[[C:.*]] = qnn.binary mul %[[S2]], %arg0
  // CHECK-NEXT: return %[[S]], %[[C]]
  %two = qnn.constant dense<2.0> : tensor<f32>
  %three = qnn.constant dense<3.0> : tensor<f32>
  %0 = qnn.binary pow %x, %two : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  %1 = qnn.binary pow %x, %three : tensor<4xf32>, tensor<f32> -> tensor<4xf32>
  return %0, %1 : tensor<4xf32>, tensor<4xf32>
}

// Unsigned weights around 128 are signed ones around zero, which need no correction.
// CHECK-LABEL: @unsigned_weights
func.func @unsigned_weights(%a: tensor<4x2xui8>, %x: tensor<1x2x5xui8>, %z: tensor<ui8>) -> (tensor<4x3xi32>, tensor<1x1x5xi32>, tensor<4x3xi32>) {
  // CHECK-DAG: %[[B:.*]] = qnn.constant dense<{{\[}}[-128, -1, 0], [1, 127, -28]]> : tensor<2x3xi8>
  // CHECK-DAG: %[[W:.*]] = qnn.constant dense<-2> : tensor<1x2x1xi8>
  // CHECK-DAG: %[[U:.*]] = qnn.constant {{.*}} : tensor<2x3xui8>
  // CHECK-DAG: qnn.matmul %arg0, %[[B]] lhs_zero_point %arg2 : tensor<ui8> : tensor<4x2xui8>, tensor<2x3xi8>
  // CHECK-DAG: qnn.conv %arg1, %[[W]] {{.*}} : tensor<1x2x5xui8>, tensor<1x2x1xi8>
  %b = qnn.constant dense<[[0, 127, 128], [129, 255, 100]]> : tensor<2x3xui8>
  %w = qnn.constant dense<126> : tensor<1x2x1xui8>
  %half = qnn.constant dense<128> : tensor<ui8>
  %halves = qnn.constant dense<128> : tensor<3xui8>
  %0 = qnn.matmul %a, %b lhs_zero_point %z : tensor<ui8> rhs_zero_point %halves : tensor<3xui8> : tensor<4x2xui8>, tensor<2x3xui8> -> tensor<4x3xi32>
  %1 = qnn.conv %x, %w weights_zero_point %half : tensor<ui8> {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : tensor<1x2x5xui8>, tensor<1x2x1xui8> -> tensor<1x1x5xi32>
  // Others stay as they are.
  // CHECK-DAG: qnn.matmul %arg0, %[[U]] rhs_zero_point %{{.*}} : tensor<3xui8>
  %others = qnn.constant dense<[128, 127, 128]> : tensor<3xui8>
  %2 = qnn.matmul %a, %b rhs_zero_point %others : tensor<3xui8> : tensor<4x2xui8>, tensor<2x3xui8> -> tensor<4x3xi32>
  return %0, %1, %2 : tensor<4x3xi32>, tensor<1x1x5xi32>, tensor<4x3xi32>
}

// Zero points of zero need no correction.
// CHECK-LABEL: @zero_points
func.func @zero_points(%a: tensor<4x8xi8>, %b: tensor<8x2xi8>, %z: tensor<i8>) -> tensor<4x2xi32> {
  // CHECK: qnn.matmul %{{.*}}, %{{.*}} lhs_zero_point %{{.*}} : tensor<i8> : tensor<4x8xi8>
  %zero = qnn.constant dense<0> : tensor<2xi8>
  %0 = qnn.matmul %a, %b lhs_zero_point %z : tensor<i8> rhs_zero_point %zero : tensor<2xi8> : tensor<4x8xi8>, tensor<8x2xi8> -> tensor<4x2xi32>
  return %0 : tensor<4x2xi32>
}

// Of a dilation beyond the image's size, the outer elements meet padding only.
// CHECK-LABEL: @padded_elements
// CHECK-SAME: (%[[X:.*]]: tensor<1x2x8x9xf32>)
// CHECK: %[[W:.*]] = qnn.constant {{.*}} : tensor<4x2x1x3xf32>
// CHECK: qnn.conv %[[X]], %[[W]]
// CHECK-SAME: dilations = array<i64: 8, 8>, pads = array<i64: 0, 8, 0, 8>
func.func @padded_elements(%x: tensor<1x2x8x9xf32>) -> tensor<1x4x8x9xf32> {
  %w = qnn.constant dense<1.0> : tensor<4x2x3x3xf32>
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 8, 8>, pads = array<i64: 8, 8, 8, 8>} : tensor<1x2x8x9xf32>, tensor<4x2x3x3xf32> -> tensor<1x4x8x9xf32>
  return %0 : tensor<1x4x8x9xf32>
}

// What is left would start within the image.
// CHECK-LABEL: @padded_elements_off_the_image
// CHECK: qnn.conv
// CHECK-SAME: pads = array<i64: 5, 5>
// CHECK-SAME: tensor<1x1x2xf32> -> tensor<1x1x4xf32>
func.func @padded_elements_off_the_image(%x: tensor<1x1x4xf32>) -> tensor<1x1x4xf32> {
  %w = qnn.constant dense<1.0> : tensor<1x1x2xf32>
  %0 = qnn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 10>, pads = array<i64: 5, 5>} : tensor<1x1x4xf32>, tensor<1x1x2xf32> -> tensor<1x1x4xf32>
  return %0 : tensor<1x1x4xf32>
}
