// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @squeeze(%x: tensor<2x8xf32>) {
  %c = qnn.constant dense<0> : tensor<1xi64>
  // expected-error @+2 {{its extent is not 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.squeeze %x, %c : tensor<2x8xf32>, tensor<1xi64> -> tensor<8xf32>
  return
}

// -----

func.func @concat(%x: tensor<2x8xf32>, %y: tensor<3x8xf32>) {
  // expected-error @+2 {{along axis 1: dimension 0 differs}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.concat 1, %x, %y : tensor<2x8xf32>, tensor<3x8xf32> -> tensor<2x16xf32>
  return
}

// -----

func.func @gather(%x: tensor<2x8xf32>) {
  %i = qnn.constant dense<2> : tensor<1xi64>
  // expected-error @+2 {{index 2 is out of range for extent 2}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.gather %x[%i] axis 0 : tensor<2x8xf32>, tensor<1xi64> -> tensor<1x8xf32>
  return
}

// -----

func.func @reverse_sequence(%x: tensor<4x2xf32>, %l: tensor<4xi64>) {
  // expected-error@+1 {{axes 0 and 0 are no two dimensions of 'tensor<4x2xf32>'}}
  %0 = qnn.reverse_sequence %x, %l {time_axis = 0 : i64, batch_axis = 0 : i64} : tensor<4x2xf32>, tensor<4xi64> -> tensor<4x2xf32>
  return
}

// -----

func.func @expand(%x: tensor<3x8xf32>) {
  %s = qnn.constant dense<[2, 8]> : tensor<2xi64>
  // expected-error@+2 {{'tensor<3x8xf32>' does not broadcast to [2, 8]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.expand %x, %s : tensor<3x8xf32>, tensor<2xi64> -> tensor<?x8xf32>
  return
}
