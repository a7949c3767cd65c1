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

// A state is the caller's buffer, which the run writes.
// CHECK-LABEL: func.func @state(
// CHECK-SAME:    %[[NEW:[a-z0-9]+]]: tensor<1xf32> {bufferization.writable = false}
// CHECK-SAME:    %[[BUFFER:[a-z0-9]+]]: tensor<4xf32> {bufferization.writable = true, qnn.state = "s"}
func.func @state(%new: tensor<1xf32>, %buffer: tensor<4xf32> {qnn.state = "s"}) -> (tensor<4xf32> {qnn.state = "s"}) {
  // CHECK: %[[UPDATED:.*]] = tensor.insert_slice %[[NEW]] into %[[BUFFER]]
  // CHECK-NEXT: return %[[UPDATED]]
  %0 = tensor.insert_slice %new into %buffer[2] [1] [1] : tensor<1xf32> into tensor<4xf32>
  return %0 : tensor<4xf32>
}
