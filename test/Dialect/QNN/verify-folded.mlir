// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(qnn-verify-folded{report}))'

// All of these name what is wrong with the product of a quantized weight.

func.func @one_operand(%x: tensor<4x8xf32>) -> tensor<4x2xf32> {
  %b = qnn.constant dense<1> : tensor<8x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  // expected-remark @below {{dequantizes 'tensor<8x2xi8>': qnn.matmul: operand 0 is not quantized}}
  %w = qnn.dequantize %b, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  // expected-error @below {{computes with floats, and dequantizes its weight (operand 1) for that: operand 0 is not quantized}}
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

func.func @rows(%a: tensor<4x8xi8>) -> tensor<4x2xf32> {
  %b = qnn.constant dense<1> : tensor<8x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  %rows = qnn.constant dense<0.5> : tensor<8xf32>
  // expected-remark @below {{dequantizes}}
  %x = qnn.dequantize %a, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  // expected-remark @below {{dequantizes}}
  %w = qnn.dequantize %b, %rows {axis = 0 : i64} : tensor<8x2xi8>, tensor<8xf32> -> tensor<8x2xf32>
  // expected-error @below {{operand 1 has scales along axis 0, which are no channels of the result}}
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

func.func @sixteen_bits(%a: tensor<4x8xi16>) -> tensor<4x2xf32> {
  %b = qnn.constant dense<1> : tensor<8x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  // expected-remark @below {{dequantizes}}
  %x = qnn.dequantize %a, %s : tensor<4x8xi16>, tensor<f32> -> tensor<4x8xf32>
  // expected-remark @below {{dequantizes}}
  %w = qnn.dequantize %b, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  // expected-error @below {{operand 0 has 16 bits, and products take 8 at most}}
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

// It could be folded, and was not.
func.func @not_folded(%a: tensor<4x8xi8>) -> tensor<4x2xf32> {
  %b = qnn.constant dense<1> : tensor<2x8xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  // expected-remark @below {{dequantizes}}
  %x = qnn.dequantize %a, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  %t = qnn.transpose %b [1, 0] : tensor<2x8xi8> -> tensor<8x2xi8>
  // expected-remark @below {{dequantizes}}
  %w = qnn.dequantize %t, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  // expected-error @below {{it was not folded}}
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// -----

// No weight: a float product of activations is nobody's mistake.
func.func @activations(%x: tensor<4x8xf32>, %a: tensor<8x2xi8>, %s: tensor<f32>) -> tensor<4x2xi8> {
  // expected-remark @below {{dequantizes 'tensor<8x2xi8>': qnn.matmul: operand 0 is not quantized}}
  %w = qnn.dequantize %a, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  // expected-remark @below {{quantizes to 'tensor<4x2xi8>': qnn.matmul: operand 0 is not quantized}}
  %q = qnn.quantize %y, %s : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xi8>
  return %q : tensor<4x2xi8>
}

// -----

// Each pair that stays says what floats it is there for.
func.func @reasons(%x: tensor<4xf32>, %a: tensor<4xi8>, %b: tensor<4xi8>, %s: tensor<f32>, %r: tensor<f32>) -> (tensor<4xi8>, tensor<4xi8>, tensor<8xf32>) {
  // expected-remark @below {{quantizes to 'tensor<4xi8>': it is an input of the model}}
  %q = qnn.quantize %x, %s : tensor<4xf32>, tensor<f32> -> tensor<4xi8>
  // expected-remark @below {{qnn.concat joins or fills with what is not quantized alike; qnn.unary computes with floats, in one loop with this}}
  %f = qnn.dequantize %a, %s : tensor<4xi8>, tensor<f32> -> tensor<4xf32>
  // expected-remark @below {{dequantizes 'tensor<4xi8>': qnn.concat joins}}
  %g = qnn.dequantize %b, %r : tensor<4xi8>, tensor<f32> -> tensor<4xf32>
  %u = qnn.unary exp %f : tensor<4xf32> -> tensor<4xf32>
  // expected-remark @below {{quantizes to 'tensor<4xi8>': qnn.unary computes with floats, in one loop with this}}
  %v = qnn.quantize %u, %s : tensor<4xf32>, tensor<f32> -> tensor<4xi8>
  %j = qnn.concat 0, %f, %g : tensor<4xf32>, tensor<4xf32> -> tensor<8xf32>
  return %q, %v, %j : tensor<4xi8>, tensor<4xi8>, tensor<8xf32>
}

// -----

// Constant folding made floats of the weight.
func.func @folded_weight(%x: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %w = qnn.constant dense<0.5> : tensor<2x2x1x1xf32> {qnn.dequantized}
  // expected-error @below {{computes with floats, and dequantizes its weight (operand 1) for that: operand 0 is not quantized}}
  %y = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}
