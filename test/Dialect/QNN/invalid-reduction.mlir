// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @axis_out_of_range(%x: tensor<2x8xf32>) {
  %axes = qnn.constant dense<2> : tensor<1xi64>
  // expected-error @+2 {{axis 2 is no dimension of 'tensor<2x8xf32>'}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.reduce sum %x axes %axes : tensor<1xi64> : tensor<2x8xf32> -> tensor<2xf32>
  return
}

// -----

func.func @unknown_rank(%x: tensor<2x8xf32>, %axes: tensor<?xi64>) {
  // expected-error @+2 {{the rank of the result is unknown}}
  // expected-error @+1 {{failed to infer returned types}}
  %0 = qnn.reduce sum %x axes %axes : tensor<?xi64> : tensor<2x8xf32> -> tensor<2xf32>
  return
}

// -----

func.func @sum_of_bool(%x: tensor<2xi1>) {
  // expected-error @+1 {{bool has no sum}}
  %0 = qnn.reduce sum %x : tensor<2xi1> -> tensor<i1>
  return
}

// -----

func.func @softmax_axis(%x: tensor<2x8xf32>) {
  // expected-error @+1 {{axis -1 is no dimension of 'tensor<2x8xf32>'}}
  %0 = qnn.softmax softmax %x {axis = -1 : i64} : tensor<2x8xf32> -> tensor<2x8xf32>
  return
}

// -----

func.func @k_too_large(%x: tensor<2x8xf32>) {
  %k = qnn.constant dense<9> : tensor<1xi64>
  // expected-error @+2 {{k does not lie between 0 and dimension 1}}
  // expected-error @+1 {{failed to infer returned types}}
  %0:2 = qnn.top_k %x, %k {axis = 1 : i64} : tensor<2x8xf32>, tensor<1xi64> -> tensor<2x9xf32>, tensor<2x9xi64>
  return
}
