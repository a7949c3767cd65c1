// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: func @pools
func.func @pools(%x: tensor<1x8x28x?xf32>) -> (tensor<1x8x14x?xf32>, tensor<1x8x14x?xi64>, tensor<1x8x28x?xf32>) {
  // CHECK: qnn.pool max
  %0 = qnn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, ceil_mode}
    : tensor<1x8x28x?xf32> -> tensor<1x8x14x?xf32>
  // CHECK: qnn.pool_indices
  %1 = qnn.pool_indices %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, column_major}
    : tensor<1x8x28x?xf32> -> tensor<1x8x14x?xi64>
  // CHECK: qnn.pool average %{{.*}} {auto_pad = #qnn<auto_pad same_lower>, count_include_pad
  %2 = qnn.pool average %x {kernel = array<i64: 3, 3>, strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, count_include_pad, auto_pad = #qnn<auto_pad same_lower>}
    : tensor<1x8x28x?xf32> -> tensor<1x8x28x?xf32>
  return %0, %1, %2 : tensor<1x8x14x?xf32>, tensor<1x8x14x?xi64>, tensor<1x8x28x?xf32>
}
