// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic target-features=+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefixes=CHECK,KEEPS
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic-insist target-features=+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefixes=CHECK,INSISTS

// Vectors of elements hold windows of strides up to 2: of larger ones, bytes are
// copied one by one. So one stays in float even between layers of integers.
// KEEPS:         remark: stays in float: in integers it is predicted to take
// CHECK-NOT:     remark
// CHECK-LABEL: func.func @main
// KEEPS-NOT:     qnn.dequantize {{.*}} : tensor<64x1x32xi8>
// INSISTS:       qnn.dequantize {{.*}} : tensor<64x1x32xi8>
// CHECK:         qnn.conv {{.*}} group = 64
func.func @main(%x: tensor<1x64x2000xf32>) -> tensor<1x64x500xf32> {
  %w0 = qnn.constant dense<1.0> : tensor<64x64x1xf32>
  %0 = qnn.conv %x, %w0 {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : tensor<1x64x2000xf32>, tensor<64x64x1xf32> -> tensor<1x64x2000xf32>
  %w1 = qnn.constant dense<1.0> : tensor<64x1x32xf32>
  %1 = qnn.conv %0, %w1 {strides = array<i64: 4>, dilations = array<i64: 1>, pads = array<i64: 14, 14>, group = 64 : i64} : tensor<1x64x2000xf32>, tensor<64x1x32xf32> -> tensor<1x64x500xf32>
  %w2 = qnn.constant dense<2.0> : tensor<64x64x1xf32>
  %2 = qnn.conv %1, %w2 {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : tensor<1x64x500xf32>, tensor<64x64x1xf32> -> tensor<1x64x500xf32>
  return %2 : tensor<1x64x500xf32>
}
