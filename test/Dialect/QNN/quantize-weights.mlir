// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=nf4-g2}))' | FileCheck %s --check-prefix=NF4
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w4-hqq-g2}))' | FileCheck %s --check-prefix=HQQ
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w3-clip}))' | FileCheck %s --check-prefix=CLIP
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=mxfp4-g2}))' | FileCheck %s --check-prefix=MX
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w4-sym-g2-dq}))' | FileCheck %s --check-prefix=DQ
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=q4_k-g2}))' | FileCheck %s --check-prefix=SUPER
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w4-gptq}))' 2>&1 | FileCheck %s --check-prefix=GPTQ

// Codes are looked up, and scaled in blocks of two rows.
// NF4-LABEL: func.func @main
// NF4:         %[[N:.*]] = qnn.lookup {{.*}} : tensor<4x2xui4>, tensor<16xf32> -> tensor<4x2xf32>
// NF4:         %[[B:.*]] = qnn.reshape %[[N]], {{.*}} -> tensor<2x2x2xf32>
// NF4:         %[[P:.*]] = qnn.binary mul %[[B]], {{.*}} : tensor<2x2x2xf32>, tensor<2x1x2xf32>
// NF4:         %[[W:.*]] = qnn.reshape %[[P]], {{.*}} -> tensor<4x2xf32>
// NF4:         qnn.matmul %arg0, %[[W]]

// Zero points that are no integers.
// HQQ-LABEL: func.func @main
// HQQ:         qnn.dequantize {{.*}} zero_point {{.*}} : tensor<2x2xf32> {axis = 0 : i64, block_size = 2 : i64} : tensor<4x2x{{u?}}i4>, tensor<2x2xf32>

// Three bits are stored as four.
// CLIP-LABEL: func.func @main
// CLIP:         qnn.dequantize {{.*}} {axis = 1 : i64} : tensor<4x2xi4>, tensor<2xf32>

// Scales are powers of two: 2^(floor(log2(2)) - 2), and so on.
// MX-LABEL: func.func @main
// MX:         qnn.constant dense<{{\[\[}}2.500000e-01, 1.000000e+00], [1.000000e+00, 2.500000e-01]]>

// Scales are multiples of 1/127 of the largest one of a column.
// DQ-LABEL: func.func @main
// DQ:         qnn.constant dense<{{\[\[}}0.13438{{[0-9]*}}, 0.53333{{[0-9]*}}], [0.53333{{[0-9]*}}, 0.20157{{[0-9]*}}]]>

// Multiples of an f16 number, with zero points that are such, too.
// SUPER-LABEL: func.func @main
// SUPER:         qnn.dequantize {{.*}} zero_point {{.*}} : tensor<2x2xf32> {axis = 0 : i64, block_size = 2 : i64} : tensor<4x2xi4>, tensor<2x2xf32>

// GPTQ: error: {{.*}}needs statistics of 1 values
func.func @main(%x: tensor<3x4xf32> {qnn.name = "x"}) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1.0, -2.0], [0.5, 4.0], [-2.0, 0.1], [4.0, 1.5]]> : tensor<4x2xf32>
  %0 = qnn.matmul %x, %w : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}
