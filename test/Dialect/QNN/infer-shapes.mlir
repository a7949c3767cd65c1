// RUN: quant-opt %s --split-input-file --qnn-infer-shapes | FileCheck %s

// The shape became a constant: what follows from it becomes static, up to the
// function's result.
// CHECK-LABEL: func.func @main
// CHECK-SAME:    -> tensor<4x6xf32>
// CHECK:         qnn.reshape {{.*}} -> tensor<4x6xf32>
// CHECK:         qnn.unary {{.*}} -> tensor<4x6xf32>
// CHECK:         return {{.*}} : tensor<4x6xf32>
func.func @main(%x: tensor<2x12xf32>) -> tensor<?x?xf32> {
  %shape = qnn.constant dense<[4, 6]> : tensor<2xi64>
  %0 = qnn.reshape %x, %shape : tensor<2x12xf32>, tensor<2xi64> -> tensor<?x?xf32>
  %1 = qnn.unary relu %0 : tensor<?x?xf32> -> tensor<?x?xf32>
  return %1 : tensor<?x?xf32>
}

// -----

// What both branches agree on is known after them.
// CHECK-LABEL: func.func @branches
// CHECK:         scf.if {{.*}} -> (tensor<3x?xf32>)
// CHECK:         return {{.*}} : tensor<3x?xf32>
func.func @branches(%c: i1, %x: tensor<3x4xf32>, %y: tensor<3x5xf32>) -> tensor<?x?xf32> {
  %0 = scf.if %c -> tensor<?x?xf32> {
    %1 = qnn.unary relu %x : tensor<3x4xf32> -> tensor<?x?xf32>
    scf.yield %1 : tensor<?x?xf32>
  } else {
    %1 = qnn.unary relu %y : tensor<3x5xf32> -> tensor<?x?xf32>
    scf.yield %1 : tensor<?x?xf32>
  }
  return %0 : tensor<?x?xf32>
}

// -----

// An op of another dialect keeps the type that it was made with.
// CHECK-LABEL: func.func @foreign_user
// CHECK:         %[[CAST:.*]] = tensor.cast {{.*}} : tensor<4xf32> to tensor<?xf32>
// CHECK:         tensor.extract %[[CAST]]
func.func @foreign_user(%x: tensor<4xf32>, %i: index) -> f32 {
  %0 = qnn.unary relu %x : tensor<4xf32> -> tensor<?xf32>
  %1 = tensor.extract %0[%i] : tensor<?xf32>
  return %1 : f32
}
