// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt --canonicalize %s | FileCheck %s --check-prefix=FOLD

// CHECK-LABEL: @quantize
func.func @quantize(%x: tensor<4x8xf32>, %s: tensor<f32>, %z: tensor<ui8>,
                    %ss: tensor<8xf32>, %bs: tensor<4x2xf16>)
    -> (tensor<4x8xui8>, tensor<4x8xi4>, tensor<4x8xf8E4M3FN>) {
  // CHECK: qnn.quantize %{{.*}}, %{{.*}} zero_point %{{.*}} : tensor<ui8> : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  %0 = qnn.quantize %x, %s zero_point %z : tensor<ui8>
      : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
  // CHECK: qnn.quantize %{{.*}} {axis = 1 : i64} :
  %1 = qnn.quantize %x, %ss {axis = 1 : i64}
      : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xi4>
  // CHECK: qnn.quantize %{{.*}} {axis = 1 : i64, block_size = 4 : i64, precision = f32, saturate = false}
  %2 = qnn.quantize %x, %bs
      {axis = 1 : i64, block_size = 4 : i64, precision = f32, saturate = false}
      : tensor<4x8xf32>, tensor<4x2xf16> -> tensor<4x8xf8E4M3FN>
  return %0, %1, %2 : tensor<4x8xui8>, tensor<4x8xi4>, tensor<4x8xf8E4M3FN>
}

// CHECK-LABEL: @dequantize
// FOLD-LABEL: @dequantize
func.func @dequantize(%x: tensor<4x?xi8>, %s: tensor<?xf32>, %z: tensor<?xi8>)
    -> tensor<4x?xi8> {
  // CHECK: qnn.dequantize
  // FOLD-NEXT: return %arg0
  %0 = qnn.dequantize %x, %s zero_point %z : tensor<?xi8> {axis = 1 : i64}
      : tensor<4x?xi8>, tensor<?xf32> -> tensor<4x?xf32>
  %1 = qnn.quantize %0, %s zero_point %z : tensor<?xi8> {axis = 1 : i64}
      : tensor<4x?xf32>, tensor<?xf32> -> tensor<4x?xi8>
  return %1 : tensor<4x?xi8>
}

// Rounding must stay: this is no identity.
// FOLD-LABEL: @keep
func.func @keep(%x: tensor<4xf32>, %s: tensor<f32>) -> tensor<4xf32> {
  // FOLD: qnn.quantize
  // FOLD: qnn.dequantize
  %0 = qnn.quantize %x, %s : tensor<4xf32>, tensor<f32> -> tensor<4xi8>
  %1 = qnn.dequantize %0, %s : tensor<4xi8>, tensor<f32> -> tensor<4xf32>
  return %1 : tensor<4xf32>
}

// CHECK-LABEL: @others
func.func @others(%a: tensor<4x8xi32>, %s: tensor<8xf32>, %z: tensor<ui8>,
                  %x: tensor<4xf32>) {
  // CHECK: qnn.requantize
  %0 = qnn.requantize %a, %s zero_point %z : tensor<ui8> {axis = 1 : i64}
      : tensor<4x8xi32>, tensor<8xf32> -> tensor<4x8xui8>
  // CHECK: qnn.dynamic_quantize
  %1:3 = qnn.dynamic_quantize %x
      : tensor<4xf32> -> tensor<4xui8>, tensor<f32>, tensor<ui8>
  // CHECK: qnn.observe %{{.*}} as "layer/out"
  %2 = qnn.observe %x as "layer/out" : tensor<4xf32> -> tensor<4xf32>
  return
}

// CHECK-LABEL: @codebook
func.func @codebook(%b: tensor<8x16xui8>, %t: tensor<16xf32>)
    -> tensor<8x30xf32> {
  // CHECK: qnn.unpack %{{.*}} {bits = 4 : i64, high_first, size = 30 : i64} : tensor<8x16xui8> -> tensor<8x30xui4>
  %0 = qnn.unpack %b {bits = 4 : i64, size = 30 : i64, high_first}
      : tensor<8x16xui8> -> tensor<8x30xui4>
  // CHECK: qnn.lookup
  %1 = qnn.lookup %0, %t : tensor<8x30xui4>, tensor<16xf32> -> tensor<8x30xf32>
  return %1 : tensor<8x30xf32>
}
