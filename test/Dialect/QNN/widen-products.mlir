// RUN: quant-opt %s --qnn-widen-products | FileCheck %s --check-prefixes=CHECK,SOME
// RUN: quant-opt %s --qnn-widen-products=all | FileCheck %s --check-prefixes=CHECK,ALL

// CHECK-LABEL: func @convolution
// CHECK-DAG:   %[[X:.*]] = qnn.cast %arg0 : tensor<?x3x8x8xf16> -> tensor<?x3x8x8xf32>
// CHECK-DAG:   %[[W:.*]] = qnn.cast %arg1 : tensor<4x3x3x3xf16> -> tensor<4x3x3x3xf32>
// CHECK-DAG:   %[[B:.*]] = qnn.cast %arg2 : tensor<4xf16> -> tensor<4xf32>
// CHECK:       %[[Y:.*]] = qnn.conv %[[X]], %[[W]] bias %[[B]]
// CHECK-SAME:    -> tensor<?x4x6x6xf32>
// CHECK:       qnn.cast %[[Y]] : tensor<?x4x6x6xf32> -> tensor<?x4x6x6xf16>
func.func @convolution(%x: tensor<?x3x8x8xf16>, %w: tensor<4x3x3x3xf16>, %b: tensor<4xf16>) -> tensor<?x4x6x6xf16> {
  %y = qnn.conv %x, %w bias %b : tensor<4xf16> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<?x3x8x8xf16>, tensor<4x3x3x3xf16> -> tensor<?x4x6x6xf16>
  return %y : tensor<?x4x6x6xf16>
}

// A product's weights are read as vectors, as they are.
// CHECK-LABEL: func @product
// SOME:        qnn.matmul %arg0, %arg1 : tensor<?x8xf16>, tensor<8x16xf16> -> tensor<?x16xf16>
// ALL:         qnn.matmul {{.*}} -> tensor<?x16xf32>
func.func @product(%x: tensor<?x8xf16>, %w: tensor<8x16xf16>) -> tensor<?x16xf16> {
  %y = qnn.matmul %x, %w : tensor<?x8xf16>, tensor<8x16xf16> -> tensor<?x16xf16>
  return %y : tensor<?x16xf16>
}

// Some processors multiply bf16.
// CHECK-LABEL: func @bfloat
// SOME-NOT:    qnn.cast
// ALL:         qnn.conv {{.*}} -> tensor<1x4x6x6xf32>
func.func @bfloat(%x: tensor<1x3x8x8xbf16>, %w: tensor<4x3x3x3xbf16>) -> tensor<1x4x6x6xbf16> {
  %y = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x3x8x8xbf16>, tensor<4x3x3x3xbf16> -> tensor<1x4x6x6xbf16>
  return %y : tensor<1x4x6x6xbf16>
}

// CHECK-LABEL: func @others
// CHECK-NOT:   qnn.cast
func.func @others(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %a: tensor<4x3xui8>, %b: tensor<3x2xi8>) -> (tensor<1x4x6x6xf32>, tensor<4x2xi32>) {
  %y = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  %p = qnn.matmul %a, %b : tensor<4x3xui8>, tensor<3x2xi8> -> tensor<4x2xi32>
  return %y, %p : tensor<1x4x6x6xf32>, tensor<4x2xi32>
}
