// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic target-features=+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefix=AVX2
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic target-features=+neon})' 2>&1 | FileCheck %s --check-prefix=NEON
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic target-features=+avx512f,+avx512bw,+avx512vnni/+sse2,+ssse3,+avx2,+fma})' 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic-insist target-features=+neon})' 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8a8-dynamic})' 2>&1 | FileCheck %s --check-prefix=ALL
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8 target-features=+neon})' 2>&1 | FileCheck %s --check-prefix=WEIGHTS
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe="{base: w8a8-dynamic, overrides: [{op: qnn.conv, slower-layers: integer}]}" target-features=+neon})' 2>&1 | FileCheck %s --check-prefix=OP

// With pairs of bytes in 256 bits, sums over one channel take more in integers
// than in float, since sums are made bytes one register after the other.
// AVX2:       remark: stays in float: in integers it is predicted to take {{[0-9.]+}} million cycles on the target, and {{[0-9.]+}} million in float (`slower-layers: integer` in the recipe insists)
// AVX2-NOT:   remark
// AVX2-LABEL: func.func @main
// AVX2:       %[[Z:.*]] = qnn.dequantize {{.*}} -> tensor<1x2048xf32>
// AVX2:       %[[Y:.*]] = qnn.dequantize {{.*}} -> tensor<128x384xf32>
// AVX2:       qnn.conv %arg0, {{.*}} group = 64
// AVX2:       %[[X:.*]] = qnn.dequantize {{.*}} -> tensor<1x64x56x56xf32>
// AVX2:       qnn.conv %[[X]]
// AVX2:       qnn.matmul %[[Y]]
// AVX2:       qnn.matmul %[[Y]]
// AVX2:       qnn.matmul %[[Z]]

// Nothing there multiplies bytes. Matrices of weights stay 8 bits wide; where
// there is but one row, reading them takes the time, which bytes save.
// NEON:       remark: stays in float
// NEON:       remark: stays in float
// NEON:       remark: keeps its activations in float: in integers it is predicted
// NEON:       remark: keeps its activations in float
// NEON-NOT:   remark
// NEON-LABEL: func.func @main
// NEON:       %[[Z:.*]] = qnn.dequantize {{.*}} -> tensor<1x2048xf32>
// NEON-NOT:   quantize
// NEON:       qnn.conv %arg0
// NEON-NOT:   quantize
// NEON:       qnn.conv
// NEON:       %[[W:.*]] = qnn.dequantize {{.*}} : tensor<384x384xi8>
// NEON:       qnn.matmul %arg1, %[[W]]
// NEON:       qnn.matmul %arg1
// NEON:       qnn.matmul %[[Z]]

// Integers are as fast on one of two targets; without targets, and where the
// recipe insists, nothing is asked.
// ALL-NOT:   remark
// ALL-LABEL: func.func @main
// ALL:       %[[W:.*]] = qnn.dequantize {{.*}} : tensor<64x1x3x3xi8>
// ALL:       qnn.conv {{.*}}, %[[W]]

// Weights alone are there for their size.
// WEIGHTS-NOT:   remark
// WEIGHTS-LABEL: func.func @main
// WEIGHTS:       %[[W:.*]] = qnn.dequantize {{.*}} : tensor<64x1x3x3xi8>
// WEIGHTS:       qnn.conv %arg0, %[[W]]

// OP:       remark: keeps its activations in float
// OP:       remark: keeps its activations in float
// OP-NOT:   remark
// OP-LABEL: func.func @main
// OP:       %[[W:.*]] = qnn.dequantize {{.*}} : tensor<64x1x3x3xi8>
// OP:       qnn.conv {{.*}}, %[[W]]
func.func @main(%x: tensor<1x64x56x56xf32>, %y: tensor<128x384xf32>, %z: tensor<1x2048xf32>) -> (tensor<1x64x56x56xf32>, tensor<128x384xf32>, tensor<128x384xf32>, tensor<1x2048xf32>) {
  %w0 = qnn.constant dense<1.0> : tensor<64x1x3x3xf32>
  %0 = qnn.conv %x, %w0 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, group = 64 : i64} : tensor<1x64x56x56xf32>, tensor<64x1x3x3xf32> -> tensor<1x64x56x56xf32>
  %w1 = qnn.constant dense<1.0> : tensor<64x64x3x3xf32>
  %1 = qnn.conv %0, %w1 {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>} : tensor<1x64x56x56xf32>, tensor<64x64x3x3xf32> -> tensor<1x64x56x56xf32>
  %w2 = qnn.constant dense<1.0> : tensor<384x384xf32>
  %2 = qnn.matmul %y, %w2 : tensor<128x384xf32>, tensor<384x384xf32> -> tensor<128x384xf32>
  %w3 = qnn.constant dense<2.0> : tensor<384x384xf32>
  %3 = qnn.matmul %y, %w3 : tensor<128x384xf32>, tensor<384x384xf32> -> tensor<128x384xf32>
  %w4 = qnn.constant dense<1.0> : tensor<2048x2048xf32>
  %4 = qnn.matmul %z, %w4 : tensor<1x2048xf32>, tensor<2048x2048xf32> -> tensor<1x2048xf32>
  return %1, %2, %3, %4 : tensor<1x64x56x56xf32>, tensor<128x384xf32>, tensor<128x384xf32>, tensor<1x2048xf32>
}
