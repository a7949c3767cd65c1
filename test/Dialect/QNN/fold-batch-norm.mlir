// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-fold-batch-norm),qnn-fold-constants)' | FileCheck %s

// (x - mean) / sqrt(variance + epsilon) * scale + bias with variance 3 and
// epsilon 1: channel 0 is (x - 1) / 2 * 4 + 5 = 2x + 3, channel 1 is x / 2 - 1.
// CHECK-LABEL: func.func @conv
// CHECK-DAG:     %[[W:.*]] = qnn.constant dense<{{\[\[\[\[}}2.000000e+00{{.*}}5.000000e-01
// CHECK-DAG:     %[[B:.*]] = qnn.constant dense<[2.300000e+01, 9.000000e+00]> : tensor<2xf32>
// CHECK:         %[[Y:.*]] = qnn.conv %arg0, %[[W]] bias %[[B]]
// CHECK-NEXT:    return %[[Y]]
func.func @conv(%x: tensor<?x1x4x4xf32>) -> tensor<?x2x4x4xf32> {
  %w = qnn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %b = qnn.constant dense<[10.0, 20.0]> : tensor<2xf32>
  %scale = qnn.constant dense<[4.0, 1.0]> : tensor<2xf32>
  %bias = qnn.constant dense<[5.0, -1.0]> : tensor<2xf32>
  %mean = qnn.constant dense<[1.0, 0.0]> : tensor<2xf32>
  %variance = qnn.constant dense<3.0> : tensor<2xf32>
  %0 = qnn.conv %x, %w bias %b : tensor<2xf32> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<?x1x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<?x2x4x4xf32>
  %1 = qnn.batch_norm %0, %scale, %bias, %mean, %variance {epsilon = 1.0 : f64} : tensor<?x2x4x4xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32>, tensor<2xf32> -> tensor<?x2x4x4xf32>
  return %1 : tensor<?x2x4x4xf32>
}

// -----

// A convolution without a bias gets one; a factor for all channels counts, too.
// CHECK-LABEL: func.func @no_bias
// CHECK-DAG:     %[[W:.*]] = qnn.constant dense<3.000000e+00> : tensor<2x1x1x1xf32>
// CHECK-DAG:     %[[B:.*]] = qnn.constant dense<[1.000000e+00, 2.000000e+00]>
// CHECK:         %[[Y:.*]] = qnn.conv %arg0, %[[W]] bias %[[B]]
// CHECK-NEXT:    return %[[Y]]
func.func @no_bias(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = qnn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %three = qnn.constant dense<3.0> : tensor<f32>
  %c = qnn.constant dense<[[[1.0]], [[2.0]]]> : tensor<2x1x1xf32>
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<1x2x4x4xf32>
  %1 = qnn.binary mul %0, %three : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xf32>
  %2 = qnn.binary add %1, %c : tensor<1x2x4x4xf32>, tensor<2x1x1xf32> -> tensor<1x2x4x4xf32>
  return %2 : tensor<1x2x4x4xf32>
}

// -----

// A product takes no bias: the sum stays behind it, and factors go through it.
// CHECK-LABEL: func.func @matmul
// CHECK-DAG:     %[[W:.*]] = qnn.constant dense<{{\[\[}}2.000000e+00, 4.000000e+00{{.*}}> : tensor<3x2xf32>
// CHECK-DAG:     %[[B:.*]] = qnn.constant dense<[1.000000e+01, 2.800000e+01]> : tensor<2xf32>
// CHECK:         %[[P:.*]] = qnn.matmul %arg0, %[[W]]
// CHECK:         %[[Y:.*]] = qnn.binary add %[[P]], %[[B]]
// CHECK-NEXT:    return %[[Y]]
func.func @matmul(%x: tensor<4x3xf32>) -> tensor<4x2xf32> {
  %w = qnn.constant dense<1.0> : tensor<3x2xf32>
  %b = qnn.constant dense<[5.0, 7.0]> : tensor<2xf32>
  %f = qnn.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %0 = qnn.matmul %x, %w : tensor<4x3xf32>, tensor<3x2xf32> -> tensor<4x2xf32>
  %1 = qnn.binary add %0, %b : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  %2 = qnn.binary mul %1, %f : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  return %2 : tensor<4x2xf32>
}

// -----

// Nothing to fold into: another user needs the product, the factor is one a
// row, or nothing linear comes before.
// CHECK-LABEL: func.func @kept
// CHECK:         qnn.binary mul
// CHECK:         qnn.binary mul
// CHECK:         qnn.binary mul
func.func @kept(%x: tensor<2x3xf32>) -> (tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>) {
  %w = qnn.constant dense<1.0> : tensor<3x2xf32>
  %f = qnn.constant dense<[2.0, 4.0]> : tensor<2xf32>
  %row = qnn.constant dense<[[2.0], [4.0]]> : tensor<2x1xf32>
  %three = qnn.constant dense<3.0> : tensor<f32>
  %0 = qnn.matmul %x, %w : tensor<2x3xf32>, tensor<3x2xf32> -> tensor<2x2xf32>
  %1 = qnn.binary mul %0, %f : tensor<2x2xf32>, tensor<2xf32> -> tensor<2x2xf32>
  %2 = qnn.matmul %x, %w : tensor<2x3xf32>, tensor<3x2xf32> -> tensor<2x2xf32>
  %3 = qnn.binary mul %2, %row : tensor<2x2xf32>, tensor<2x1xf32> -> tensor<2x2xf32>
  %4 = qnn.binary mul %x, %three : tensor<2x3xf32>, tensor<f32> -> tensor<2x3xf32>
  return %0, %1, %3, %4 : tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x2xf32>, tensor<2x3xf32>
}
