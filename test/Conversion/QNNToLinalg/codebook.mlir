// RUN: quant-opt --convert-qnn-to-linalg --split-input-file %s | FileCheck %s

// CHECK-LABEL: @unpack
// CHECK: %[[BYTE:.*]] = arith.divui
// CHECK: tensor.extract %{{.*}}[%{{.*}}, %[[BYTE]]]
// CHECK: arith.shrui
// CHECK: arith.andi
func.func @unpack(%b: tensor<8x16xui8>) -> tensor<8x30xui4> {
  %0 = qnn.unpack %b {bits = 4 : i64, size = 30 : i64}
      : tensor<8x16xui8> -> tensor<8x30xui4>
  return %0 : tensor<8x30xui4>
}

// -----

// Codes are unsigned: 200 is no negative index.
// CHECK-LABEL: @lookup
// CHECK: %[[I:.*]] = arith.index_castui %{{.*}} : i8 to index
// CHECK: tensor.extract %{{.*}}[%[[I]]]
func.func @lookup(%x: tensor<4xui8>, %t: tensor<256xf32>) -> tensor<4xf32> {
  %0 = qnn.lookup %x, %t : tensor<4xui8>, tensor<256xf32> -> tensor<4xf32>
  return %0 : tensor<4xf32>
}

// So are the bits of signed numbers: -1 is the last.
// CHECK-LABEL: @signed_lookup
// CHECK: arith.index_castui %{{.*}} : i8 to index
func.func @signed_lookup(%x: tensor<4xi8>, %t: tensor<256xui8>) -> tensor<4xui8> {
  %0 = qnn.lookup %x, %t : tensor<4xi8>, tensor<256xui8> -> tensor<4xui8>
  return %0 : tensor<4xui8>
}
