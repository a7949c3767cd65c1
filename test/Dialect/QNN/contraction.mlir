// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s -mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK-LABEL: @matmul
func.func @matmul(%a: tensor<5x1x2x3xf32>, %b: tensor<4x3x?xf32>, %v: tensor<3xf32>)
    -> (tensor<5x4x2x?xf32>, tensor<5x1x2xf32>) {
  // CHECK: qnn.matmul %{{.*}}, %{{.*}} : tensor<5x1x2x3xf32>, tensor<4x3x?xf32> -> tensor<5x4x2x?xf32>
  %0 = qnn.matmul %a, %b : tensor<5x1x2x3xf32>, tensor<4x3x?xf32> -> tensor<5x4x2x?xf32>
  // CHECK: qnn.matmul %{{.*}}, %{{.*}} : tensor<5x1x2x3xf32>, tensor<3xf32> -> tensor<5x1x2xf32>
  %1 = qnn.matmul %a, %v : tensor<5x1x2x3xf32>, tensor<3xf32> -> tensor<5x1x2xf32>
  return %0, %1 : tensor<5x4x2x?xf32>, tensor<5x1x2xf32>
}

// Bytes accumulate in 32 bits; each side may have a zero point.
// CHECK-LABEL: @matmul_integer
func.func @matmul_integer(%a: tensor<2x3xui8>, %b: tensor<3x4xi8>, %za: tensor<ui8>,
                          %zb: tensor<4xi8>) -> tensor<2x4xi32> {
  // CHECK: qnn.matmul %{{.*}}, %{{.*}} lhs_zero_point %{{.*}} : tensor<ui8> rhs_zero_point %{{.*}} : tensor<4xi8> : tensor<2x3xui8>, tensor<3x4xi8> -> tensor<2x4xi32>
  %0 = qnn.matmul %a, %b lhs_zero_point %za : tensor<ui8> rhs_zero_point %zb : tensor<4xi8> : tensor<2x3xui8>, tensor<3x4xi8> -> tensor<2x4xi32>
  // CHECK: qnn.matmul %{{.*}}, %{{.*}} rhs_zero_point %{{.*}} : tensor<4xi8> :
  %1 = qnn.matmul %a, %b rhs_zero_point %zb : tensor<4xi8> : tensor<2x3xui8>, tensor<3x4xi8> -> tensor<2x4xi32>
  return %0 : tensor<2x4xi32>
}

// CHECK-LABEL: @einsum
func.func @einsum(%a: tensor<3x?xf32>) -> tensor<?x3xf32> {
  // CHECK: qnn.einsum "ij->ji"(%{{.*}}) : (tensor<3x?xf32>) -> tensor<?x3xf32>
  %0 = qnn.einsum "ij->ji" (%a) : (tensor<3x?xf32>) -> tensor<?x3xf32>
  return %0 : tensor<?x3xf32>
}
