// RUN: quant-opt %s --quantc-prepare-entry | FileCheck %s

// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:.*]]: tensor<4xf32> {bufferization.writable = false}
func.func @main(%x: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>) {
  // An argument is copied, a buffer of its own is not.
  // CHECK: %[[EXP:.*]] = linalg.exp
  // CHECK: %[[COPY:.*]] = bufferization.alloc_tensor() copy(%[[X]])
  // CHECK: return %[[COPY]], %[[EXP]]
  %e = tensor.empty() : tensor<4xf32>
  %0 = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %x, %0 : tensor<4xf32>, tensor<4xf32>
}
