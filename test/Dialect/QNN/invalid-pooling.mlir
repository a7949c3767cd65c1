// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @integer_average(%x: tensor<1x1x4x4xi8>) {
  // expected-error@+1 {{average pooling expects floats, got 'tensor<1x1x4x4xi8>'}}
  %0 = qnn.pool average %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x4x4xi8> -> tensor<1x1x2x2xi8>
  return
}

// -----

func.func @kernel(%x: tensor<1x1x4x4xf32>) {
  // expected-error@+1 {{kernel must hold 2 numbers, got 1}}
  %0 = qnn.pool max %x {kernel = array<i64: 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  return
}

// -----

func.func @no_image(%x: tensor<1x4xf32>) {
  // expected-error@+1 {{the input must have a spatial dimension at least: (N, C, spatial...), got 'tensor<1x4xf32>'}}
  %0 = qnn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x4xf32> -> tensor<1x2xf32>
  return
}

// -----

func.func @empty_kernel(%x: tensor<1x1x4x4xf32>) {
  // expected-error@+1 {{the kernel's sizes must be between 1 and 2^31}}
  %0 = qnn.pool max %x {kernel = array<i64: 2, 0>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  return
}

// -----

func.func @norm(%x: tensor<1x1x4x4xf32>) {
  // expected-error@+1 {{p must be positive, got 0}}
  %0 = qnn.pool lp %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, p = 0 : i64}
    : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  return
}
