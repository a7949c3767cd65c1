// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-fold-unfused))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-fold-unfused),qnn-fold-constants{keep-dequantized})' | FileCheck %s --check-prefix=FOLDED

// Quantized at once, also behind a relu that the range of the type does: left
// to ONNX Runtime.
// CHECK-LABEL: func @at_once(
// CHECK:         %[[W:.*]] = qnn.dequantize
// CHECK:         %[[X:.*]] = qnn.dequantize
// CHECK:         %[[C:.*]] = qnn.conv %[[X]], %[[W]] {{.*}} -> tensor<1x2x4x4xf32>
// CHECK:         %[[R:.*]] = qnn.unary relu %[[C]]
// CHECK:         qnn.quantize %[[R]]
// FOLDED-LABEL: func @at_once(
// FOLDED:         qnn.dequantize
// FOLDED:         qnn.dequantize
// FOLDED:         qnn.conv {{.*}} -> tensor<1x2x4x4xf32>
func.func @at_once(%a: tensor<1x2x4x4xui8>) -> tensor<1x2x4x4xui8> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %z = qnn.constant dense<0> : tensor<ui8>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %x = qnn.dequantize %a, %s zero_point %z : tensor<ui8> : tensor<1x2x4x4xui8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %r = qnn.unary relu %c : tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  %q = qnn.quantize %r, %s zero_point %z : tensor<ui8> : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xui8>
  return %q : tensor<1x2x4x4xui8>
}

// -----

// Floats follow: ONNX Runtime would multiply floats. Scales are folded, the
// weights of others are not.
// CHECK-LABEL: func @floats_follow(
// CHECK-SAME:      %[[A:.*]]: tensor<1x2x4x4xui8>
// CHECK-NOT:     qnn.dequantize
// CHECK:         %[[SCALE:.*]] = qnn.binary mul
// CHECK:         %[[ACC:.*]] = qnn.conv %[[A]], %{{.*}} -> tensor<1x2x4x4xi32>
// CHECK:         %[[C:.*]] = qnn.dequantize %[[ACC]], %[[SCALE]]
// CHECK:         qnn.unary sigmoid %[[C]]
// FOLDED-LABEL: func @floats_follow(
// FOLDED:         qnn.constant dense<2.500000e-01> : tensor<f32>
// FOLDED-NOT:     qnn.binary
// FOLDED:         return
func.func @floats_follow(%a: tensor<1x2x4x4xui8>) -> tensor<1x2x4x4xf32> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %x = qnn.dequantize %a, %s : tensor<1x2x4x4xui8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %y = qnn.unary sigmoid %c : tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// -----

// A relu that does more than the range: the accumulator is quantized, then it
// becomes a maximum of integers.
// CHECK-LABEL: func @clamps(
// CHECK:         %[[ACC:.*]] = qnn.conv {{.*}} -> tensor<1x2x4x4xi32>
// CHECK:         %[[Q:.*]] = qnn.requantize %[[ACC]]
// CHECK:         qnn.binary max %[[Q]]
func.func @clamps(%a: tensor<1x2x4x4xui8>) -> tensor<1x2x4x4xui8> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %z = qnn.constant dense<7> : tensor<ui8>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %x = qnn.dequantize %a, %s : tensor<1x2x4x4xui8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %r = qnn.unary relu %c : tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  %q = qnn.quantize %r, %s zero_point %z : tensor<ui8> : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xui8>
  return %q : tensor<1x2x4x4xui8>
}

// -----

// Floats may follow a product of matrices, but no bias with which ONNX Runtime
// makes a Gemm of it, and none that we round.
// CHECK-LABEL: func @products(
// CHECK:         qnn.matmul {{.*}} -> tensor<?x3x2xf32>
// CHECK:         qnn.matmul {{.*}} -> tensor<4x2xi32>
// CHECK:         %[[ACC:.*]] = qnn.matmul {{.*}} -> tensor<?x3x2xi32>
// CHECK:         %[[BIASED:.*]] = qnn.binary add %[[ACC]], %{{.*}}i32
// CHECK:         qnn.requantize %[[BIASED]]
func.func @products(%a: tensor<?x3x4xui8>, %b: tensor<4x4xui8>)
    -> (tensor<?x3x2xf32>, tensor<4x2xf32>, tensor<?x2x3xui8>) {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %bias = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %v = qnn.constant dense<1> : tensor<4x2xi8>
  %w = qnn.dequantize %v, %s : tensor<4x2xi8>, tensor<f32> -> tensor<4x2xf32>
  %x = qnn.dequantize %a, %s : tensor<?x3x4xui8>, tensor<f32> -> tensor<?x3x4xf32>
  %y = qnn.dequantize %b, %s : tensor<4x4xui8>, tensor<f32> -> tensor<4x4xf32>
  %0 = qnn.matmul %x, %w : tensor<?x3x4xf32>, tensor<4x2xf32> -> tensor<?x3x2xf32>
  %1 = qnn.binary add %0, %bias : tensor<?x3x2xf32>, tensor<2xf32> -> tensor<?x3x2xf32>
  %2 = qnn.matmul %y, %w : tensor<4x4xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
  %3 = qnn.binary add %2, %bias : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  %4 = qnn.matmul %x, %w : tensor<?x3x4xf32>, tensor<4x2xf32> -> tensor<?x3x2xf32>
  %5 = qnn.binary add %4, %bias : tensor<?x3x2xf32>, tensor<2xf32> -> tensor<?x3x2xf32>
  %6 = qnn.transpose %5 [0, 2, 1] : tensor<?x3x2xf32> -> tensor<?x2x3xf32>
  %7 = qnn.quantize %6, %s : tensor<?x2x3xf32>, tensor<f32> -> tensor<?x2x3xui8>
  return %1, %3, %7 : tensor<?x3x2xf32>, tensor<4x2xf32>, tensor<?x2x3xui8>
}

// -----

// Transposed convolutions become products if their kernels tile, or stay.
// CHECK-LABEL: func @transposed(
// CHECK:         qnn.conv {{.*}} -> tensor<1x8x4x4xi32>
// CHECK:         qnn.conv_transpose {{.*}} -> tensor<1x2x5x5xf32>
func.func @transposed(%a: tensor<1x2x4x4xui8>) -> (tensor<1x2x8x8xf32>, tensor<1x2x5x5xf32>) {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %b = qnn.constant dense<1> : tensor<2x2x2x2xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x2x2xi8>, tensor<f32> -> tensor<2x2x2x2xf32>
  %x = qnn.dequantize %a, %s : tensor<1x2x4x4xui8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %0 = qnn.conv_transpose %x, %w
    {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x2x2xf32> -> tensor<1x2x8x8xf32>
  %1 = qnn.conv_transpose %x, %w
    {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x2x2xf32> -> tensor<1x2x5x5xf32>
  return %0, %1 : tensor<1x2x8x8xf32>, tensor<1x2x5x5xf32>
}

// -----

// On x86, ONNX Runtime's integer kernels take unsigned activations. It makes
// those of signed ones that one dequantize reads, for one op: the first
// convolution stays, as both ends of it become unsigned.
// CHECK-LABEL: func @signed(
// CHECK:         qnn.conv {{.*}} -> tensor<1x2x4x4xf32>
func.func @signed(%a: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %q = qnn.quantize %a, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  %x = qnn.dequantize %q, %s : tensor<1x2x4x4xi8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %p = qnn.quantize %c, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  %y = qnn.dequantize %p, %s : tensor<1x2x4x4xi8>, tensor<f32> -> tensor<1x2x4x4xf32>
  return %y : tensor<1x2x4x4xf32>
}

// -----

// Here the second one's result stays float, and so it reads signed integers:
// the first one cannot write unsigned ones.
// CHECK-LABEL: func @signed_chain(
// CHECK:         qnn.conv {{.*}} -> tensor<1x2x4x4xi32>
// CHECK:         qnn.conv {{.*}} -> tensor<1x2x4x4xi32>
func.func @signed_chain(%a: tensor<1x2x4x4xf32>) -> tensor<1x2x4x4xf32> {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %q = qnn.quantize %a, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  %x = qnn.dequantize %q, %s : tensor<1x2x4x4xi8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %p = qnn.quantize %c, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  %y = qnn.dequantize %p, %s : tensor<1x2x4x4xi8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %d = qnn.conv %y, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %z = qnn.unary sigmoid %d : tensor<1x2x4x4xf32> -> tensor<1x2x4x4xf32>
  return %z : tensor<1x2x4x4xf32>
}

// -----

// Two read the activations: they stay signed.
// CHECK-LABEL: func @signed_twice(
// CHECK:         qnn.conv {{.*}} -> tensor<1x2x4x4xi32>
func.func @signed_twice(%a: tensor<1x2x4x4xf32>) -> (tensor<1x2x4x4xi8>, tensor<1x2x4x4xf32>) {
  %s = qnn.constant dense<0.5> : tensor<f32>
  %b = qnn.constant dense<1> : tensor<2x2x1x1xi8>
  %w = qnn.dequantize %b, %s : tensor<2x2x1x1xi8>, tensor<f32> -> tensor<2x2x1x1xf32>
  %q = qnn.quantize %a, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  %x = qnn.dequantize %q, %s : tensor<1x2x4x4xi8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %c = qnn.conv %x, %w {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
    : tensor<1x2x4x4xf32>, tensor<2x2x1x1xf32> -> tensor<1x2x4x4xf32>
  %p = qnn.quantize %c, %s : tensor<1x2x4x4xf32>, tensor<f32> -> tensor<1x2x4x4xi8>
  return %p, %x : tensor<1x2x4x4xi8>, tensor<1x2x4x4xf32>
}
