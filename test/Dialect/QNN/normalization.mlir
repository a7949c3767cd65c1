// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @normalize
func.func @normalize(%x: tensor<2x3x8xf16>, %s: tensor<8xf16>) -> tensor<2x3x8xf16> {
  // CHECK: qnn.normalize layer %{{.*}} scale %{{.*}} : tensor<8xf16> {axis = 2 : i64, epsilon = 1.000000e-05 : f64, stash_type = f32} : tensor<2x3x8xf16> -> tensor<2x3x8xf16>, tensor<2x3x1xf32>, tensor<2x3x1xf32>
  %0:3 = qnn.normalize layer %x scale %s : tensor<8xf16> {axis = 2 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<2x3x8xf16> -> tensor<2x3x8xf16>, tensor<2x3x1xf32>, tensor<2x3x1xf32>
  return %0#0 : tensor<2x3x8xf16>
}

// CHECK-LABEL: @channels
func.func @channels(%x: tensor<2x3x8xf32>, %p: tensor<3xf32>) -> tensor<2x3x8xf32> {
  // CHECK: qnn.batch_norm
  %0 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<2x3x8xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<2x3x8xf32>
  // CHECK: qnn.local_response_norm
  %1 = qnn.local_response_norm %0 {size = 3 : i64, alpha = 1.0e-4 : f64, beta = 0.75 : f64, bias = 1.0 : f64} : tensor<2x3x8xf32> -> tensor<2x3x8xf32>
  return %1 : tensor<2x3x8xf32>
}
