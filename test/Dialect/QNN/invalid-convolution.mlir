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

// -----

func.func @no_image(%x: tensor<1x3xf32>, %w: tensor<8x3xf32>) {
  // expected-error@+1 {{the input must have a spatial dimension at least: (N, C, spatial...), got 'tensor<1x3xf32>'}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3xf32>, tensor<8x3xf32> -> tensor<1x8xf32>
  return
}

// -----

func.func @ranks(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3xf32>) {
  // expected-error@+1 {{input and weights must have the same rank, got 'tensor<1x3x8x8xf32>' and 'tensor<8x3x3xf32>'}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @no_group(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{group must be positive, got 0}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, group = 0 : i64}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @stride(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{strides must be positive}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 0, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @dilation(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{dilations must be positive}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 0>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @huge_stride(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>) {
  // expected-error@+1 {{strides, dilations and pads must be below 2^31}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 4294967296>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @two_types(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf16>) {
  // expected-error@+1 {{input and weights must have one element type, got 'f32' and 'f16'}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf16> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @wide_integers(%x: tensor<1x3x8x8xi16>, %w: tensor<8x3x3x3xi16>) {
  // expected-error@+1 {{expects floats, or integers of 8 bits at most, got 'i16' and 'i16'}}
  %0 = qnn.conv %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xi16>, tensor<8x3x3x3xi16> -> tensor<1x8x6x6xi32>
  return
}

// -----

func.func @bias_type(%x: tensor<1x3x8x8xf32>, %w: tensor<8x3x3x3xf32>, %b: tensor<8xf16>) {
  // expected-error@+1 {{bias must have the result's element type, got 'tensor<8xf16>'}}
  %0 = qnn.conv %x, %w bias %b : tensor<8xf16>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x6x6xf32>
  return
}

// -----

func.func @zero_points(%x: tensor<1x3x8x8xui8>, %w: tensor<8x3x3x3xi8>, %z: tensor<3xui8>) {
  // expected-error@+1 {{the input's zero point must be a scalar, got 'tensor<3xui8>'}}
  %0 = qnn.conv %x, %w input_zero_point %z : tensor<3xui8>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x3x8x8xui8>, tensor<8x3x3x3xi8> -> tensor<1x8x6x6xi32>
  return
}

// -----

// Channels of the result are along the second dimension.
func.func @transposed_weights_zero_point(%x: tensor<1x2x8x8xui8>, %w: tensor<2x4x3x3xi8>, %z: tensor<3xi8>) {
  // expected-error@+1 {{hold one element for each channel of the result, got 'tensor<3xi8>'}}
  %0 = qnn.conv_transpose %x, %w weights_zero_point %z : tensor<3xi8>
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>, output_shape = array<i64>, group = 2 : i64}
    : tensor<1x2x8x8xui8>, tensor<2x4x3x3xi8> -> tensor<1x8x10x10xi32>
  return
}

// -----

func.func @output_padding(%x: tensor<1x3x8x8xf32>, %w: tensor<3x8x3x3xf32>) {
  // expected-error@+1 {{output_padding must be below stride or dilation, got 1}}
  %0 = qnn.conv_transpose %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 1, 0>, output_shape = array<i64>}
    : tensor<1x3x8x8xf32>, tensor<3x8x3x3xf32> -> tensor<1x8x11x10xf32>
  return
}

// -----

func.func @deform_rank(%x: tensor<1x4x4xf32>, %w: tensor<2x4x3xf32>, %o: tensor<1x6x2xf32>) {
  // expected-error@+1 {{supports two spatial dimensions, got 'tensor<1x4x4xf32>'}}
  %0 = qnn.deform_conv %x, %w, %o
    {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>}
    : tensor<1x4x4xf32>, tensor<2x4x3xf32>, tensor<1x6x2xf32> -> tensor<1x2x2xf32>
  return
}

// -----

func.func @deform_offset(%x: tensor<1x4x4x4xf32>, %w: tensor<2x4x3x3xf32>, %o: tensor<18x2x2xf32>) {
  // expected-error@+1 {{offset and mask must have rank 4}}
  %0 = qnn.deform_conv %x, %w, %o
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x4x4x4xf32>, tensor<2x4x3x3xf32>, tensor<18x2x2xf32> -> tensor<1x2x2x2xf32>
  return
}

// -----

func.func @deform_group(%x: tensor<1x4x4x4xf32>, %w: tensor<2x4x3x3xf32>, %o: tensor<1x54x2x2xf32>) {
  // expected-error@+1 {{offset_group must divide the 4 channels of the input, got 3}}
  %0 = qnn.deform_conv %x, %w, %o
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, offset_group = 3 : i64}
    : tensor<1x4x4x4xf32>, tensor<2x4x3x3xf32>, tensor<1x54x2x2xf32> -> tensor<1x2x2x2xf32>
  return
}
