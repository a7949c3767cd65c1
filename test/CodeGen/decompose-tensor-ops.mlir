// RUN: quant-opt %s --allow-unregistered-dialect --quantc-decompose-tensor-ops | FileCheck %s

// CHECK-LABEL: func.func @concat
// CHECK-NOT: tensor.concat
// CHECK-COUNT-2: tensor.insert_slice
func.func @concat(%a: tensor<2xf32>, %b: tensor<3xf32>) -> tensor<5xf32> {
  %0 = tensor.concat dim(0) %a, %b : (tensor<2xf32>, tensor<3xf32>) -> tensor<5xf32>
  return %0 : tensor<5xf32>
}

// What is written into is no tensor of others.
// CHECK-LABEL: func.func @empty
func.func @empty(%x: f32) -> (tensor<4xf32>, tensor<4xf32>) {
  // CHECK: %[[FIRST:.*]] = tensor.empty()
  // CHECK: linalg.fill ins(%arg0 : f32) outs(%[[FIRST]] : tensor<4xf32>)
  // CHECK: %[[SECOND:.*]] = tensor.empty()
  // CHECK: linalg.fill ins(%arg0 : f32) outs(%[[SECOND]] : tensor<4xf32>)
  // CHECK-NOT: tensor.empty
  %0 = tensor.empty() : tensor<4xf32>
  %1 = linalg.fill ins(%x : f32) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  %2 = linalg.fill ins(%x : f32) outs(%0 : tensor<4xf32>) -> tensor<4xf32>
  return %1, %2 : tensor<4xf32>, tensor<4xf32>
}

// Few may share one whose size the run tells: 16.
// CHECK-LABEL: func.func @dynamic_empty
func.func @dynamic_empty(%x: f32, %n: index) {
  %0 = tensor.empty(%n) : tensor<?xf32>
  // CHECK: %[[FIRST:.*]] = tensor.empty(%arg1)
  // CHECK-COUNT-16: "use"(%[[FIRST]])
  // CHECK-NEXT: %[[SECOND:.*]] = tensor.empty(%arg1)
  // CHECK-NEXT: "use"(%[[SECOND]])
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  "use"(%0) : (tensor<?xf32>) -> ()
  return
}
