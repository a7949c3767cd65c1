// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// CHECK-LABEL: @softmax
// CHECK: arith.maxnumf
// CHECK: math.exp {{.*}} fastmath<afn>
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

// Along rows that fill a vector: the extremum, then where it is. NaN is one.
// CHECK-LABEL: @arg_max_in_rows
// CHECK: %[[BEST:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?xf32>)
// CHECK: arith.maximumf
// CHECK: linalg.generic {{.*}} ins(%{{.*}}, %[[BEST]] : tensor<?x80xf32>, tensor<?xf32>) outs(%{{.*}} : tensor<?xi32>)
// CHECK-DAG: linalg.index 1
// CHECK-DAG: arith.cmpf oeq
// CHECK-DAG: arith.cmpf uno
// CHECK: arith.minsi %{{.*}} : i32
// CHECK: arith.extsi
func.func @arg_max_in_rows(%x: tensor<?x80xf32>) -> tensor<?xi64> {
  %1 = qnn.arg_reduce max %x {axis = 1 : i64} : tensor<?x80xf32> -> tensor<?xi64>
  return %1 : tensor<?xi64>
}

// The last one of numbers, but the first one of NaNs: one pass.
// CHECK-LABEL: @arg_max_last
// CHECK: arith.cmpf uge
func.func @arg_max_last(%x: tensor<?x80xf32>) -> tensor<?xi64> {
  %1 = qnn.arg_reduce max %x {axis = 1 : i64, select_last} : tensor<?x80xf32> -> tensor<?xi64>
  return %1 : tensor<?xi64>
}
