// RUN: quant-opt %s --split-input-file | quant-opt --split-input-file | FileCheck %s

// CHECK-LABEL: @groups
// CHECK: qnn.weight_only_matmul %{{.*}}, %{{.*}}, %{{.*}} zero_points %{{.*}} : tensor<2x16xui4> {block_size = 32 : i64}
// CHECK-SAME: -> tensor<?x16xf32>
func.func @groups(%x: tensor<?x64xf32>, %w: tensor<64x16xui4>,
                  %s: tensor<2x16xf32>, %z: tensor<2x16xui4>) -> tensor<?x16xf32> {
  %y = qnn.weight_only_matmul %x, %w, %s zero_points %z : tensor<2x16xui4>
      {block_size = 32 : i64}
      : tensor<?x64xf32>, tensor<64x16xui4>, tensor<2x16xf32> -> tensor<?x16xf32>
  return %y : tensor<?x16xf32>
}

// CHECK-LABEL: @codebook
// CHECK: codebook %{{.*}} : tensor<16xf32>
func.func @codebook(%x: tensor<2x3x64xf16>, %w: tensor<64x16xui4>,
                    %s: tensor<1x16xf16>, %c: tensor<16xf32>) -> tensor<2x3x16xf16> {
  %y = qnn.weight_only_matmul %x, %w, %s codebook %c : tensor<16xf32>
      {block_size = 64 : i64}
      : tensor<2x3x64xf16>, tensor<64x16xui4>, tensor<1x16xf16> -> tensor<2x3x16xf16>
  return %y : tensor<2x3x16xf16>
}
