// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s -mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK-LABEL: @unary
func.func @unary(%x: tensor<4x?xf32>) -> (tensor<4x?xf32>, tensor<4x?xi1>) {
  // CHECK: qnn.unary relu %{{.*}} : tensor<4x?xf32> -> tensor<4x?xf32>
  %0 = qnn.unary relu %x : tensor<4x?xf32> -> tensor<4x?xf32>
  // CHECK: qnn.unary hard_sigmoid %{{.*}} {alpha = 2.000000e-01 : f64, beta = 5.000000e-01 : f64}
  %1 = qnn.unary hard_sigmoid %0 {alpha = 0.2 : f64, beta = 0.5 : f64} : tensor<4x?xf32> -> tensor<4x?xf32>
  // CHECK: qnn.unary is_nan %{{.*}} : tensor<4x?xf32> -> tensor<4x?xi1>
  %2 = qnn.unary is_nan %1 : tensor<4x?xf32> -> tensor<4x?xi1>
  return %1, %2 : tensor<4x?xf32>, tensor<4x?xi1>
}

// CHECK-LABEL: @binary
func.func @binary(%a: tensor<4x1xui8>, %b: tensor<8xui8>, %c: tensor<?xf16>,
                  %d: tensor<i32>) -> (tensor<4x8xui8>, tensor<?xf16>) {
  // CHECK: qnn.binary add %{{.*}}, %{{.*}} : tensor<4x1xui8>, tensor<8xui8> -> tensor<4x8xui8>
  %0 = qnn.binary add %a, %b : tensor<4x1xui8>, tensor<8xui8> -> tensor<4x8xui8>
  // An exponent may have a type of its own.
  // CHECK: qnn.binary pow %{{.*}}, %{{.*}} : tensor<?xf16>, tensor<i32> -> tensor<?xf16>
  %1 = qnn.binary pow %c, %d : tensor<?xf16>, tensor<i32> -> tensor<?xf16>
  return %0, %1 : tensor<4x8xui8>, tensor<?xf16>
}

// CHECK-LABEL: @select
func.func @select(%a: tensor<2x1xf32>, %b: tensor<3xf32>) -> tensor<2x3xf32> {
  // CHECK: %[[$C:.*]] = qnn.compare less_or_equal %{{.*}}, %{{.*}} : tensor<2x1xf32>, tensor<3xf32> -> tensor<2x3xi1>
  %c = qnn.compare less_or_equal %a, %b : tensor<2x1xf32>, tensor<3xf32> -> tensor<2x3xi1>
  // CHECK: qnn.select %[[$C]], %{{.*}}, %{{.*}} : tensor<2x3xi1>, tensor<2x1xf32>, tensor<3xf32> -> tensor<2x3xf32>
  %0 = qnn.select %c, %a, %b : tensor<2x3xi1>, tensor<2x1xf32>, tensor<3xf32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}

// CHECK-LABEL: @cast
func.func @cast(%x: tensor<4xf32>) -> (tensor<4xf8E4M3FN>, tensor<4xui4>) {
  // CHECK: qnn.cast %{{.*}} {saturate = false} : tensor<4xf32> -> tensor<4xf8E4M3FN>
  %0 = qnn.cast %x {saturate = false} : tensor<4xf32> -> tensor<4xf8E4M3FN>
  // CHECK: qnn.cast %{{.*}} : tensor<4xf32> -> tensor<4xui4>
  %1 = qnn.cast %x : tensor<4xf32> -> tensor<4xui4>
  return %0, %1 : tensor<4xf8E4M3FN>, tensor<4xui4>
}

// A model may know more about a result than inference finds.
// CHECK-LABEL: @more_static
func.func @more_static(%a: tensor<?xf32>, %b: tensor<?xf32>) -> tensor<3xf32> {
  // CHECK: -> tensor<3xf32>
  %0 = qnn.binary add %a, %b : tensor<?xf32>, tensor<?xf32> -> tensor<3xf32>
  return %0 : tensor<3xf32>
}

// CHECK-LABEL: @fused_multiply_add
func.func @fused_multiply_add(%a: tensor<2x1xf32>, %b: tensor<3xf32>, %c: tensor<f32>) -> tensor<2x3xf32> {
  // CHECK: qnn.fused_multiply_add %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x1xf32>, tensor<3xf32>, tensor<f32> -> tensor<2x3xf32>
  %0 = qnn.fused_multiply_add %a, %b, %c : tensor<2x1xf32>, tensor<3xf32>, tensor<f32> -> tensor<2x3xf32>
  return %0 : tensor<2x3xf32>
}
