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

// What is joined, or padded, has a buffer of its own, and another shape is the
// same buffer: unless something else reads it, too.
// CHECK-LABEL: func.func @joined(
func.func @joined(%x: tensor<4xf32>, %y: tensor<2x2xf32>) -> (tensor<8xf32>, tensor<6xf32>, tensor<2x2xf32>, tensor<4xf32>, tensor<2x2xf32>) {
  // CHECK: %[[CONCAT:.*]] = tensor.concat
  // CHECK: %[[PAD:.*]] = tensor.pad
  // CHECK: %[[SHAPED:.*]] = tensor.expand_shape
  // CHECK: %[[LOG:.*]] = linalg.log
  // CHECK: %[[VIEW:.*]] = tensor.expand_shape %[[LOG]]
  // CHECK: %[[COPY0:.*]] = bufferization.alloc_tensor() copy(%[[LOG]])
  // CHECK: %[[COPY1:.*]] = bufferization.alloc_tensor() copy(%[[VIEW]])
  // CHECK: return %[[CONCAT]], %[[PAD]], %[[SHAPED]], %[[COPY0]], %[[COPY1]]
  %zero = arith.constant 0.0 : f32
  %0 = tensor.concat dim(0) %x, %x : (tensor<4xf32>, tensor<4xf32>) -> tensor<8xf32>
  %1 = tensor.pad %x low[1] high[1] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<4xf32> to tensor<6xf32>
  %e = tensor.empty() : tensor<4xf32>
  %2 = linalg.exp ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %3 = tensor.expand_shape %2 [[0, 1]] output_shape [2, 2] : tensor<4xf32> into tensor<2x2xf32>
  %4 = linalg.log ins(%x : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  %5 = tensor.expand_shape %4 [[0, 1]] output_shape [2, 2] : tensor<4xf32> into tensor<2x2xf32>
  return %0, %1, %3, %4, %5 : tensor<8xf32>, tensor<6xf32>, tensor<2x2xf32>, tensor<4xf32>, tensor<2x2xf32>
}

// What folds to its operand has none.
// CHECK-LABEL: func.func @joined_with_nothing(
func.func @joined_with_nothing(%x: tensor<4xf32>, %none: tensor<0xf32>, %y: tensor<?xf32>) -> (tensor<4xf32>, tensor<?xf32>, tensor<4xf32>) {
  // CHECK-COUNT-3: bufferization.alloc_tensor() copy
  %zero = arith.constant 0.0 : f32
  %0 = tensor.concat dim(0) %x, %none : (tensor<4xf32>, tensor<0xf32>) -> tensor<4xf32>
  %1 = tensor.concat dim(0) %none, %y : (tensor<0xf32>, tensor<?xf32>) -> tensor<?xf32>
  %2 = tensor.pad %x low[0] high[0] {
  ^bb0(%i: index):
    tensor.yield %zero : f32
  } : tensor<4xf32> to tensor<4xf32>
  return %0, %1, %2 : tensor<4xf32>, tensor<?xf32>, tensor<4xf32>
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
