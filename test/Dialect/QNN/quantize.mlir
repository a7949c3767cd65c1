// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8}))' | FileCheck %s --check-prefix=W8
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w4-asym-g2}))' | FileCheck %s --check-prefix=GROUP
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8a8-dynamic}))' 2>&1 | FileCheck %s --check-prefix=DYNAMIC
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8a8-dynamic-token}))' | FileCheck %s --check-prefix=TOKEN


// One scale a column; weights span -127...127.
// W8-LABEL: func.func @main
// W8-DAG:     %[[S:.*]] = qnn.constant dense<[1.000000e+00, 2.000000e+00]> : tensor<2xf32>
// W8-DAG:     %[[W:.*]] = qnn.constant dense<{{\[}}[127, -127], [1, 2], [-2, 0], [4, 64]]> : tensor<4x2xi8>
// W8:         %[[R:.*]] = qnn.dequantize %[[W]], %[[S]] {axis = 1 : i64} : tensor<4x2xi8>, tensor<2xf32> -> tensor<4x2xf32>
// W8:         qnn.matmul %arg0, %[[R]]
// W8:         qnn.matmul {{.*}} : tensor<3x2xf32>, tensor<2x3xf32>
// W8:         qnn.conv {{.*}} : tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32>
// A table has scales along the axis that stays in the result.
// W8:         %[[T:.*]] = qnn.dequantize {{.*}} {axis = 1 : i64} : tensor<512x2xi8>, tensor<2xf32> -> tensor<512x2xf32>
// W8:         qnn.gather %[[T]]

// Groups of two along the summed axis, with zero points.
// GROUP-LABEL: func.func @main
// GROUP:       qnn.dequantize {{.*}} zero_point {{.*}} : tensor<2x2xi4> {axis = 0 : i64, block_size = 2 : i64} : tensor<4x2xi4>, tensor<2x2xf32> -> tensor<4x2xf32>
// A convolution has no such groups, but channels.
// GROUP:       qnn.dequantize {{.*}} {axis = 0 : i64} : tensor<1x1x1x1xi4>
// Tables keep 8 bits.
// GROUP:       qnn.dequantize {{.*}} : tensor<512x2xi8>

// A product of two activations stays in float.
// DYNAMIC:       remark: stays in float: it has no constant weights
// DYNAMIC-LABEL: func.func @main
// DYNAMIC:       %[[Q:.*]], %[[S:.*]], %[[Z:.*]] = qnn.dynamic_quantize %arg0
// DYNAMIC:       %[[X:.*]] = qnn.dequantize %[[Q]], %[[S]] zero_point %[[Z]]
// DYNAMIC:       qnn.matmul %[[X]]

// Tokens lie along the summed axis. A convolution's do not: one scale for all.
// TOKEN-LABEL: func.func @main
// TOKEN-DAG:     %[[ABS:.*]] = qnn.unary abs %arg0
// TOKEN-DAG:     %[[MAX:.*]] = qnn.reduce max %[[ABS]] {{.*}} -> tensor<3x1xf32>
// TOKEN-DAG:     %[[Q:.*]] = qnn.quantize %arg0, %[[S:.*]] {axis = 1 : i64, block_size = 4 : i64} : tensor<3x4xf32>, tensor<3x1xf32> -> tensor<3x4xi8>
// TOKEN-DAG:     qnn.dequantize %[[Q]], %[[S]] {axis = 1 : i64, block_size = 4 : i64}
// TOKEN-DAG:     qnn.dynamic_quantize %arg1
func.func @main(%x: tensor<3x4xf32>, %image: tensor<1x1x4x4xf32>, %ids: tensor<5xi64>) -> (tensor<3x3xf32>, tensor<1x1x4x4xf32>, tensor<5x2xf32>) {
  %w = qnn.constant dense<[[127.0, -254.0], [1.0, 4.0], [-2.0, 0.0], [4.0, 128.0]]> : tensor<4x2xf32>
  %0 = qnn.matmul %x, %w : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  %1 = qnn.transpose %0 [1, 0] : tensor<3x2xf32> -> tensor<2x3xf32>
  %2 = qnn.matmul %0, %1 : tensor<3x2xf32>, tensor<2x3xf32> -> tensor<3x3xf32>
  %k = qnn.constant dense<2.0> : tensor<1x1x1x1xf32>
  %3 = qnn.conv %image, %k {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x1x4x4xf32>, tensor<1x1x1x1xf32> -> tensor<1x1x4x4xf32>
  %table = qnn.constant dense<1.0> : tensor<512x2xf32>
  %4 = qnn.gather %table[%ids] axis 0 : tensor<512x2xf32>, tensor<5xi64> -> tensor<5x2xf32>
  return %2, %3, %4 : tensor<3x3xf32>, tensor<1x1x4x4xf32>, tensor<5x2xf32>
}
