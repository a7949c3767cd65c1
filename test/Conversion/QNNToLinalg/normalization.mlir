// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// Statistics that nobody reads leave nothing behind.
// CHECK-LABEL: @layer
// The mean is summed in f64, and the scale and bias are applied with one
// rounding where the target can.
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract> : f64
// CHECK: iterator_types = ["parallel", "reduction"]
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract> : f32
// CHECK: math.sqrt
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "parallel"]}
// CHECK: arith.mulf %{{[^ ]*}}, %{{[^ ]*}} : f32
// CHECK: arith.mulf {{.*}} fastmath<contract> : f32
// CHECK: arith.addf {{.*}} fastmath<contract> : f32
// CHECK-NOT: linalg.generic
func.func @layer(%x: tensor<?x8xf32>, %s: tensor<8xf32>, %b: tensor<8xf32>) -> tensor<?x8xf32> {
  %0:3 = qnn.normalize layer %x scale %s : tensor<8xf32> bias %b : tensor<8xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<?x8xf32> -> tensor<?x8xf32>, tensor<?x1xf32>, tensor<?x1xf32>
  return %0#0 : tensor<?x8xf32>
}

// CHECK-LABEL: @rms
// CHECK-NOT: arith.subf
func.func @rms(%x: tensor<2x4x8xf16>, %s: tensor<1x8xf16>) -> (tensor<2x4x8xf16>, tensor<2x1x1xf32>) {
  %0:3 = qnn.normalize rms %x scale %s : tensor<1x8xf16> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<2x4x8xf16> -> tensor<2x4x8xf16>, tensor<2x1x1xf32>, tensor<2x1x1xf32>
  return %0#0, %0#2 : tensor<2x4x8xf16>, tensor<2x1x1xf32>
}

// CHECK-LABEL: @channels
// CHECK: math.powf
func.func @channels(%x: tensor<2x3x?xf32>, %p: tensor<3xf32>) -> tensor<2x3x?xf32> {
  %0 = qnn.batch_norm %x, %p, %p, %p, %p {epsilon = 1.0e-5 : f64} : tensor<2x3x?xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32>, tensor<3xf32> -> tensor<2x3x?xf32>
  %1 = qnn.local_response_norm %0 {size = 3 : i64, alpha = 1.0e-4 : f64, beta = 0.75 : f64, bias = 1.0 : f64} : tensor<2x3x?xf32> -> tensor<2x3x?xf32>
  return %1 : tensor<2x3x?xf32>
}
