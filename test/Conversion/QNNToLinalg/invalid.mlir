// RUN: quant-opt %s --convert-qnn-to-linalg -split-input-file -verify-diagnostics

func.func @unary(%x: tensor<2xi32>) -> tensor<2xi32> {
  // expected-error @+2 {{cannot compute 'sqrt' of 'i32'}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.unary sqrt %x : tensor<2xi32> -> tensor<2xi32>
  return %0 : tensor<2xi32>
}

// -----

func.func @binary(%x: tensor<2xf32>) -> tensor<2xf32> {
  // expected-error @+2 {{cannot compute 'shift_left' of 'f32' and 'f32'}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.binary shift_left %x, %x : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

// -----

func.func @deform_conv(%x: tensor<1x4x8x8xf32>, %w: tensor<4x4x?x3xf32>,
                       %o: tensor<1x18x6x6xf32>) -> tensor<1x4x6x6xf32> {
  // expected-error @+2 {{needs channels and weights of sizes that are known when it is compiled}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.deform_conv %x, %w, %o {strides = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, dilations = array<i64: 1, 1>, group = 1 : i64, offset_group = 1 : i64} : tensor<1x4x8x8xf32>, tensor<4x4x?x3xf32>, tensor<1x18x6x6xf32> -> tensor<1x4x6x6xf32>
  return %0 : tensor<1x4x6x6xf32>
}

// -----

func.func @einsum(%a: tensor<3x5xi1>) -> tensor<3xi1> {
  // expected-error @+2 {{cannot multiply 'i1'}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.einsum "ij,ij->i" (%a, %a) : (tensor<3x5xi1>, tensor<3x5xi1>) -> tensor<3xi1>
  return %0 : tensor<3xi1>
}

// -----

func.func @arg_reduce(%x: tensor<2x8xf8E4M3FN>) -> tensor<2x1xi64> {
  // expected-error @+2 {{cannot compare 'f8E4M3FN'}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.arg_reduce max %x {axis = 1 : i64, keepdims} : tensor<2x8xf8E4M3FN> -> tensor<2x1xi64>
  return %0 : tensor<2x1xi64>
}

// -----

func.func @top_k(%x: tensor<2x8xf8E4M3FN>, %k: tensor<1xi64>) -> tensor<2x3xf8E4M3FN> {
  // expected-error @+2 {{cannot compare 'f8E4M3FN'}}
  // expected-error @+1 {{failed to legalize}}
  %0, %1 = qnn.top_k %x, %k {axis = 1 : i64} : tensor<2x8xf8E4M3FN>, tensor<1xi64> -> tensor<2x3xf8E4M3FN>, tensor<2x3xi64>
  return %0 : tensor<2x3xf8E4M3FN>
}

// -----

func.func @reduce(%x: tensor<2x8xf8E4M3FN>) -> tensor<2x1xf8E4M3FN> {
  %axes = qnn.constant dense<1> : tensor<1xi64>
  // expected-error @+2 {{cannot reduce 'f8E4M3FN'}}
  // expected-error @+1 {{failed to legalize}}
  %0 = qnn.reduce sum %x axes %axes : tensor<1xi64> {keepdims} : tensor<2x8xf8E4M3FN> -> tensor<2x1xf8E4M3FN>
  return %0 : tensor<2x1xf8E4M3FN>
}

// -----

func.func @normalize(%x: tensor<2x8xf8E4M3FN>, %s: tensor<8xf8E4M3FN>) -> tensor<2x8xf8E4M3FN> {
  // expected-error @+2 {{cannot normalize 'f8E4M3FN'}}
  // expected-error @+1 {{failed to legalize}}
  %0, %1, %2 = qnn.normalize layer %x scale %s : tensor<8xf8E4M3FN> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<2x8xf8E4M3FN> -> tensor<2x8xf8E4M3FN>, tensor<2x1xf32>, tensor<2x1xf32>
  return %0 : tensor<2x8xf8E4M3FN>
}
