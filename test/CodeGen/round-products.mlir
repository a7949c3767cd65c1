// RUN: quant-opt %s --quantc-round-products=target-features=+avx512f,+avx512bf16 -split-input-file | FileCheck %s
// RUN: quant-opt %s --quantc-round-products=target-features=+avx2 -split-input-file | FileCheck %s --check-prefix=STORED

// CHECK-LABEL: func.func @layer
// CHECK: linalg.generic
// CHECK: ^bb0(%[[X:.*]]: f32, %[[W:.*]]: f32, %[[OUT:.*]]: f32):
// CHECK-DAG: %[[XR:.*]] = arith.truncf %[[X]] : f32 to bf16
// CHECK-DAG: %[[XE:.*]] = arith.extf %[[XR]] : bf16 to f32
// CHECK-DAG: %[[WR:.*]] = arith.truncf %[[W]] : f32 to bf16
// CHECK-DAG: %[[WE:.*]] = arith.extf %[[WR]] : bf16 to f32
// CHECK: %[[P:.*]] = arith.mulf %[[XE]], %[[WE]]
// CHECK: arith.addf %[[OUT]], %[[P]]

// Weights are stored as bf16, nothing else is rounded.
// STORED-LABEL: func.func @layer
// STORED: ^bb0(%[[X:.*]]: f32, %[[W:.*]]: f32, %{{.*}}: f32):
// STORED: %[[WR:.*]] = arith.truncf %[[W]] : f32 to bf16
// STORED: %[[WE:.*]] = arith.extf %[[WR]]
// STORED: arith.mulf %[[X]], %[[WE]]
func.func @layer(%x: tensor<8x2xf32>, %out: tensor<8x3xf32>) -> tensor<8x3xf32> {
  %w = arith.constant dense<[[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]]> : tensor<2x3xf32>
  %y = linalg.matmul ins(%x, %w : tensor<8x2xf32>, tensor<2x3xf32>)
                     outs(%out : tensor<8x3xf32>) -> tensor<8x3xf32>
  return %y : tensor<8x3xf32>
}

// -----

// Filters are read element by element: without products of bf16 each would be
// extended by itself.
// CHECK-LABEL: func.func @filters
// CHECK-COUNT-2: arith.truncf
// STORED-LABEL: func.func @filters
// STORED: linalg.conv_2d_nchw_fchw
// STORED-NOT: arith.truncf
func.func @filters(%x: tensor<1x1x4x4xf32>, %out: tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32> {
  %w = arith.constant dense<0.1> : tensor<2x1x2x2xf32>
  %y = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x1x4x4xf32>, tensor<2x1x2x2xf32>)
                                outs(%out : tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  return %y : tensor<1x2x3x3xf32>
}

// -----

// No weights: two activations, and a filter a channel.
// CHECK-LABEL: func.func @others
// CHECK-NOT: arith.truncf
// STORED-LABEL: func.func @others
// STORED-NOT: arith.truncf
func.func @others(%x: tensor<8x2xf32>, %z: tensor<2x3xf32>, %out: tensor<8x3xf32>,
                  %image: tensor<1x2x4x4xf32>, %sums: tensor<1x2x3x3xf32>)
    -> (tensor<8x3xf32>, tensor<1x2x3x3xf32>) {
  %w = arith.constant dense<0.1> : tensor<2x2x2xf32>
  %y = linalg.matmul ins(%x, %z : tensor<8x2xf32>, tensor<2x3xf32>)
                     outs(%out : tensor<8x3xf32>) -> tensor<8x3xf32>
  %c = linalg.depthwise_conv_2d_nchw_chw ins(%image, %w : tensor<1x2x4x4xf32>, tensor<2x2x2xf32>)
                                         outs(%sums : tensor<1x2x3x3xf32>) -> tensor<1x2x3x3xf32>
  return %y, %c : tensor<8x3xf32>, tensor<1x2x3x3xf32>
}

// -----

// Doubles are no floats that anyone allowed to be rounded.
// CHECK-LABEL: func.func @doubles
// CHECK-NOT: arith.truncf
func.func @doubles(%x: tensor<8x2xf64>, %out: tensor<8x3xf64>) -> tensor<8x3xf64> {
  %w = arith.constant dense<0.1> : tensor<2x3xf64>
  %y = linalg.matmul ins(%x, %w : tensor<8x2xf64>, tensor<2x3xf64>)
                     outs(%out : tensor<8x3xf64>) -> tensor<8x3xf64>
  return %y : tensor<8x3xf64>
}
