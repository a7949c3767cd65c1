// RUN: quant-opt %s --verify-diagnostics --pass-pipeline='builtin.module(func.func(qnn-verify-folded{report strict=false}))'

// Nothing fails, all is told.

func.func @one_operand(%x: tensor<4x8xf32>) -> tensor<4x2xi8> {
  %b = qnn.constant dense<1> : tensor<8x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  // expected-remark @below {{dequantizes 'tensor<8x2xi8>': qnn.matmul: operand 0 is not quantized}}
  %w = qnn.dequantize %b, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  // expected-remark @below {{computes with floats, and dequantizes its weight (operand 1) for that: operand 0 is not quantized}}
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // expected-remark @below {{quantizes to 'tensor<4x2xi8>': qnn.matmul: operand 0 is not quantized}}
  %q = qnn.quantize %y, %s : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xi8>
  return %q : tensor<4x2xi8>
}
