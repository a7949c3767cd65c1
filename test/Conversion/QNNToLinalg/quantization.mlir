// RUN: quant-opt --convert-qnn-to-linalg --split-input-file %s | FileCheck %s

// CHECK-LABEL: @quantize
// CHECK: linalg.generic
// CHECK: %[[Q:.*]] = arith.divf
// CHECK: %[[Z:.*]] = arith.extui %{{.*}} : i8 to i32
// CHECK: arith.subi %{{.*}}, %[[Z]]
// CHECK: %[[L:.*]] = arith.maxnumf %[[Q]]
// CHECK: arith.subi %{{.*}}, %[[Z]]
// CHECK: %[[H:.*]] = arith.minnumf %[[L]]
// CHECK: %[[R:.*]] = math.roundeven %[[H]]
// CHECK: %[[I:.*]] = arith.fptosi %[[R]] : f32 to i32
// CHECK: arith.addi %[[I]], %[[Z]]
// CHECK-NOT: qnn.
func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<ui8>)
    -> tensor<4x8xui8> {
  %0 = qnn.quantize %x, %s zero_point %z : tensor<ui8>
      : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  return %0 : tensor<4x8xui8>
}

// -----

// Blocks that divide the axis become a dimension.
// CHECK: #[[$SCALE:.*]] = affine_map<(d0, d1, d2) -> (d0, d1)>
// CHECK-LABEL: @blocked
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] {{.*}} into tensor<4x2x4xi8>
// CHECK: linalg.generic {indexing_maps = [{{.*}}, #[[$SCALE]], {{.*}}]
// CHECK: arith.mulf
// CHECK: tensor.collapse_shape
func.func @blocked(%x: tensor<4x8xi4>, %s: tensor<4x2xf32>)
    -> tensor<4x8xf32> {
  %0 = qnn.dequantize %x, %s {axis = 1 : i64, block_size = 4 : i64}
      : tensor<4x8xi4>, tensor<4x2xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// -----

// The last block may be short.
// CHECK: affine_map<(d0, d1) -> (d0, d1 floordiv 4)>
// CHECK-LABEL: @short_block
func.func @short_block(%x: tensor<4x9xi4>, %s: tensor<4x3xf32>)
    -> tensor<4x9xf32> {
  %0 = qnn.dequantize %x, %s {axis = 1 : i64, block_size = 4 : i64}
      : tensor<4x9xi4>, tensor<4x3xf32> -> tensor<4x9xf32>
  return %0 : tensor<4x9xf32>
}

// -----

// CHECK-LABEL: @per_axis
// CHECK: cf.assert %{{.*}}, "{{.*}}the scale's dimensions do not match the data's"
func.func @per_axis(%x: tensor<4x?xi8>, %s: tensor<?xf32>) -> tensor<4x?xf32> {
  %0 = qnn.dequantize %x, %s {axis = 1 : i64}
      : tensor<4x?xi8>, tensor<?xf32> -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// -----

// The least element of rows of a fixed length, of all rows, and of what remains,
// whatever the shape; the greatest one is found apart, so that rows are reduced
// in vectors.
// CHECK-LABEL: @dynamic
// CHECK: %[[LINE:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0, 1]] : tensor<900x4xf32> into tensor<3600xf32>
// CHECK: %[[SLICE:.*]] = tensor.extract_slice %[[LINE]][0] [3072] [1]
// CHECK: tensor.expand_shape %[[SLICE]] {{.*}} into tensor<3x1024xf32>
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]
// CHECK: arith.minnumf
// CHECK: linalg.generic {{.*}}iterator_types = ["reduction"]} ins(%{{.*}} : tensor<3xf32>)
// CHECK: arith.minnumf
// CHECK: %[[REST:.*]] = tensor.extract_slice %[[LINE]][3072] [528] [1]
// CHECK: linalg.generic {{.*}}iterator_types = ["reduction"]} ins(%[[REST]] : tensor<528xf32>)
// CHECK: arith.minnumf
// CHECK: linalg.generic {{.*}}iterator_types = []
// CHECK: arith.minnumf
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "reduction"]
// CHECK: arith.maxnumf
// CHECK: linalg.generic {{.*}}iterator_types = ["parallel", "parallel"]
func.func @dynamic(%x: tensor<900x4xf32>)
    -> (tensor<900x4xui8>, tensor<f32>, tensor<ui8>) {
  %0:3 = qnn.dynamic_quantize %x
      : tensor<900x4xf32> -> tensor<900x4xui8>, tensor<f32>, tensor<ui8>
  return %0#0, %0#1, %0#2 : tensor<900x4xui8>, tensor<f32>, tensor<ui8>
}

// Fewer elements than a row has, and rows without a rest.
// CHECK-LABEL: @dynamic_small
// CHECK-NOT: tensor.expand_shape
// CHECK: linalg.generic {{.*}}iterator_types = ["reduction"]} ins(%{{.*}} : tensor<32xf32>)
// CHECK: return
func.func @dynamic_small(%x: tensor<4x8xf32>)
    -> (tensor<4x8xui8>, tensor<f32>, tensor<ui8>) {
  %0:3 = qnn.dynamic_quantize %x
      : tensor<4x8xf32> -> tensor<4x8xui8>, tensor<f32>, tensor<ui8>
  return %0#0, %0#1, %0#2 : tensor<4x8xui8>, tensor<f32>, tensor<ui8>
}

// CHECK-LABEL: @dynamic_rows
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<96x1024xf32>)
// CHECK-NOT: tensor.extract_slice {{.*}}[98304] [0]
// CHECK: return
func.func @dynamic_rows(%x: tensor<128x768xf32>)
    -> (tensor<128x768xui8>, tensor<f32>, tensor<ui8>) {
  %0:3 = qnn.dynamic_quantize %x
      : tensor<128x768xf32> -> tensor<128x768xui8>, tensor<f32>, tensor<ui8>
  return %0#0, %0#1, %0#2 : tensor<128x768xui8>, tensor<f32>, tensor<ui8>
}

// CHECK-LABEL: @fused_multiply_add
// CHECK: math.fma
func.func @fused_multiply_add(%a: tensor<3xf32>, %b: tensor<3xf32>, %c: tensor<f32>) -> tensor<3xf32> {
  %0 = qnn.fused_multiply_add %a, %b, %c : tensor<3xf32>, tensor<3xf32>, tensor<f32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// -----

// No accumulator times a scale far below one leaves i32: it is clamped there.
// CHECK-LABEL: @requantize
// CHECK: %[[Y:.*]] = arith.mulf
// CHECK: %[[R:.*]] = math.roundeven %[[Y]]
// CHECK: %[[I:.*]] = arith.fptosi %[[R]] : f32 to i32
// CHECK: %[[Z:.*]] = arith.addi %[[I]]
// CHECK: %[[L:.*]] = arith.maxsi %[[Z]]
// CHECK: %[[H:.*]] = arith.minsi %[[L]]
// CHECK: arith.trunci %[[H]] : i32 to i8
func.func @requantize(%x: tensor<4x8xi32>, %z: tensor<ui8>) -> tensor<4x8xui8> {
  %all = qnn.constant dense<-0.01> : tensor<f32>
  %y = qnn.requantize %x, %all zero_point %z : tensor<ui8>
      : tensor<4x8xi32>, tensor<f32> -> tensor<4x8xui8>
  return %y : tensor<4x8xui8>
}

// -----

// With others, it may: it is clamped before it is converted.
// CHECK-LABEL: @requantize_up
// CHECK: %[[Y:.*]] = arith.mulf
// CHECK: %[[L:.*]] = arith.maxnumf %[[Y]]
// CHECK: %[[H:.*]] = arith.minnumf %[[L]]
// CHECK: math.roundeven %[[H]]
func.func @requantize_up(%x: tensor<2x8xi32>) -> tensor<2x8xi8> {
  %s = qnn.constant dense<[0.5, 1.0]> : tensor<2xf32>
  %y = qnn.requantize %x, %s {axis = 0 : i64}
      : tensor<2x8xi32>, tensor<2xf32> -> tensor<2x8xi8>
  return %y : tensor<2x8xi8>
}
