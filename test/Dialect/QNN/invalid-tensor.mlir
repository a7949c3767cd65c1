// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @reshape_count(%x: tensor<2x6xf32>) {
  %s = qnn.constant dense<[5, 2]> : tensor<2xi64>
  // expected-error@+2 {{cannot reshape 'tensor<2x6xf32>' to [5, 2]: 12 elements against 10}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<2xi64> -> tensor<5x2xf32>
  return
}

// -----

func.func @reshape_two_unknown(%x: tensor<2x6xf32>) {
  %s = qnn.constant dense<[-1, -1]> : tensor<2xi64>
  // expected-error@+2 {{shape has more than one -1}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<2xi64> -> tensor<?x?xf32>
  return
}

// -----

func.func @reshape_negative(%x: tensor<2x6xf32>) {
  %s = qnn.constant dense<[-3, 4]> : tensor<2xi64>
  // expected-error@+2 {{shape has the negative dimension -3}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<2xi64> -> tensor<?x?xf32>
  return
}

// -----

func.func @reshape_copies_too_much(%x: tensor<2x6xf32>) {
  %s = qnn.constant dense<[0, 0, 0]> : tensor<3xi64>
  // expected-error@+2 {{shape copies dimension 2, but the input has rank 2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<3xi64> -> tensor<?x?x?xf32>
  return
}

// -----

func.func @reshape_overflow(%x: tensor<2x6xf32>) {
  %s = qnn.constant dense<[4611686018427387904, 4]> : tensor<2xi64>
  // expected-error@+2 {{shape has too many elements}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<2xi64> -> tensor<?x?xf32>
  return
}

// -----

func.func @permutation_repeats(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{is no permutation of the dimensions of 'tensor<2x6xf32>'}}
  %0 = qnn.transpose %x [0, 0] : tensor<2x6xf32> -> tensor<2x2xf32>
  return
}

// -----

func.func @permutation_outside(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{is no permutation of the dimensions of 'tensor<2x6xf32>'}}
  %0 = qnn.transpose %x [0, 2] : tensor<2x6xf32> -> tensor<2x6xf32>
  return
}

// -----

func.func @shape_outside(%x: tensor<2x6xf32>) {
  // expected-error@+1 {{dimensions 1 to 3 of a tensor of rank 2}}
  %0 = qnn.shape %x[1, 3] : tensor<2x6xf32> -> tensor<2xi64>
  return
}
