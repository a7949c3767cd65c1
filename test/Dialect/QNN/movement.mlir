// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: func @movement
func.func @movement(%x: tensor<?x8xf32>, %axes: tensor<1xi64>, %s: tensor<2xi64>, %v: tensor<f32>) {
  %c = qnn.constant dense<1> : tensor<1xi64>
  // CHECK: qnn.unsqueeze %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<1xi64> -> tensor<?x1x8xf32>
  %0 = qnn.unsqueeze %x, %c : tensor<?x8xf32>, tensor<1xi64> -> tensor<?x1x8xf32>
  // CHECK: qnn.squeeze
  %1 = qnn.squeeze %0, %c : tensor<?x1x8xf32>, tensor<1xi64> -> tensor<?x8xf32>
  // CHECK: qnn.expand
  %2 = qnn.expand %x, %s : tensor<?x8xf32>, tensor<2xi64> -> tensor<?x8xf32>
  // CHECK: qnn.tile
  %3 = qnn.tile %x, %s : tensor<?x8xf32>, tensor<2xi64> -> tensor<?x?xf32>
  // CHECK: qnn.concat 1, %{{.*}}, %{{.*}} : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x16xf32>
  %4 = qnn.concat 1, %x, %x : tensor<?x8xf32>, tensor<?x8xf32> -> tensor<?x16xf32>
  // CHECK: qnn.slice %{{.*}} from %{{.*}} to %{{.*}} axes %{{.*}} steps
  %5 = qnn.slice %x from %c to %c axes %axes steps %c : tensor<?x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<?x?xf32>
  // CHECK: qnn.pad reflect
  %6 = qnn.pad reflect %x by %s axes %c with %v : tensor<?x8xf32>, tensor<2xi64>, tensor<1xi64>, tensor<f32> -> tensor<?x?xf32>
  // CHECK: qnn.range
  %7 = qnn.range %v to %v by %v : tensor<f32>, tensor<f32>, tensor<f32> -> tensor<?xf32>
  return
}

// CHECK-LABEL: func @indexing
func.func @indexing(%x: tensor<4x8xf32>, %i: tensor<?xi64>, %j: tensor<2x8xi64>, %k: tensor<3x1xi64>, %u: tensor<2x8xf32>, %w: tensor<3x8xf32>) {
  // CHECK: qnn.gather %{{.*}}[%{{.*}}] axis 0 : tensor<4x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
  %0 = qnn.gather %x[%i] axis 0 : tensor<4x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
  // CHECK: qnn.gather_elements
  %1 = qnn.gather_elements %x[%j] axis 0 : tensor<4x8xf32>, tensor<2x8xi64> -> tensor<2x8xf32>
  // CHECK: qnn.gather_nd
  %2 = qnn.gather_nd %x[%k] : tensor<4x8xf32>, tensor<3x1xi64> -> tensor<3x8xf32>
  // CHECK: qnn.scatter_elements add %{{.*}} into
  %3 = qnn.scatter_elements add %u into %x[%j] axis 0 : tensor<2x8xf32>, tensor<4x8xf32>, tensor<2x8xi64> -> tensor<4x8xf32>
  // CHECK: qnn.scatter_nd none
  %4 = qnn.scatter_nd none %w into %x[%k] : tensor<3x8xf32>, tensor<4x8xf32>, tensor<3x1xi64> -> tensor<4x8xf32>
  // CHECK: qnn.non_zero
  %5 = qnn.non_zero %x : tensor<4x8xf32> -> tensor<2x?xi64>
  return
}
