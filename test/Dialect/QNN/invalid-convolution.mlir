// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @channels(%x: tensor<1x4x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+2 {{the input has 4 channels, but the weights are for 3 (3 in each of 1 groups)}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x4x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @too_large(%x: tensor<1x3x2x2xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+2 {{the kernel does not fit into the padded input along dimension 2}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x2x2xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x1x1xf32>
  return
}

// -----

func.func @strides(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{strides must hold 2 numbers for 2 spatial dimensions, got 1}}
  %0 = qnn.conv %x, %w {strides = array<i64: 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @float_zero_point(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %z: tensor<f32>) {
  // expected-error@+1 {{zero points belong to integers, the input is 'f32'}}
  %0 = qnn.conv %x, %w input_zero_point %z : tensor<f32>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @bias(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<4xf32>) {
  // expected-error@+2 {{bias must hold one element for each of the 8 channels of the result, got 'tensor<4xf32>'}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.conv %x, %w bias %b : tensor<4xf32>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}
