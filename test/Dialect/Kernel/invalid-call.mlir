// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @unknown(%a: tensor<4xf32>) -> tensor<4xf32> {
  // expected-error@+1 {{calls @k, which is not a function}}
  %0 = kernel.call @k ins() outs(%a : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// -----

func.func private @k(memref<4xf32>)
func.func @types(%a: tensor<5xf32>) -> tensor<5xf32> {
  // expected-error@+1 {{does not fit @k of type}}
  %0 = kernel.call @k ins() outs(%a : tensor<5xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}
