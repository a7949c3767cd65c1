// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// CHECK-LABEL: @top_k
// CHECK: cf.assert %{{.*}}, "{{.*}}k is negative or larger than the dimension"
// CHECK: scf.for
// CHECK: scf.while
// CHECK: arith.cmpf ugt
// CHECK: tensor.insert
func.func @top_k(%x: tensor<3x?xf32>, %k: tensor<1xi64>) -> (tensor<3x?xf32>, tensor<3x?xi64>) {
  %0:2 = qnn.top_k %x, %k {axis = 1 : i64} : tensor<3x?xf32>, tensor<1xi64> -> tensor<3x?xf32>, tensor<3x?xi64>
  return %0#0, %0#1 : tensor<3x?xf32>, tensor<3x?xi64>
}

// CHECK-LABEL: @unique
// CHECK: linalg.transpose
// CHECK: scf.while
// CHECK: tensor.extract_slice
func.func @unique(%x: tensor<2x8xui8>) -> (tensor<2x?xui8>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>) {
  %4:4 = qnn.unique %x {axis = 1 : i64, unsorted} : tensor<2x8xui8> -> tensor<2x?xui8>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
  return %4#0, %4#1, %4#2, %4#3 : tensor<2x?xui8>, tensor<?xi64>, tensor<8xi64>, tensor<?xi64>
}

// CHECK-LABEL: @unique_flat
// CHECK: tensor.collapse_shape
func.func @unique_flat(%x: tensor<2x?xf32>) -> (tensor<?xf32>) {
  %4:4 = qnn.unique %x : tensor<2x?xf32> -> tensor<?xf32>, tensor<?xi64>, tensor<?xi64>, tensor<?xi64>
  return %4#0 : tensor<?xf32>
}
