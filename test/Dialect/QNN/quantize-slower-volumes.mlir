// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic target-features=+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefixes=CHECK,KEEPS
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic-insist target-features=+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefixes=CHECK,INSISTS

// Depthwise convolutions of volumes have no loops of their own: their windows
// are copied, bytes in more steps than floats. So one stays in float even
// between layers of integers.
// KEEPS:         remark: stays in float: in integers it is predicted to take
// CHECK-NOT:     remark
// CHECK-LABEL: func.func @main
// KEEPS-NOT:     qnn.dequantize {{.*}} : tensor<32x1x3x3x3xi8>
// INSISTS:       qnn.dequantize {{.*}} : tensor<32x1x3x3x3xi8>
// CHECK:         qnn.conv {{.*}} group = 32
func.func @main(%x: tensor<1x32x8x28x28xf32>) -> tensor<1x32x8x28x28xf32> {
  %w0 = qnn.constant dense<1.0> : tensor<32x32x3x3x3xf32>
  %0 = qnn.conv %x, %w0 {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 1, 1, 1, 1, 1, 1>} : tensor<1x32x8x28x28xf32>, tensor<32x32x3x3x3xf32> -> tensor<1x32x8x28x28xf32>
  %w1 = qnn.constant dense<1.0> : tensor<32x1x3x3x3xf32>
  %1 = qnn.conv %0, %w1 {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 1, 1, 1, 1, 1, 1>, group = 32 : i64} : tensor<1x32x8x28x28xf32>, tensor<32x1x3x3x3xf32> -> tensor<1x32x8x28x28xf32>
  %w2 = qnn.constant dense<2.0> : tensor<32x32x3x3x3xf32>
  %2 = qnn.conv %1, %w2 {strides = array<i64: 1, 1, 1>, dilations = array<i64: 1, 1, 1>, pads = array<i64: 1, 1, 1, 1, 1, 1>} : tensor<1x32x8x28x28xf32>, tensor<32x32x3x3x3xf32> -> tensor<1x32x8x28x28xf32>
  return %2 : tensor<1x32x8x28x28xf32>
}
