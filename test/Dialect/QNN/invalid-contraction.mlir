// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @inner(%a: tensor<2x3xf32>, %b: tensor<4x5xf32>) {
  // expected-error@+2 {{inner dimensions differ: 'tensor<2x3xf32>' and 'tensor<4x5xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.matmul %a, %b : tensor<2x3xf32>, tensor<4x5xf32> -> tensor<2x5xf32>
  return
}

// -----

func.func @batch(%a: tensor<2x2x3xf32>, %b: tensor<4x3x5xf32>) {
  // expected-error@+2 {{batch dimensions do not broadcast}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.matmul %a, %b : tensor<2x2x3xf32>, tensor<4x3x5xf32> -> tensor<2x2x5xf32>
  return
}

// -----

func.func @scalar(%a: tensor<f32>, %b: tensor<4x5xf32>) {
  // expected-error@+2 {{operands must have a dimension at least}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.matmul %a, %b : tensor<f32>, tensor<4x5xf32> -> tensor<5xf32>
  return
}

// -----

func.func @equation(%a: tensor<3x4xf32>) {
  // expected-error @+2 {{the equation 'ijk->i' is malformed or does not fit the operands}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.einsum "ijk->i" (%a) : (tensor<3x4xf32>) -> tensor<3xf32>
  return
}
