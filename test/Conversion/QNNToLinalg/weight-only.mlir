// RUN: quant-opt --convert-qnn-to-linalg --split-input-file %s | FileCheck %s

// One contraction over [m, n, block, k]; the truncation says how many bits the
// weights have.
// CHECK: #[[$X:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
// CHECK: #[[$W:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
// CHECK: #[[$S:.*]] = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
// CHECK-LABEL: @asymmetric
// CHECK: linalg.generic {indexing_maps = [#[[$X]], #[[$W]], #[[$S]], #[[$S]], #{{.*}}], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
// CHECK-SAME: tensor<?x2x32xf32>, tensor<2x32x16xi8>, tensor<2x16xf32>, tensor<2x16xi8>
// CHECK: %[[C:.*]] = arith.trunci %{{.*}} : i8 to i4
// CHECK: %[[E:.*]] = arith.extui %[[C]] : i4 to i32
// CHECK: arith.subi %[[E]]
// CHECK: arith.sitofp
// CHECK: arith.mulf
// CHECK: arith.mulf
// CHECK: arith.addf
func.func @asymmetric(%x: tensor<?x64xf32>, %w: tensor<64x16xui4>,
                      %s: tensor<2x16xf32>, %z: tensor<2x16xui4>) -> tensor<?x16xf32> {
  %y = qnn.weight_only_matmul %x, %w, %s zero_points %z : tensor<2x16xui4>
      {block_size = 32 : i64}
      : tensor<?x64xf32>, tensor<64x16xui4>, tensor<2x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// -----

// Half precision is summed in f32.
// CHECK-LABEL: @codebook
// CHECK: linalg.generic
// CHECK: %[[C:.*]] = arith.trunci %{{.*}} : i8 to i4
// CHECK: %[[I:.*]] = arith.index_castui %[[C]] : i4 to index
// CHECK: tensor.extract %{{.*}}[%[[I]]] : tensor<16xf32>
// CHECK: arith.truncf %{{.*}} : f32 to f16
func.func @codebook(%x: tensor<2x3x64xf16>, %w: tensor<64x16xui4>,
                    %s: tensor<1x16xf16>, %c: tensor<16xf32>) -> tensor<2x3x16xf16> {
  %y = qnn.weight_only_matmul %x, %w, %s codebook %c : tensor<16xf32>
      {block_size = 64 : i64}
      : tensor<2x3x64xf16>, tensor<64x16xui4>, tensor<1x16xf16> -> tensor<2x3x16xf16>
  return %y : tensor<2x3x16xf16>
}

// -----

// Small floats are looked up in the table of their values.
// CHECK-LABEL: @small_float
// CHECK: arith.constant dense<[0.000000e+00, 5.000000e-01, 1.000000e+00, 1.500000e+00, 2.000000e+00, 3.000000e+00, 4.000000e+00, 6.000000e+00
func.func @small_float(%x: tensor<64xf32>, %w: tensor<64x16xf4E2M1FN>, %s: tensor<2x16xf32>)
    -> tensor<16xf32> {
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 32 : i64}
      : tensor<64xf32>, tensor<64x16xf4E2M1FN>, tensor<2x16xf32> -> tensor<16xf32>
  return %y : tensor<16xf32>
}

// -----

// Blocks that do not divide K: one loop, and a computed index.
// CHECK: affine_map<(d0, d1, d2) -> (d2 floordiv 48, d1)>
// CHECK-LABEL: @ragged
func.func @ragged(%x: tensor<2x64xf32>, %w: tensor<64x16xi3>, %s: tensor<2x16xf32>)
    -> tensor<2x16xf32> {
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 48 : i64}
      : tensor<2x64xf32>, tensor<64x16xi3>, tensor<2x16xf32> -> tensor<2x16xf32>
  return %y : tensor<2x16xf32>
}
