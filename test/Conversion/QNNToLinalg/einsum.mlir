// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// CHECK-DAG: #[[$LHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
// CHECK-DAG: #[[$RHS:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
// CHECK-LABEL: @batch_matmul
// CHECK: linalg.generic {indexing_maps = [#[[$LHS]], #[[$RHS]], {{.*}} iterator_types = ["parallel", "parallel", "parallel", "reduction"]
func.func @batch_matmul(%a: tensor<2x3x4xf32>, %b: tensor<2x4x5xf32>) -> tensor<2x3x5xf32> {
  %0 = qnn.einsum "bij,bjk->bik" (%a, %b) : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
  return %0 : tensor<2x3x5xf32>
}

// CHECK-LABEL: @broadcast
// CHECK: tensor.collapse_shape {{.*}} into tensor<5xf16>
// CHECK: arith.truncf
func.func @broadcast(%a: tensor<3x5xf16>, %b: tensor<1x5xf16>) -> tensor<3xf16> {
  %0 = qnn.einsum "...i,...i->..." (%a, %b) : (tensor<3x5xf16>, tensor<1x5xf16>) -> tensor<3xf16>
  return %0 : tensor<3xf16>
}

// CHECK-LABEL: @trace
// CHECK: cf.assert %{{.*}}, "{{.*}}dimensions of one name differ"
func.func @trace(%a: tensor<?x?xi32>) -> tensor<i32> {
  %0 = qnn.einsum "ii" (%a) : (tensor<?x?xi32>) -> tensor<i32>
  return %0 : tensor<i32>
}
