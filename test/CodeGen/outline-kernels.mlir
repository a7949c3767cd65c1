// RUN: quant-opt %s --quantc-outline-kernels --canonicalize | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// Two layers of one shape share a kernel, and their weights are arguments.
// CHECK-LABEL: func.func @layers
// CHECK: kernel.call @[[K:kernel_0_matmul]] ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<8x16xf32>, tensor<16x16xf32>, tensor<16xf32>)
// CHECK: kernel.call @[[K]] ins
// CHECK-NOT: linalg
// CHECK: func.func private @[[K]](
// CHECK-SAME: %[[A:.*]]: memref<8x16xf32>, %[[B:.*]]: memref<16x16xf32>, %[[BIAS:.*]]: memref<16xf32>, %[[OUT:.*]]: memref<8x16xf32>)
// CHECK: linalg.fill ins(%{{.*}}) outs(%[[OUT]]
// CHECK: linalg.matmul ins(%[[A]], %[[B]] {{.*}}) outs(%[[OUT]]
// CHECK: linalg.generic {{.*}} ins(%[[OUT]], %[[BIAS]] {{.*}}) outs(%[[OUT]]
// CHECK-NOT: func.func
func.func @layers(%x: tensor<8x16xf32>, %bias: tensor<16xf32>,
                  %w0: tensor<16x16xf32>, %w1: tensor<16x16xf32>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<8x16xf32>) -> tensor<8x16xf32>
  %0 = linalg.matmul ins(%x, %w0 : tensor<8x16xf32>, tensor<16x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %bias : tensor<8x16xf32>, tensor<16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  %2 = linalg.matmul ins(%1, %w1 : tensor<8x16xf32>, tensor<16x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  %3 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%2, %bias : tensor<8x16xf32>, tensor<16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  return %3 : tensor<8x16xf32>
}
