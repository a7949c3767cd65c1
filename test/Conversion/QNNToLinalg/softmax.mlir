// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// CHECK-LABEL: @softmax
// CHECK: arith.maximumf
// CHECK: math.exp
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract>
// CHECK: arith.divf
func.func @softmax(%x: tensor<?x8xf32>) -> tensor<?x8xf32> {
  %1 = qnn.softmax softmax %x {axis = 1 : i64} : tensor<?x8xf32> -> tensor<?x8xf32>
  return %1 : tensor<?x8xf32>
}

// CHECK-LABEL: @log_softmax
// CHECK: math.log
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @log_softmax(%x: tensor<8x4xf16>) -> tensor<8x4xf16> {
  %1 = qnn.softmax log_softmax %x {axis = 0 : i64} : tensor<8x4xf16> -> tensor<8x4xf16>
  return %1 : tensor<8x4xf16>
}

// CHECK-LABEL: @hardmax
// CHECK: arith.cmpf ugt
func.func @hardmax(%x: tensor<8x4xf32>) -> tensor<8x4xf32> {
  %1 = qnn.softmax hardmax %x {axis = 1 : i64} : tensor<8x4xf32> -> tensor<8x4xf32>
  return %1 : tensor<8x4xf32>
}

// CHECK-LABEL: @arg_min
// CHECK: arith.cmpi ule
func.func @arg_min(%x: tensor<8x4xui8>) -> tensor<8x1xi64> {
  %1 = qnn.arg_reduce min %x {axis = 1 : i64, keepdims, select_last} : tensor<8x4xui8> -> tensor<8x1xi64>
  return %1 : tensor<8x1xi64>
}
