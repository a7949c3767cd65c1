// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(qnn-fold-quantization))'
// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(qnn-fold-unfused))'
// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(func.func(qnn-infer-shapes))'

// What is dequantized has known sizes that the floats do not have, and they
// contradict each other: an error, before anything is made of integers.

func.func @product(%q: tensor<2x4xui8>, %s: tensor<f32>) -> tensor<?x5xf32> {
  %b = qnn.constant dense<1> : tensor<3x5xi8>
  %w = qnn.dequantize %b, %s : tensor<3x5xi8>, tensor<f32> -> tensor<3x5xf32>
  %x = qnn.dequantize %q, %s : tensor<2x4xui8>, tensor<f32> -> tensor<?x?xf32>
  // expected-error@+2 {{inner dimensions differ: 'tensor<2x4xf32>' and 'tensor<3x5xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %c = qnn.matmul %x, %w : tensor<?x?xf32>, tensor<3x5xf32> -> tensor<?x5xf32>
  return %c : tensor<?x5xf32>
}

// -----

func.func @sum(%q: tensor<4xi8>, %p: tensor<3xi8>) -> tensor<?xi8> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %x = qnn.dequantize %q, %s : tensor<4xi8>, tensor<f32> -> tensor<?xf32>
  %y = qnn.dequantize %p, %s : tensor<3xi8>, tensor<f32> -> tensor<3xf32>
  // expected-error@+2 {{does not broadcast}}
  // expected-error@+1 {{failed to infer returned types}}
  %c = qnn.binary add %x, %y : tensor<?xf32>, tensor<3xf32> -> tensor<?xf32>
  %d = qnn.quantize %c, %s : tensor<?xf32>, tensor<f32> -> tensor<?xi8>
  return %d : tensor<?xi8>
}
