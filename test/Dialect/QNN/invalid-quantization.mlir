// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @scale_list(%x: tensor<4x8xf32>, %s: tensor<8xf32>) {
  // expected-error@+1 {{a list of scales needs an axis}}
  %0 = qnn.quantize %x, %s : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xi8>
  return
}

// -----

func.func @scale_size(%x: tensor<4x8xi8>, %s: tensor<8xf32>) {
  // expected-error@+1 {{does not match dimension 0 of}}
  %0 = qnn.dequantize %x, %s {axis = 0 : i64}
      : tensor<4x8xi8>, tensor<8xf32> -> tensor<4x8xf32>
  return
}

// -----

func.func @blocks(%x: tensor<4x10xi8>, %s: tensor<4x2xf32>) {
  // expected-error@+1 {{does not match dimension 1 of 'tensor<4x10xi8>' in blocks of 4}}
  %0 = qnn.dequantize %x, %s {axis = 1 : i64, block_size = 4 : i64}
      : tensor<4x10xi8>, tensor<4x2xf32> -> tensor<4x10xf32>
  return
}

// -----

func.func @zero_type(%x: tensor<4xf32>, %s: tensor<f32>, %z: tensor<i8>) {
  // expected-error@+1 {{zero point of type 'tensor<i8>' beside elements of type 'ui8'}}
  %0 = qnn.quantize %x, %s zero_point %z : tensor<i8>
      : tensor<4xf32>, tensor<f32> -> tensor<4xui8>
  return
}

// -----

func.func @target(%x: tensor<4xf32>, %s: tensor<f32>) {
  // expected-error@+1 {{cannot quantize to 'i64'}}
  %0 = qnn.quantize %x, %s : tensor<4xf32>, tensor<f32> -> tensor<4xi64>
  return
}

// -----

func.func @unpack_size(%b: tensor<8x16xui8>) {
  // expected-error@+1 {{there are no 33 integers of 4 bits in 'tensor<8x16xui8>'}}
  %0 = qnn.unpack %b {bits = 4 : i64, size = 33 : i64}
      : tensor<8x16xui8> -> tensor<8x33xui4>
  return
}

// -----

func.func @table_size(%x: tensor<4xui4>, %t: tensor<15xf32>) {
  // expected-error@+1 {{table must be a list of 16 elements}}
  %0 = qnn.lookup %x, %t : tensor<4xui4>, tensor<15xf32> -> tensor<4xf32>
  return
}

// -----

func.func @observe_axis(%x: tensor<2x4xf32>) -> tensor<2x4xf32> {
  // expected-error @+1 {{channel_axis 2 is no dimension of 'tensor<2x4xf32>'}}
  %0 = qnn.observe %x as "x" {channel_axis = 2 : i64} : tensor<2x4xf32> -> tensor<2x4xf32>
  return %0 : tensor<2x4xf32>
}

// -----

func.func @block_without_axis(%x: tensor<8x16xf32>, %s: tensor<8x2xf32>) {
  // expected-error@+1 {{a block_size needs an axis}}
  %0 = qnn.quantize %x, %s {block_size = 8 : i64} : tensor<8x16xf32>, tensor<8x2xf32> -> tensor<8x16xi8>
  return
}

// -----

func.func @block_rank(%x: tensor<8x16xf32>, %s: tensor<2xf32>) {
  // expected-error@+1 {{blocked scale 'tensor<2xf32>' must have the rank of 'tensor<8x16xf32>'}}
  %0 = qnn.quantize %x, %s {axis = 1 : i64, block_size = 8 : i64} : tensor<8x16xf32>, tensor<2xf32> -> tensor<8x16xi8>
  return
}

// -----

func.func @matrix_of_scales(%x: tensor<8x16xf32>, %s: tensor<8x2xf32>) {
  // expected-error@+1 {{scale 'tensor<8x2xf32>' must be a number or a list without a block_size}}
  %0 = qnn.quantize %x, %s {axis = 1 : i64} : tensor<8x16xf32>, tensor<8x2xf32> -> tensor<8x16xi8>
  return
}

// -----

func.func @zero_point_shape(%x: tensor<8x16xf32>, %s: tensor<16xf32>, %z: tensor<8xi8>) {
  // expected-error@+1 {{zero point 'tensor<8xi8>' must have the shape of the scale 'tensor<16xf32>'}}
  %0 = qnn.quantize %x, %s zero_point %z : tensor<8xi8> {axis = 1 : i64} : tensor<8x16xf32>, tensor<16xf32> -> tensor<8x16xi8>
  return
}

// -----

func.func @precision(%x: tensor<8xf32>, %s: tensor<f32>) {
  // expected-error@+1 {{precision must be a float type, got 'i32'}}
  %0 = qnn.quantize %x, %s {precision = i32} : tensor<8xf32>, tensor<f32> -> tensor<8xi8>
  return
}

// -----

func.func @dequantize_type(%x: tensor<8xi64>, %s: tensor<f32>) {
  // expected-error@+1 {{cannot dequantize 'i64'}}
  %0 = qnn.dequantize %x, %s : tensor<8xi64>, tensor<f32> -> tensor<8xf32>
  return
}

// -----

func.func @requantize_type(%x: tensor<8xi32>, %s: tensor<f32>) {
  // expected-error@+1 {{cannot requantize to 'i32'}}
  %0 = qnn.requantize %x, %s : tensor<8xi32>, tensor<f32> -> tensor<8xi32>
  return
}

// -----

func.func @unpack_bits(%b: tensor<8xui8>) {
  // expected-error@+1 {{cannot unpack integers of 3 bits}}
  %0 = qnn.unpack %b {bits = 3 : i64, size = 8 : i64} : tensor<8xui8> -> tensor<8xui3>
  return
}
