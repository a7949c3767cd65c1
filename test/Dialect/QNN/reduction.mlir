// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: @reduce
func.func @reduce(%x: tensor<2x?x8xf32>, %axes: tensor<2xi64>) -> (tensor<?xf32>, tensor<2x1x8xf32>) {
  // CHECK: qnn.reduce log_sum_exp %{{.*}} axes %{{.*}} : tensor<2xi64> : tensor<2x?x8xf32> -> tensor<?xf32>
  %0 = qnn.reduce log_sum_exp %x axes %axes : tensor<2xi64> : tensor<2x?x8xf32> -> tensor<?xf32>
  %one = qnn.constant dense<1> : tensor<1xi64>
  // CHECK: qnn.reduce mean {{.*}} {keepdims}
  %1 = qnn.reduce mean %x axes %one : tensor<1xi64> {keepdims} : tensor<2x?x8xf32> -> tensor<2x1x8xf32>
  return %0, %1 : tensor<?xf32>, tensor<2x1x8xf32>
}

// CHECK-LABEL: @others
func.func @others(%x: tensor<2x8xf32>, %k: tensor<1xi64>, %axis: tensor<i32>) {
  // CHECK: qnn.arg_reduce max %{{.*}} {axis = 1 : i64, keepdims} : tensor<2x8xf32> -> tensor<2x1xi64>
  %0 = qnn.arg_reduce max %x {axis = 1 : i64, keepdims} : tensor<2x8xf32> -> tensor<2x1xi64>
  // CHECK: qnn.softmax log_softmax %{{.*}} {axis = 1 : i64} : tensor<2x8xf32> -> tensor<2x8xf32>
  %1 = qnn.softmax log_softmax %x {axis = 1 : i64} : tensor<2x8xf32> -> tensor<2x8xf32>
  // CHECK: qnn.cumulate sum %{{.*}} axis %{{.*}} {exclusive, reverse} : tensor<2x8xf32>, tensor<i32> -> tensor<2x8xf32>
  %2 = qnn.cumulate sum %x axis %axis {exclusive, reverse} : tensor<2x8xf32>, tensor<i32> -> tensor<2x8xf32>
  // CHECK: qnn.top_k %{{.*}}, %{{.*}} {axis = 1 : i64} : tensor<2x8xf32>, tensor<1xi64> -> tensor<2x?xf32>, tensor<2x?xi64>
  %3:2 = qnn.top_k %x, %k {axis = 1 : i64} : tensor<2x8xf32>, tensor<1xi64> -> tensor<2x?xf32>, tensor<2x?xi64>
  // CHECK: qnn.unique %{{.*}} {axis = 1 : i64} : tensor<2x8xf32> -> tensor<2x?xf32>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
  %4:4 = qnn.unique %x {axis = 1 : i64} : tensor<2x8xf32> -> tensor<2x?xf32>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
  return
}
