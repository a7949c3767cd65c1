// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @scale(%x: tensor<2x8xf32>, %s: tensor<7xf32>) {
  // expected-error @+2 {{scale or bias of type 'tensor<7xf32>' does not broadcast to 'tensor<2x8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:3 = qnn.normalize layer %x scale %s : tensor<7xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<2x8xf32> -> tensor<2x8xf32>, tensor<2x1xf32>, tensor<2x1xf32>
  return
}

// -----

func.func @channels(%x: tensor<2x3x8xf32>, %p: tensor<4xf32>) {
  // expected-error @+1 {{parameter of type 'tensor<4xf32>' for 3 channels}}
  %0 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<2x3x8xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32> -> tensor<2x3x8xf32>
  return
}

// -----

func.func @no_channels(%x: tensor<8xf32>) {
  // expected-error@+1 {{needs a dimension of channels and a positive size}}
  %0 = qnn.local_response_norm %x {size = 3 : i64, alpha = 1.0e-4 : f64, beta = 0.75 : f64, bias = 1.0 : f64} : tensor<8xf32> -> tensor<8xf32>
  return
}
