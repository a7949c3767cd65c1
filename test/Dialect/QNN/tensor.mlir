// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s -mlir-print-op-generic | quant-opt | FileCheck %s

// CHECK-LABEL: @constant
func.func @constant() -> (tensor<2xui8>, tensor<2xf32>) {
  // CHECK: qnn.constant dense<[1, 255]> : tensor<2xui8>
  %0 = qnn.constant dense<[1, 255]> : tensor<2xui8>
  // CHECK: qnn.constant dense_resource<weight> : tensor<2xf32>
  %1 = qnn.constant dense_resource<weight> : tensor<2xf32>
  return %0, %1 : tensor<2xui8>, tensor<2xf32>
}

// CHECK-LABEL: @reshape
func.func @reshape(%x: tensor<2x6xf32>, %s: tensor<3xi64>) -> (tensor<4x3xf32>, tensor<?x?x?xf32>) {
  %shape = qnn.constant dense<[-1, 3]> : tensor<2xi64>
  // CHECK: qnn.reshape %{{.*}}, %{{.*}} : tensor<2x6xf32>, tensor<2xi64> -> tensor<4x3xf32>
  %0 = qnn.reshape %x, %shape : tensor<2x6xf32>, tensor<2xi64> -> tensor<4x3xf32>
  // CHECK: qnn.reshape %{{.*}}, %{{.*}} {allowzero} : tensor<2x6xf32>, tensor<3xi64> -> tensor<?x?x?xf32>
  %1 = qnn.reshape %x, %s {allowzero} : tensor<2x6xf32>, tensor<3xi64> -> tensor<?x?x?xf32>
  return %0, %1 : tensor<4x3xf32>, tensor<?x?x?xf32>
}

// CHECK-LABEL: @transpose
func.func @transpose(%x: tensor<2x?x4xf32>) -> tensor<4x2x?xf32> {
  // CHECK: qnn.transpose %{{.*}} [2, 0, 1] : tensor<2x?x4xf32> -> tensor<4x2x?xf32>
  %0 = qnn.transpose %x [2, 0, 1] : tensor<2x?x4xf32> -> tensor<4x2x?xf32>
  return %0 : tensor<4x2x?xf32>
}

// CHECK-LABEL: @shape
func.func @shape(%x: tensor<2x?x4xf32>) -> tensor<2xi64> {
  // CHECK: qnn.shape %{{.*}}[1, 3] : tensor<2x?x4xf32> -> tensor<2xi64>
  %0 = qnn.shape %x[1, 3] : tensor<2x?x4xf32> -> tensor<2xi64>
  return %0 : tensor<2xi64>
}

{-#
  dialect_resources: {
    builtin: {
      weight: "0x040000000000803F00000040"
    }
  }
#-}
