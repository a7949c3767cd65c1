// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-equalize))' | FileCheck %s
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-equalize),qnn-fold-constants)' | FileCheck %s --check-prefix=FOLDED
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-equalize{steps=0}))' 2>&1 | FileCheck %s --check-prefix=STEPS

// STEPS: error: qnn-equalize: steps must be at least 1, got 0

// Ranges 4 and 1 meet at 2, as do 0.25 and 1 at 0.5: the numbers are 2 and 0.5.
// They go through relu and pools, and take the bias along.
// CHECK-LABEL: func.func @convolutions(
// CHECK-DAG:     %[[W1:.*]] = qnn.constant dense<{{.*}}> : tensor<2x1x1x1xf32>
// CHECK-DAG:     %[[B1:.*]] = qnn.constant dense<[8.000000e+00, 3.000000e+00]>
// CHECK-DAG:     %[[W2:.*]] = qnn.constant dense<1.000000e+00> : tensor<3x2x1x1xf32>
// CHECK-DAG:     %[[SW:.*]] = qnn.constant dense<{{.*}}2.000000e+00{{.*}}5.000000e-01{{.*}}> : tensor<2x1x1x1xf32>
// CHECK-DAG:     %[[DW:.*]] = qnn.binary div %[[W1]], %[[SW]]
// CHECK-DAG:     %[[SB:.*]] = qnn.constant dense<[2.000000e+00, 5.000000e-01]> : tensor<2xf32>
// CHECK-DAG:     %[[DB:.*]] = qnn.binary div %[[B1]], %[[SB]]
// CHECK:         %[[C:.*]] = qnn.conv %{{.*}}, %[[DW]] bias %[[DB]]
// CHECK:         qnn.unary relu %[[C]]
// CHECK:         %[[SI:.*]] = qnn.constant dense<{{.*}}2.000000e+00{{.*}}5.000000e-01{{.*}}> : tensor<1x2x1x1xf32>
// CHECK:         %[[MW:.*]] = qnn.binary mul %[[W2]], %[[SI]]
// CHECK:         qnn.conv %{{.*}}, %[[MW]]
// FOLDED-LABEL: func.func @convolutions(
// FOLDED-DAG:     qnn.constant dense<{{.*}}2.000000e+00{{.*}}5.000000e-01{{.*}}> : tensor<2x1x1x1xf32>
// FOLDED-DAG:     qnn.constant dense<[4.000000e+00, 6.000000e+00]> : tensor<2xf32>
func.func @convolutions(%x: tensor<1x1x4x4xf32>) -> tensor<1x3x2x2xf32> {
  %w1 = qnn.constant dense<[[[[4.0]]], [[[-0.25]]]]> : tensor<2x1x1x1xf32>
  %b1 = qnn.constant dense<[8.0, 3.0]> : tensor<2xf32>
  %w2 = qnn.constant dense<1.0> : tensor<3x2x1x1xf32>
  %c = qnn.conv %x, %w1 bias %b1 : tensor<2xf32> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<1x2x4x4xf32>
  %r = qnn.unary relu %c : tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  %p = qnn.pool average %r {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32> -> tensor<1x2x2x2xf32>
  %y = qnn.conv %p, %w2 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x2x2xf32>, tensor<3x2x1x1xf32> -> tensor<1x3x2x2xf32>
  return %y : tensor<1x3x2x2xf32>
}

// A bias behind a product, a comparison with zero, and a transposition.
// CHECK-LABEL: func.func @products(
// CHECK:         %[[DW:.*]] = qnn.binary div %{{.*}}, %{{.*}} : tensor<1x2xf32>, tensor<1x2xf32>
// CHECK:         %[[M:.*]] = qnn.matmul %{{.*}}, %[[DW]]
// CHECK:         %[[DB:.*]] = qnn.binary div %{{.*}}, %{{.*}} : tensor<2xf32>, tensor<2xf32>
// CHECK:         %[[A:.*]] = qnn.binary add %[[M]], %[[DB]]
// CHECK:         %[[R:.*]] = qnn.binary max %[[A]],
// CHECK:         %[[MW:.*]] = qnn.binary mul %{{.*}}, %{{.*}} : tensor<2x3xf32>, tensor<2x1xf32>
// CHECK:         qnn.matmul %[[R]], %[[MW]]
func.func @products(%x: tensor<5x1xf32>) -> tensor<5x3xf32> {
  %w1 = qnn.constant dense<[[4.0, 0.25]]> : tensor<1x2xf32>
  %b1 = qnn.constant dense<[8.0, 3.0]> : tensor<2xf32>
  %zero = qnn.constant dense<0.0> : tensor<f32>
  %w2 = qnn.constant dense<1.0> : tensor<2x3xf32>
  %m = qnn.matmul %x, %w1 : tensor<5x1xf32>, tensor<1x2xf32> -> tensor<5x2xf32>
  %a = qnn.binary add %m, %b1 : tensor<5x2xf32>, tensor<2xf32> -> tensor<5x2xf32>
  %r = qnn.binary max %a, %zero : tensor<5x2xf32>, tensor<f32> -> tensor<5x2xf32>
  %y = qnn.matmul %r, %w2 : tensor<5x2xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}

// Each channel of a depthwise convolution meets one weight: no axis of inputs.
// CHECK-LABEL: func.func @depthwise(
// CHECK:         qnn.binary mul %{{.*}}, %{{.*}} : tensor<2x1x1x1xf32>, tensor<2x1x1x1xf32>
func.func @depthwise(%x: tensor<1x1x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w1 = qnn.constant dense<[[[[4.0]]], [[[0.25]]]]> : tensor<2x1x1x1xf32>
  %w2 = qnn.constant dense<1.0> : tensor<2x1x1x1xf32>
  %c = qnn.conv %x, %w1 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<1x2x4x4xf32>
  %y = qnn.conv %c, %w2 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 2 : i64}
    : tensor<1x2x4x4xf32>, tensor<2x1x1x1xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// What else reads the value would see other numbers.
// CHECK-LABEL: func.func @residual(
// CHECK-NOT:     qnn.binary div
// CHECK-NOT:     qnn.binary mul
// CHECK:         return
func.func @residual(%x: tensor<5x2xf32>) -> tensor<5x2xf32> {
  %w1 = qnn.constant dense<[[4.0, 0.25], [1.0, 1.0]]> : tensor<2x2xf32>
  %m = qnn.matmul %x, %w1 : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %r = qnn.unary relu %m : tensor<5x2xf32> -> tensor<5x2xf32>
  %n = qnn.matmul %r, %w1 : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %y = qnn.binary add %n, %r : tensor<5x2xf32>, tensor<5x2xf32> -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}

// Factors do not move through exp, and one bound for all channels would become
// one for each.
// CHECK-LABEL: func.func @others(
// CHECK-NOT:     qnn.binary div
// CHECK-NOT:     qnn.binary mul
// CHECK:         return
func.func @others(%x: tensor<5x2xf32>) -> tensor<5x2xf32> {
  %w1 = qnn.constant dense<[[4.0, 0.25], [1.0, 1.0]]> : tensor<2x2xf32>
  %six = qnn.constant dense<6.0> : tensor<f32>
  %m = qnn.matmul %x, %w1 : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %e = qnn.unary exp %m : tensor<5x2xf32> -> tensor<5x2xf32>
  %n = qnn.matmul %e, %w1 : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  %c = qnn.binary min %n, %six : tensor<5x2xf32>, tensor<f32> -> tensor<5x2xf32>
  %y = qnn.matmul %c, %w1 : tensor<5x2xf32>, tensor<2x2xf32> -> tensor<5x2xf32>
  return %y : tensor<5x2xf32>
}
