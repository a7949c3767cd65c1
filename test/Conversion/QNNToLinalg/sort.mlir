// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// A heap of the best elements so far: each other one is compared with the worst
// of them, and changes nothing where it is no better. Nothing is allocated.
// CHECK-LABEL: @top_k
// CHECK: %[[LENGTH:.*]] = tensor.dim
// CHECK: cf.assert %{{.*}}, "{{.*}}k is negative or larger than the dimension"
// CHECK-COUNT-2: tensor.empty
// CHECK-NOT: tensor.empty
// CHECK: scf.for {{.*}} = %{{.*}} to %[[LENGTH]] step %{{.*}} iter_args(%[[VALUES:.*]] = %{{.*}}, %{{.*}} = %{{.*}}) -> (tensor<3x?xf32>, tensor<3x?xi64>) {
// CHECK: %[[NEXT:.*]] = tensor.extract %{{.*}}[%{{.*}}, %{{.*}}] : tensor<3x?xf32>
// CHECK: %[[WORST:.*]] = tensor.extract %[[VALUES]][%{{.*}}, %c0{{.*}}]
// CHECK: arith.cmpf ugt, %[[NEXT]], %[[WORST]]
// CHECK: scf.if
// CHECK: scf.while
// CHECK: else {
// CHECK: else {
// CHECK-NEXT: scf.yield %[[VALUES]]
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
