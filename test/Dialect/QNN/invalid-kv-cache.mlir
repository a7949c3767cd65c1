// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(qnn-quantize-kv-cache{format=int4})'

// The result is not returned.
// expected-error @+1 {{has no cache to quantize}}
func.func @main(%new: tensor<1x2x1x4xf32>, %past: tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32> {
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  %y = qnn.unary relu %present : tensor<1x2x?x4xf32> -> tensor<1x2x?x4xf32>
  return %y : tensor<1x2x?x4xf32>
}

// -----

func.func @main(%new: tensor<1x2x1x4xf32>, %past: tensor<1x2x?x4xf32>) -> tensor<1x2x?x4xf32> {
  // expected-error @+1 {{cannot tell whether these are keys or values: no product of known form reads them}}
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  return %present : tensor<1x2x?x4xf32>
}
