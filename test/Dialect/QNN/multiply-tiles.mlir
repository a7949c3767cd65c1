// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-multiply-tiles))' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-multiply-tiles),qnn-fold-constants)' | FileCheck %s --check-prefix=FOLDED
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(func.func(qnn-multiply-tiles{overlapping=true}))' | FileCheck %s --check-prefix=OVERLAP

// What follows element by element comes before the movement, with each channel's
// number as often as the kernel has elements.
// CHECK-LABEL: func @integers(
// CHECK-SAME:      %[[X:.*]]: tensor<1x2x3x4xui8>
// CHECK:         %[[W:.*]] = qnn.transpose %{{.*}} [1, 2, 3, 0] {{.*}} -> tensor<2x2x1x2xi8>
// CHECK:         %[[V:.*]] = qnn.reshape %[[W]], {{.*}} -> tensor<4x2x1x1xi8>
// CHECK:         %[[ACC:.*]] = qnn.conv %[[X]], %[[V]] input_zero_point %{{.*}} : tensor<ui8> {{.*}} -> tensor<1x4x3x4xi32>
// CHECK:         %[[BIASED:.*]] = qnn.binary add %[[ACC]], %{{.*}} : tensor<1x4x3x4xi32>, tensor<4x1x1xi32>
// CHECK:         %[[Q:.*]] = qnn.requantize %[[BIASED]], %{{.*}} zero_point %{{.*}} : tensor<ui8> {axis = 1 : i64} : tensor<1x4x3x4xi32>, tensor<4xf32> -> tensor<1x4x3x4xui8>
// CHECK:         %[[L:.*]] = qnn.lookup %[[Q]], %{{.*}} -> tensor<1x4x3x4xui8>
// CHECK:         %[[TILES:.*]] = qnn.reshape %[[L]], %{{.*}} -> tensor<1x2x2x1x3x4xui8>
// CHECK:         %[[T:.*]] = qnn.transpose %[[TILES]] [0, 1, 4, 2, 5, 3] : {{.*}} -> tensor<1x2x3x2x4x1xui8>
// CHECK:         %[[Y:.*]] = qnn.reshape %[[T]], %{{.*}} -> tensor<1x2x6x4xui8>
// CHECK:         return %[[Y]]
// FOLDED-LABEL: func @integers(
// FOLDED-DAG:     qnn.constant dense<{{\[\[\[\[}}1]], {{\[\[}}5]]], {{\[\[\[}}2]], {{\[\[}}6]]], {{\[\[\[}}3]], {{\[\[}}7]]], {{\[\[\[}}4]], {{\[\[}}8]]]]> : tensor<4x2x1x1xi8>
// FOLDED-DAG:     qnn.constant dense<[5.000000e-01, 5.000000e-01, 2.500000e-01, 2.500000e-01]> : tensor<4xf32>
func.func @integers(%x: tensor<1x2x3x4xui8>, %table: tensor<256xui8>) -> tensor<1x2x6x4xui8> {
  %w = qnn.constant dense<[[[[1], [2]], [[3], [4]]], [[[5], [6]], [[7], [8]]]]> : tensor<2x2x2x1xi8>
  %zx = qnn.constant dense<7> : tensor<ui8>
  %bias = qnn.constant dense<[[[10]], [[20]]]> : tensor<2x1x1xi32>
  %s = qnn.constant dense<[0.5, 0.25]> : tensor<2xf32>
  %acc = qnn.conv_transpose %x, %w input_zero_point %zx : tensor<ui8>
    {strides = array<i64: 2, 1>, dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>, output_padding = array<i64: 0, 0>}
    : tensor<1x2x3x4xui8>, tensor<2x2x2x1xi8> -> tensor<1x2x6x4xi32>
  %b = qnn.binary add %acc, %bias : tensor<1x2x6x4xi32>, tensor<2x1x1xi32> -> tensor<1x2x6x4xi32>
  %q = qnn.requantize %b, %s zero_point %zx : tensor<ui8> {axis = 1 : i64} : tensor<1x2x6x4xi32>, tensor<2xf32> -> tensor<1x2x6x4xui8>
  %y = qnn.lookup %q, %table : tensor<1x2x6x4xui8>, tensor<256xui8> -> tensor<1x2x6x4xui8>
  return %y : tensor<1x2x6x4xui8>
}

// -----

// Sizes that only the call tells; a second user wants the elements where they
// belong, and so does what is not the same for a whole channel.
// CHECK-LABEL: func @dynamic(
// CHECK:         %[[P:.*]] = qnn.conv %{{.*}} bias %{{.*}} : tensor<9xf32> {{.*}} -> tensor<?x9x?xf32>
// CHECK:         qnn.reshape {{.*}} -> tensor<?x3x3x?xf32>
// CHECK:         qnn.transpose {{.*}} [0, 1, 3, 2]
// CHECK:         %[[N:.*]] = qnn.shape %[[P]][0, 1]
// CHECK:         %[[D:.*]] = qnn.shape %[[P]][2, 3]
// CHECK:         %[[M:.*]] = qnn.binary mul %[[D]], %{{.*}}
// CHECK:         %[[Y:.*]] = qnn.reshape {{.*}} -> tensor<?x3x?xf32>
// CHECK:         qnn.binary mul %[[Y]], %{{.*}}
func.func @dynamic(%x: tensor<?x2x?xf32>, %w: tensor<2x3x3xf32>, %b: tensor<3xf32>, %c: tensor<3x?xf32>) -> tensor<?x3x?xf32> {
  %y = qnn.conv_transpose %x, %w bias %b : tensor<3xf32>
    {strides = array<i64: 3>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<?x2x?xf32>, tensor<2x3x3xf32> -> tensor<?x3x?xf32>
  %z = qnn.binary mul %y, %c : tensor<?x3x?xf32>, tensor<3x?xf32> -> tensor<?x3x?xf32>
  return %z : tensor<?x3x?xf32>
}

// -----

// A kernel of one element moves nothing.
// CHECK-LABEL: func @pointwise(
// CHECK:         %[[P:.*]] = qnn.conv %
// CHECK-NEXT:    return %[[P]]
func.func @pointwise(%x: tensor<1x2x4xf32>, %w: tensor<2x3x1xf32>) -> tensor<1x3x4xf32> {
  %y = qnn.conv_transpose %x, %w
    {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x4xf32>, tensor<2x3x1xf32> -> tensor<1x3x4xf32>
  return %y : tensor<1x3x4xf32>
}

// -----

// CHECK-LABEL: func @overlapping(
// CHECK:         qnn.conv_transpose
func.func @overlapping(%x: tensor<1x2x4xf32>, %w: tensor<2x3x3xf32>) -> tensor<1x3x9xf32> {
  %y = qnn.conv_transpose %x, %w
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x4xf32>, tensor<2x3x3xf32> -> tensor<1x3x9xf32>
  return %y : tensor<1x3x9xf32>
}

// -----

// CHECK-LABEL: func @cut(
// CHECK:         qnn.conv_transpose
func.func @cut(%x: tensor<1x2x4xf32>, %w: tensor<2x3x2xf32>) -> tensor<1x3x7xf32> {
  %y = qnn.conv_transpose %x, %w
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x4xf32>, tensor<2x3x2xf32> -> tensor<1x3x7xf32>
  return %y : tensor<1x3x7xf32>
}

// -----

// A convolution has a window at least.
// CHECK-LABEL: func @nothing(
// CHECK:         qnn.conv_transpose
func.func @nothing(%x: tensor<1x2x0xf32>, %w: tensor<2x3x2xf32>) -> tensor<1x3x0xf32> {
  %y = qnn.conv_transpose %x, %w
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x0xf32>, tensor<2x3x2xf32> -> tensor<1x3x0xf32>
  return %y : tensor<1x3x0xf32>
}

// -----

// Elements of a tile are channels; a window is reversed, since the kernel's
// first elements meet the last of the input's.
// OVERLAP-LABEL: func @line(
// OVERLAP:         %[[PLACES:.*]] = qnn.constant dense<{{\[\[}}2, 0], [3, 1]]> : tensor<2x2xi64>
// OVERLAP:         %[[G:.*]] = qnn.gather %{{.*}}[%[[PLACES]]] axis 2 : tensor<2x3x4xf32>, tensor<2x2xi64> -> tensor<2x3x2x2xf32>
// OVERLAP:         %[[S:.*]] = qnn.reshape %[[G]], {{.*}} -> tensor<1x2x3x2x2xf32>
// OVERLAP:         %[[T:.*]] = qnn.transpose %[[S]] [0, 2, 3, 1, 4] {{.*}} -> tensor<1x3x2x2x2xf32>
// OVERLAP:         %[[W:.*]] = qnn.reshape %[[T]], {{.*}} -> tensor<6x2x2xf32>
// OVERLAP:         %[[P:.*]] = qnn.conv %{{.*}}, %[[W]] {dilations = array<i64: 1>, pads = array<i64: 1, 1>, strides = array<i64: 1>} : {{.*}} -> tensor<?x6x?xf32>
// OVERLAP:         %[[R:.*]] = qnn.unary relu %[[P]]
// OVERLAP:         qnn.reshape %[[R]], {{.*}} -> tensor<?x3x2x?xf32>
// OVERLAP:         qnn.transpose {{.*}} [0, 1, 3, 2] : tensor<?x3x2x?xf32> -> tensor<?x3x?x2xf32>
// OVERLAP:         %[[ALL:.*]] = qnn.reshape {{.*}} -> tensor<?x3x?xf32>
// OVERLAP:         %[[Y:.*]] = qnn.slice %[[ALL]]
// OVERLAP:         return %[[Y]]
func.func @line(%x: tensor<?x2x?xf32>, %w: tensor<2x3x4xf32>) -> tensor<?x3x?xf32> {
  %y = qnn.conv_transpose %x, %w
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 1>, output_padding = array<i64: 0>}
    : tensor<?x2x?xf32>, tensor<2x3x4xf32> -> tensor<?x3x?xf32>
  %z = qnn.unary relu %y : tensor<?x3x?xf32> -> tensor<?x3x?xf32>
  return %z : tensor<?x3x?xf32>
}

// -----

// In each dimension, the first element of a tile has a term more.
// OVERLAP-LABEL: func @uneven(
// OVERLAP-SAME:      %[[X:.*]]: tensor<1x4x5x5xui8>
// OVERLAP:         qnn.conv %[[X]], %{{.*}} input_zero_point %{{.*}} group = 2 : i64, pads = array<i64: 1, 1, 1, 1>{{.*}} tensor<6x2x2x2xi8> -> tensor<1x6x6x6xi32>
// OVERLAP:         qnn.conv %[[X]], {{.*}} pads = array<i64: 1, 0, 1, 1>{{.*}} tensor<6x2x2x1xi8> -> tensor<1x6x6x6xi32>
// OVERLAP:         qnn.conv %[[X]], {{.*}} pads = array<i64: 0, 1, 1, 1>{{.*}} tensor<6x2x1x2xi8> -> tensor<1x6x6x6xi32>
// OVERLAP:         qnn.conv %[[X]], {{.*}} pads = array<i64: 0, 0, 1, 1>{{.*}} tensor<6x2x1x1xi8> -> tensor<1x6x6x6xi32>
// OVERLAP:         %[[TOP:.*]] = qnn.concat 5, {{.*}} -> tensor<1x6x6x1x6x2xi32>
// OVERLAP:         %[[BOTTOM:.*]] = qnn.concat 5, {{.*}} -> tensor<1x6x6x1x6x2xi32>
// OVERLAP:         qnn.concat 3, %[[TOP]], %[[BOTTOM]] {{.*}} -> tensor<1x6x6x2x6x2xi32>
// OVERLAP:         qnn.reshape {{.*}} -> tensor<1x6x12x12xi32>
// OVERLAP:         qnn.slice {{.*}} -> tensor<1x6x10x10xi32>
func.func @uneven(%x: tensor<1x4x5x5xui8>, %w: tensor<4x3x3x3xi8>, %z: tensor<ui8>) -> tensor<1x6x10x10xi32> {
  %y = qnn.conv_transpose %x, %w input_zero_point %z : tensor<ui8>
    {strides = array<i64: 2, 2>, dilations = array<i64: 1, 1>, pads = array<i64: 1, 1, 1, 1>, output_padding = array<i64: 1, 1>, group = 2 : i64}
    : tensor<1x4x5x5xui8>, tensor<4x3x3x3xi8> -> tensor<1x6x10x10xi32>
  return %y : tensor<1x6x10x10xi32>
}

// -----

// A channel for itself; a kernel that leaves gaps; pads that no padding makes
// good; nothing between elements.
// OVERLAP-LABEL: func @left(
// OVERLAP-COUNT-4: qnn.conv_transpose
// OVERLAP-NOT:     qnn.conv
func.func @left(%x: tensor<1x2x5xf32>, %w: tensor<2x1x4xf32>, %v: tensor<2x3x1xf32>, %u: tensor<2x3x3xf32>)
    -> (tensor<1x2x12xf32>, tensor<1x3x9xf32>, tensor<1x3x8xf32>, tensor<1x3x7xf32>) {
  %0 = qnn.conv_transpose %x, %w
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>, group = 2 : i64}
    : tensor<1x2x5xf32>, tensor<2x1x4xf32> -> tensor<1x2x12xf32>
  %1 = qnn.conv_transpose %x, %v
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x5xf32>, tensor<2x3x1xf32> -> tensor<1x3x9xf32>
  %2 = qnn.conv_transpose %x, %u
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 3, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x5xf32>, tensor<2x3x3xf32> -> tensor<1x3x8xf32>
  %3 = qnn.conv_transpose %x, %u
    {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x5xf32>, tensor<2x3x3xf32> -> tensor<1x3x7xf32>
  return %0, %1, %2, %3 : tensor<1x2x12xf32>, tensor<1x3x9xf32>, tensor<1x3x8xf32>, tensor<1x3x7xf32>
}

// -----

// A zero point for each channel is one for each of its tiles.
// OVERLAP-LABEL: func @zero_points(
// CHECK-LABEL: func @zero_points(
// CHECK-SAME:      %{{.*}}: tensor<1x2x3xui8>, %{{.*}}: tensor<2x3x2xi8>, %[[Z:.*]]: tensor<3xi8>
// CHECK:         %[[COLUMN:.*]] = qnn.reshape %[[Z]], %{{.*}} -> tensor<3x1xi8>
// CHECK:         %[[ROWS:.*]] = qnn.expand %[[COLUMN]], %{{.*}} -> tensor<3x2xi8>
// CHECK:         %[[TILES:.*]] = qnn.reshape %[[ROWS]], %{{.*}} -> tensor<6xi8>
// CHECK:         qnn.conv %{{.*}} weights_zero_point %[[TILES]] : tensor<6xi8> {{.*}} -> tensor<1x6x3xi32>
func.func @zero_points(%x: tensor<1x2x3xui8>, %w: tensor<2x3x2xi8>, %z: tensor<3xi8>) -> tensor<1x3x6xi32> {
  %y = qnn.conv_transpose %x, %w weights_zero_point %z : tensor<3xi8>
    {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>, output_padding = array<i64: 0>}
    : tensor<1x2x3xui8>, tensor<2x3x2xi8> -> tensor<1x3x6xi32>
  return %y : tensor<1x3x6xi32>
}
