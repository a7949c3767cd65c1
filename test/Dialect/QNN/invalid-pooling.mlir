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
