// RUN: quant-opt %s --split-input-file --verify-diagnostics --pass-pipeline='builtin.module(qnn-cache-in-place)'

// Somebody else reads the past.
// expected-error @+1 {{has no cache that could grow in place}}
func.func @main(%new: tensor<1x2x1x4xf32>, %past: tensor<1x2x?x4xf32>) -> (tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>) {
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  %y = qnn.unary relu %past : tensor<1x2x?x4xf32> -> tensor<1x2x?x4xf32>
  return %y, %present : tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>
}

// -----

func.func @main(%new: tensor<1x3x1x4xf32>, %buffer: tensor<1x2x?x4xf32>, %length: tensor<1xi64>) {
  // expected-error @+2 {{cannot append 'tensor<1x3x1x4xf32>' to 'tensor<1x2x?x4xf32>': all dimensions but axis 2 must be known and equal}}
  // expected-error @+1 {{failed to infer returned types}}
  %updated, %all = qnn.append %new to %buffer at %length {axis = 2 : i64} : tensor<1x3x1x4xf32>, tensor<1x2x?x4xf32>, tensor<1xi64> -> tensor<1x2x?x4xf32>, tensor<1x2x?x4xf32>
  return
}
