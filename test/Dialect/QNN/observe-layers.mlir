// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-name-values,qnn-insert-observers))' | FileCheck %s

// Convolutions: input channels, along axis 1. What a loop carries has a name,
// too, and is watched at each turn.
// CHECK-LABEL: func.func @convolution(
// CHECK:         qnn.observe %{{.*}} as "x" {channel_axis = 1 : i64} : tensor<1x2x4x4xf32>
func.func @convolution(%x: tensor<1x2x4x4xf32> {qnn.name = "x"}) -> tensor<1x1x4x4xf32> {
  %w = qnn.constant dense<1.0> : tensor<1x2x1x1xf32>
  %y = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<1x2x1x1xf32> -> tensor<1x1x4x4xf32>
  return %y : tensor<1x1x4x4xf32>
}

// CHECK-LABEL: func.func @loop(
// CHECK:         scf.for {{.*}} iter_args(%[[H:.*]] = %{{.*}})
// CHECK:         qnn.observe %[[H]] as "recurrent:1" {channel_axis = 1 : i64}
func.func @loop(%x: tensor<2x4xf32> {qnn.name = "x"}, %n: index) -> tensor<2x4xf32> {
  %w = qnn.constant dense<1.0> : tensor<4x4xf32>
  %zero = arith.constant 0 : index
  %one = arith.constant 1 : index
  %r = scf.for %i = %zero to %n step %one iter_args(%h = %x) -> tensor<2x4xf32> {
    %0 = qnn.matmul %h, %w : tensor<2x4xf32>, tensor<4x4xf32> -> tensor<2x4xf32>
    scf.yield %0 : tensor<2x4xf32>
  } loc("recurrent")
  return %r : tensor<2x4xf32>
}
