// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-fold-quantization),cse)' | FileCheck %s

//===- contractions -------------------------------------------------------===//

// CHECK-LABEL: @matmul(
// CHECK-SAME: %[[A:.*]]: tensor<4x8xui8>, %[[B:.*]]: tensor<8x2xi8>, %[[ZA:.*]]: tensor<ui8>, %[[SA:.*]]: tensor<f32>, %[[SB:.*]]: tensor<f32>, %[[SY:.*]]: tensor<f32>, %[[ZY:.*]]: tensor<ui8>
func.func @matmul(%a: tensor<4x8xui8>, %b: tensor<8x2xi8>, %za: tensor<ui8>, %sa: tensor<f32>, %sb: tensor<f32>, %sy: tensor<f32>, %zy: tensor<ui8>) -> tensor<4x2xui8> {
  // CHECK: %[[ACC:.*]] = qnn.matmul %[[A]], %[[B]] lhs_zero_point %[[ZA]] : tensor<ui8> : tensor<4x8xui8>, tensor<8x2xi8> -> tensor<4x2xi32>
  // CHECK: %[[S:.*]] = qnn.binary div %{{.*}}, %[[SY]]
  // CHECK: %[[Y:.*]] = qnn.requantize %[[ACC]], %[[S]] zero_point %[[ZY]] : tensor<ui8> : tensor<4x2xi32>, tensor<f32> -> tensor<4x2xui8>
  // CHECK: return %[[Y]]
  %x = qnn.dequantize %a, %sa zero_point %za : tensor<ui8> : tensor<4x8xui8>, tensor<f32> -> tensor<4x8xf32>
  %w = qnn.dequantize %b, %sb : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %q = qnn.quantize %y, %sy zero_point %zy : tensor<ui8> : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xui8>
  return %q : tensor<4x2xui8>
}

// Nothing quantizes the result: it is dequantized by the product of the scales,
// along the channels. Zero points that are zero are left out.
// CHECK-LABEL: @float_result(
func.func @float_result(%a: tensor<?x8xi8>, %b: tensor<8x2xi8>, %sa: tensor<f32>, %sb: tensor<2xf32>) -> tensor<?x2xf32> {
  // CHECK: %[[S:.*]] = qnn.binary mul %{{.*}} : tensor<f32>, tensor<2xf32> -> tensor<2xf32>
  // CHECK: %[[ACC:.*]] = qnn.matmul %{{.*}}, %{{.*}} : tensor<?x8xi8>, tensor<8x2xi8> -> tensor<?x2xi32>
  // CHECK: qnn.dequantize %[[ACC]], %[[S]] {axis = 1 : i64} : tensor<?x2xi32>, tensor<2xf32> -> tensor<?x2xf32>
  %zero = qnn.constant dense<0> : tensor<2xi8>
  %x = qnn.dequantize %a, %sa : tensor<?x8xi8>, tensor<f32> -> tensor<?x8xf32>
  %w = qnn.dequantize %b, %sb zero_point %zero : tensor<2xi8> {axis = 1 : i64} : tensor<8x2xi8>, tensor<2xf32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<?x8xf32>, tensor<8x2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// A convolution takes its i32 bias, and relu is the clamp at the zero point 0.
// CHECK-LABEL: @conv(
func.func @conv(%a: tensor<1x3x8x8xui8>, %w: tensor<4x3x3x3xi8>) -> tensor<1x4x6x6xui8> {
  // CHECK: %[[ACC:.*]] = qnn.conv %{{.*}}, %{{.*}} bias %{{.*}} : tensor<4xi32> input_zero_point %{{.*}} : tensor<ui8> {{.*}} -> tensor<1x4x6x6xi32>
  // CHECK: %[[Y:.*]] = qnn.requantize %[[ACC]], %{{.*}} zero_point %{{.*}} : tensor<ui8> {axis = 1 : i64}
  // CHECK-NOT: max
  // CHECK: return %[[Y]]
  %bias = qnn.constant dense<[1, -2, 3, -4]> : tensor<4xi32>
  %sa = qnn.constant dense<0.5> : tensor<f32>
  %za = qnn.constant dense<3> : tensor<ui8>
  %sw = qnn.constant dense<[0.25, 0.5, 1.0, 2.0]> : tensor<4xf32>
  %sb = qnn.constant dense<[0.125, 0.25, 0.5, 1.0]> : tensor<4xf32>
  %sy = qnn.constant dense<0.1> : tensor<f32>
  %zy = qnn.constant dense<0> : tensor<ui8>
  %x = qnn.dequantize %a, %sa zero_point %za : tensor<ui8> : tensor<1x3x8x8xui8>, tensor<f32> -> tensor<1x3x8x8xf32>
  %f = qnn.dequantize %w, %sw {axis = 0 : i64} : tensor<4x3x3x3xi8>, tensor<4xf32> -> tensor<4x3x3x3xf32>
  %b = qnn.dequantize %bias, %sb {axis = 0 : i64} : tensor<4xi32>, tensor<4xf32> -> tensor<4xf32>
  %y = qnn.conv %x, %f bias %b : tensor<4xf32> {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
  %r = qnn.unary relu %y : tensor<1x4x6x6xf32> -> tensor<1x4x6x6xf32>
  %q = qnn.quantize %r, %sy zero_point %zy : tensor<ui8> : tensor<1x4x6x6xf32>, tensor<f32> -> tensor<1x4x6x6xui8>
  return %q : tensor<1x4x6x6xui8>
}

// With another zero point relu is a maximum of integers.
// CHECK-LABEL: @relu(
func.func @relu(%a: tensor<4x8xi8>, %b: tensor<8x2xi8>, %s: tensor<f32>) -> tensor<4x2xi8> {
  // CHECK-DAG: %[[ZERO:.*]] = qnn.quantize
  // CHECK-DAG: %[[Y:.*]] = qnn.requantize
  // CHECK: qnn.binary max %[[Y]], %[[ZERO]] : tensor<4x2xi8>, tensor<i8> -> tensor<4x2xi8>
  %x = qnn.dequantize %a, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  %w = qnn.dequantize %b, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %r = qnn.unary relu %y : tensor<4x2xf32> -> tensor<4x2xf32>
  %q = qnn.quantize %r, %s : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xi8>
  return %q : tensor<4x2xi8>
}

// A float bias is quantized to the accumulator, if only integers follow.
// CHECK-LABEL: @float_bias(
func.func @float_bias(%a: tensor<4x8xi8>, %b: tensor<8x2xi8>) -> tensor<4x2xi8> {
  // CHECK: %[[UNITS:.*]] = qnn.binary div
  // CHECK: %[[ROUND:.*]] = qnn.unary round %[[UNITS]]
  // CHECK: %[[BIAS:.*]] = qnn.cast %[[ROUND]] : tensor<2xf32> -> tensor<2xi32>
  // CHECK: %[[SUM:.*]] = qnn.binary add %{{.*}}, %[[BIAS]] : tensor<4x2xi32>, tensor<2xi32> -> tensor<4x2xi32>
  // CHECK: qnn.requantize %[[SUM]]
  %s = qnn.constant dense<0.5> : tensor<f32>
  %c = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %x = qnn.dequantize %a, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  %w = qnn.dequantize %b, %s : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  %z = qnn.binary add %y, %c : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  %q = qnn.quantize %z, %s : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xi8>
  return %q : tensor<4x2xi8>
}

// A sum that may leave i32 is two sums.
// CHECK-LABEL: @split(
func.func @split(%a: tensor<1x40000xui8>, %b: tensor<40000x1xui8>, %s: tensor<f32>) -> tensor<1x1xf32> {
  // CHECK: qnn.matmul {{.*}} : tensor<1x33025xui8>, tensor<33025x1xui8> -> tensor<1x1xi32>
  // CHECK: qnn.matmul {{.*}} : tensor<1x6975xui8>, tensor<6975x1xui8> -> tensor<1x1xi32>
  // CHECK: qnn.binary add %{{.*}} : tensor<1x1xf32>
  %x = qnn.dequantize %a, %s : tensor<1x40000xui8>, tensor<f32> -> tensor<1x40000xf32>
  %w = qnn.dequantize %b, %s : tensor<40000x1xui8>, tensor<f32> -> tensor<40000x1xf32>
  %y = qnn.matmul %x, %w : tensor<1x40000xf32>, tensor<40000x1xf32> -> tensor<1x1xf32>
  return %y : tensor<1x1xf32>
}

// How dynamic quantization scales its products.
// CHECK-LABEL: @dynamic(
func.func @dynamic(%a: tensor<4x8xui8>, %b: tensor<8x2xi8>, %za: tensor<ui8>, %s: tensor<2xf32>) -> tensor<4x2xf32> {
  // CHECK: %[[ACC:.*]] = qnn.matmul
  // CHECK: qnn.dequantize %[[ACC]], %{{.*}} {axis = 1 : i64} : tensor<4x2xi32>, tensor<2xf32> -> tensor<4x2xf32>
  %acc = qnn.matmul %a, %b lhs_zero_point %za : tensor<ui8> : tensor<4x8xui8>, tensor<8x2xi8> -> tensor<4x2xi32>
  %f = qnn.cast %acc : tensor<4x2xi32> -> tensor<4x2xf32>
  %y = qnn.binary mul %f, %s : tensor<4x2xf32>, tensor<2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

//===- movement -----------------------------------------------------------===//

// CHECK-LABEL: @down(
func.func @down(%a: tensor<4x8xi8>, %s: tensor<4xf32>) -> tensor<8x4xf32> {
  // CHECK: %[[T:.*]] = qnn.transpose %{{.*}} [1, 0] : tensor<4x8xi8> -> tensor<8x4xi8>
  // CHECK: qnn.dequantize %[[T]], %{{.*}} {axis = 1 : i64}
  %x = qnn.dequantize %a, %s {axis = 0 : i64} : tensor<4x8xi8>, tensor<4xf32> -> tensor<4x8xf32>
  %t = qnn.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  return %t : tensor<8x4xf32>
}

// CHECK-LABEL: @up(
func.func @up(%x: tensor<4x8xf32>, %s: tensor<f32>) -> tensor<8x4xi8> {
  // CHECK: %[[Q:.*]] = qnn.quantize %{{.*}} -> tensor<4x8xi8>
  // CHECK: qnn.transpose %[[Q]] [1, 0] : tensor<4x8xi8> -> tensor<8x4xi8>
  %t = qnn.transpose %x [1, 0] : tensor<4x8xf32> -> tensor<8x4xf32>
  %q = qnn.quantize %t, %s : tensor<8x4xf32>, tensor<f32> -> tensor<8x4xi8>
  return %q : tensor<8x4xi8>
}

// Padding with zero is padding with the zero point.
// CHECK-LABEL: @pad(
func.func @pad(%a: tensor<4xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<6xui8> {
  // CHECK: %[[FILL:.*]] = qnn.quantize %{{.*}} : tensor<f32>, tensor<f32> -> tensor<ui8>
  // CHECK: %[[P:.*]] = qnn.pad constant %{{.*}} by %{{.*}} axes %{{.*}} with %[[FILL]]
  // CHECK: return %[[P]]
  %zero = qnn.constant dense<0.0> : tensor<f32>
  %pads = qnn.constant dense<1> : tensor<2xi64>
  %axes = qnn.constant dense<0> : tensor<1xi64>
  %x = qnn.dequantize %a, %s zero_point %z : tensor<ui8> : tensor<4xui8>, tensor<f32> -> tensor<4xf32>
  %p = qnn.pad constant %x by %pads axes %axes with %zero : tensor<4xf32>, tensor<2xi64>, tensor<1xi64>, tensor<f32> -> tensor<6xf32>
  %q = qnn.quantize %p, %s zero_point %z : tensor<ui8> : tensor<6xf32>, tensor<f32> -> tensor<6xui8>
  return %q : tensor<6xui8>
}

// CHECK-LABEL: @max_pool(
func.func @max_pool(%a: tensor<1x1x4x4xui8>, %s: tensor<f32>) -> tensor<1x1x2x2xui8> {
  // CHECK: %[[P:.*]] = qnn.pool max %{{.*}} : tensor<1x1x4x4xui8> -> tensor<1x1x2x2xui8>
  // CHECK: return %[[P]]
  %x = qnn.dequantize %a, %s : tensor<1x1x4x4xui8>, tensor<f32> -> tensor<1x1x4x4xf32>
  %p = qnn.pool max %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  %q = qnn.quantize %p, %s : tensor<1x1x2x2xf32>, tensor<f32> -> tensor<1x1x2x2xui8>
  return %q : tensor<1x1x2x2xui8>
}

// A row of a quantized table is dequantized, not the table.
// CHECK-LABEL: @embedding(
func.func @embedding(%table: tensor<100x8xi8>, %ids: tensor<?xi64>, %s: tensor<f32>) -> tensor<?x8xf32> {
  // CHECK: %[[ROWS:.*]] = qnn.gather %{{.*}} : tensor<100x8xi8>, tensor<?xi64> -> tensor<?x8xi8>
  // CHECK: qnn.dequantize %[[ROWS]]
  %x = qnn.dequantize %table, %s : tensor<100x8xi8>, tensor<f32> -> tensor<100x8xf32>
  %y = qnn.gather %x[%ids] axis 0 : tensor<100x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
  return %y : tensor<?x8xf32>
}

// An average pool computes with its elements.
// CHECK-LABEL: @average(
func.func @average(%a: tensor<1x1x4x4xui8>, %s: tensor<f32>) -> tensor<1x1x2x2xf32> {
  // CHECK: %[[X:.*]] = qnn.dequantize
  // CHECK: qnn.pool average %[[X]]
  %x = qnn.dequantize %a, %s : tensor<1x1x4x4xui8>, tensor<f32> -> tensor<1x1x4x4xf32>
  %p = qnn.pool average %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  return %p : tensor<1x1x2x2xf32>
}

// CHECK-LABEL: @shape(
// CHECK-SAME: %[[A:.*]]: tensor<?x8xi8>
func.func @shape(%a: tensor<?x8xi8>, %s: tensor<f32>) -> tensor<2xi64> {
  // CHECK: qnn.shape %[[A]]
  %x = qnn.dequantize %a, %s : tensor<?x8xi8>, tensor<f32> -> tensor<?x8xf32>
  %y = qnn.shape %x[0, 2] : tensor<?x8xf32> -> tensor<2xi64>
  return %y : tensor<2xi64>
}

//===- elementwise --------------------------------------------------------===//

// CHECK-LABEL: @add(
func.func @add(%a: tensor<4xi8>, %b: tensor<4xi8>, %sa: tensor<f32>, %sb: tensor<f32>, %sy: tensor<f32>) -> tensor<4xi8> {
  // CHECK: %[[INNER:.*]] = qnn.fused_multiply_add {{.*}} : tensor<4xf32>, tensor<f32>, tensor<f32> -> tensor<4xf32>
  // CHECK: %[[SUM:.*]] = qnn.fused_multiply_add %{{.*}}, %{{.*}}, %[[INNER]]
  // CHECK: qnn.quantize %[[SUM]]
  %x = qnn.dequantize %a, %sa : tensor<4xi8>, tensor<f32> -> tensor<4xf32>
  %y = qnn.dequantize %b, %sb : tensor<4xi8>, tensor<f32> -> tensor<4xf32>
  %z = qnn.binary add %x, %y : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = qnn.quantize %z, %sy : tensor<4xf32>, tensor<f32> -> tensor<4xi8>
  return %q : tensor<4xi8>
}

// x · sigmoid(x) of bytes is a table.
// CHECK-LABEL: @lookup(
// CHECK-SAME: %[[A:.*]]: tensor<4x?xi8>
func.func @lookup(%a: tensor<4x?xi8>) -> tensor<4x?xui8> {
  // CHECK: %[[ALL:.*]] = qnn.constant dense<"0x000102{{.*}}FDFEFF"> : tensor<256xi8>
  // CHECK: %[[X:.*]] = qnn.dequantize %[[ALL]]
  // CHECK: %[[S:.*]] = qnn.unary sigmoid %[[X]] : tensor<256xf32>
  // CHECK: %[[M:.*]] = qnn.binary mul %[[X]], %[[S]]
  // CHECK: %[[TABLE:.*]] = qnn.quantize %[[M]]
  // CHECK: %[[Y:.*]] = qnn.lookup %[[A]], %[[TABLE]] : tensor<4x?xi8>, tensor<256xui8> -> tensor<4x?xui8>
  // CHECK: return %[[Y]]
  %s = qnn.constant dense<0.5> : tensor<f32>
  %x = qnn.dequantize %a, %s : tensor<4x?xi8>, tensor<f32> -> tensor<4x?xf32>
  %g = qnn.unary sigmoid %x : tensor<4x?xf32> -> tensor<4x?xf32>
  %y = qnn.binary mul %x, %g : tensor<4x?xf32>, tensor<4x?xf32> -> tensor<4x?xf32>
  %q = qnn.quantize %y, %s : tensor<4x?xf32>, tensor<f32> -> tensor<4x?xui8>
  return %q : tensor<4x?xui8>
}

// So is it where sigmoid(x) became bytes on the way, which nobody else wants.
// CHECK-LABEL: @lookup_of_two_bytes(
// CHECK-SAME: %[[A:.*]]: tensor<4x?xui8>
func.func @lookup_of_two_bytes(%a: tensor<4x?xui8>) -> tensor<4x?xui8> {
  // CHECK: %[[Y:.*]] = qnn.lookup %[[A]], %{{.*}} : tensor<4x?xui8>, tensor<256xui8> -> tensor<4x?xui8>
  // CHECK: return %[[Y]]
  %s = qnn.constant dense<0.5> : tensor<f32>
  %t = qnn.constant dense<0.003> : tensor<f32>
  %x = qnn.dequantize %a, %s : tensor<4x?xui8>, tensor<f32> -> tensor<4x?xf32>
  %g = qnn.unary sigmoid %x : tensor<4x?xf32> -> tensor<4x?xf32>
  %gq = qnn.quantize %g, %t : tensor<4x?xf32>, tensor<f32> -> tensor<4x?xui8>
  %gd = qnn.dequantize %gq, %t : tensor<4x?xui8>, tensor<f32> -> tensor<4x?xf32>
  %y = qnn.binary mul %x, %gd : tensor<4x?xf32>, tensor<4x?xf32> -> tensor<4x?xf32>
  %q = qnn.quantize %y, %s : tensor<4x?xf32>, tensor<f32> -> tensor<4x?xui8>
  return %q : tensor<4x?xui8>
}

// Bytes that are wanted elsewhere stay, and two inputs have no common table.
// CHECK-LABEL: @no_lookup(
func.func @no_lookup(%a: tensor<4xui8>, %b: tensor<4xui8>) -> (tensor<4xui8>, tensor<4xui8>) {
  // CHECK: %[[G:.*]] = qnn.lookup
  // CHECK: %[[Q:.*]] = qnn.quantize
  // CHECK: return %[[G]], %[[Q]]
  %s = qnn.constant dense<0.5> : tensor<f32>
  %t = qnn.constant dense<0.003> : tensor<f32>
  %x = qnn.dequantize %a, %s : tensor<4xui8>, tensor<f32> -> tensor<4xf32>
  %z = qnn.dequantize %b, %s : tensor<4xui8>, tensor<f32> -> tensor<4xf32>
  %g = qnn.unary sigmoid %x : tensor<4xf32> -> tensor<4xf32>
  %gq = qnn.quantize %g, %t : tensor<4xf32>, tensor<f32> -> tensor<4xui8>
  %gd = qnn.dequantize %gq, %t : tensor<4xui8>, tensor<f32> -> tensor<4xf32>
  %y = qnn.binary mul %z, %gd : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32>
  %q = qnn.quantize %y, %s : tensor<4xf32>, tensor<f32> -> tensor<4xui8>
  return %gq, %q : tensor<4xui8>, tensor<4xui8>
}

// A table of a table is a table.
// CHECK-LABEL: @lookup_twice(
// CHECK-SAME: %[[A:.*]]: tensor<4xui8>, %[[F:.*]]: tensor<256xui8>, %[[G:.*]]: tensor<256xf32>
func.func @lookup_twice(%a: tensor<4xui8>, %f: tensor<256xui8>, %g: tensor<256xf32>) -> tensor<4xf32> {
  // CHECK: %[[T:.*]] = qnn.lookup %[[F]], %[[G]] : tensor<256xui8>, tensor<256xf32> -> tensor<256xf32>
  // CHECK: qnn.lookup %[[A]], %[[T]]
  %b = qnn.lookup %a, %f : tensor<4xui8>, tensor<256xui8> -> tensor<4xui8>
  %c = qnn.lookup %b, %g : tensor<4xui8>, tensor<256xf32> -> tensor<4xf32>
  return %c : tensor<4xf32>
}

// The zero point of an average is added before it is rounded.
// CHECK-LABEL: @average_of_bytes(
func.func @average_of_bytes(%a: tensor<1x1x4x4xui8>, %s: tensor<f32>, %z: tensor<ui8>) -> tensor<1x1x2x2xui8> {
  // CHECK: %[[P:.*]] = qnn.pool average
  // CHECK: %[[U:.*]] = qnn.binary div %[[P]]
  // CHECK: %[[M:.*]] = qnn.binary add %[[U]]
  // CHECK: qnn.quantize %[[M]], %{{.*}} : tensor<1x1x2x2xf32>
  %x = qnn.dequantize %a, %s : tensor<1x1x4x4xui8>, tensor<f32> -> tensor<1x1x4x4xf32>
  %p = qnn.pool average %x {kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>} : tensor<1x1x4x4xf32> -> tensor<1x1x2x2xf32>
  %q = qnn.quantize %p, %s zero_point %z : tensor<ui8> : tensor<1x1x2x2xf32>, tensor<f32> -> tensor<1x1x2x2xui8>
  return %q : tensor<1x1x2x2xui8>
}

// CHECK-LABEL: @softmax(
// CHECK-SAME: %[[A:.*]]: tensor<4x8xi8>
func.func @softmax(%a: tensor<4x8xi8>) -> tensor<4x8xi8> {
  // CHECK: qnn.reduce max %[[A]] axes {{.*}} : tensor<4x8xi8> -> tensor<4x1xi8>
  // CHECK: %[[E:.*]] = qnn.lookup %{{.*}} : tensor<4x8xui8>, tensor<256xf32> -> tensor<4x8xf32>
  // CHECK: qnn.reduce sum %[[E]]
  // CHECK-NOT: qnn.softmax
  %s = qnn.constant dense<0.5> : tensor<f32>
  %r = qnn.constant dense<0.00390625> : tensor<f32>
  %z = qnn.constant dense<-128> : tensor<i8>
  %x = qnn.dequantize %a, %s : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  %y = qnn.softmax softmax %x {axis = 1 : i64} : tensor<4x8xf32> -> tensor<4x8xf32>
  %q = qnn.quantize %y, %r zero_point %z : tensor<i8> : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xi8>
  return %q : tensor<4x8xi8>
}

//===- what stays float ---------------------------------------------------===//

// Scales along the summed axis are no factor of the sum.
// CHECK-LABEL: @scales_of_rows(
func.func @scales_of_rows(%a: tensor<4x8xi8>, %b: tensor<8x2xi8>, %sa: tensor<f32>, %sb: tensor<8xf32>) -> tensor<4x2xf32> {
  // CHECK: qnn.matmul {{.*}} -> tensor<4x2xf32>
  %x = qnn.dequantize %a, %sa : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
  %w = qnn.dequantize %b, %sb {axis = 0 : i64} : tensor<8x2xi8>, tensor<8xf32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// CHECK-LABEL: @one_operand(
func.func @one_operand(%x: tensor<4x8xf32>, %b: tensor<8x2xi8>, %sb: tensor<f32>) -> tensor<4x2xf32> {
  // CHECK: qnn.matmul {{.*}} -> tensor<4x2xf32>
  %w = qnn.dequantize %b, %sb : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

//===- weights of few bits ------------------------------------------------===//

// Products take bytes.
// CHECK-LABEL: @four_bits(
func.func @four_bits(%a: tensor<4x8xui8>, %b: tensor<8x2xi4>, %s: tensor<f32>, %zb: tensor<i4>) -> tensor<4x2xf32> {
  // CHECK-DAG: %[[W:.*]] = qnn.cast %{{.*}} : tensor<8x2xi4> -> tensor<8x2xi8>
  // CHECK-DAG: %[[Z:.*]] = qnn.cast %{{.*}} : tensor<i4> -> tensor<i8>
  // CHECK: qnn.matmul %{{.*}}, %[[W]] rhs_zero_point %[[Z]] : tensor<i8> : tensor<4x8xui8>, tensor<8x2xi8> -> tensor<4x2xi32>
  %x = qnn.dequantize %a, %s : tensor<4x8xui8>, tensor<f32> -> tensor<4x8xf32>
  %w = qnn.dequantize %b, %s zero_point %zb : tensor<i4> : tensor<8x2xi4>, tensor<f32> -> tensor<8x2xf32>
  %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}

// A transposed convolution, whose channels are axis 1 of the weights.
// CHECK-LABEL: @transposed(
func.func @transposed(%a: tensor<1x2x4x4xui8>, %w: tensor<2x3x3x3xi8>, %s: tensor<f32>, %sw: tensor<3xf32>) -> tensor<1x3x6x6xui8> {
  // CHECK: %[[ACC:.*]] = qnn.conv_transpose %{{.*}} : tensor<1x2x4x4xui8>, tensor<2x3x3x3xi8> -> tensor<1x3x6x6xi32>
  // CHECK: qnn.requantize %[[ACC]], %{{.*}} {axis = 1 : i64}
  %x = qnn.dequantize %a, %s : tensor<1x2x4x4xui8>, tensor<f32> -> tensor<1x2x4x4xf32>
  %f = qnn.dequantize %w, %sw {axis = 1 : i64} : tensor<2x3x3x3xi8>, tensor<3xf32> -> tensor<2x3x3x3xf32>
  %y = qnn.conv_transpose %x, %f {strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>} : tensor<1x2x4x4xf32>, tensor<2x3x3x3xf32> -> tensor<1x3x6x6xf32>
  %q = qnn.quantize %y, %s : tensor<1x3x6x6xf32>, tensor<f32> -> tensor<1x3x6x6xui8>
  return %q : tensor<1x3x6x6xui8>
}

//===- loops --------------------------------------------------------------===//

// What is dequantized once stays outside of the loop.
// CHECK-LABEL: @loop(
func.func @loop(%a: tensor<2x4xi8>, %s: tensor<f32>, %n: index, %x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  // CHECK: qnn.dequantize
  // CHECK: scf.for
  // CHECK-NEXT: qnn.transpose
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %f = qnn.dequantize %a, %s : tensor<2x4xi8>, tensor<f32> -> tensor<2x4xf32>
  %y = scf.for %i = %c0 to %n step %c1 iter_args(%acc = %x) -> tensor<4x2xf32> {
    %t = qnn.transpose %f [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
    %z = qnn.binary add %acc, %t : tensor<4x2xf32>, tensor<4x2xf32> -> tensor<4x2xf32>
    scf.yield %z : tensor<4x2xf32>
  }
  return %y : tensor<4x2xf32>
}
