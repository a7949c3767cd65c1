// RUN: quant-opt %s | quant-opt | FileCheck %s

// CHECK-LABEL: func @spatial
func.func @spatial(%x: tensor<1x8x4x4xf32>, %s: tensor<4xf32>, %g: tensor<1x2x3x2xf32>) -> (tensor<1x8x?x?xf32>, tensor<1x8x2x3xf32>) {
  // CHECK: qnn.resize cubic %{{.*}} scales %{{.*}} : tensor<4xf32> {antialias, axes = array<i64: 0, 1, 2, 3>}
  %0 = qnn.resize cubic %x scales %s : tensor<4xf32> {axes = array<i64: 0, 1, 2, 3>, antialias}
    : tensor<1x8x4x4xf32> -> tensor<1x8x?x?xf32>
  // CHECK: qnn.grid_sample linear %{{.*}}, %{{.*}} {align_corners, padding = #qnn<padding border>}
  %1 = qnn.grid_sample linear %x, %g {padding = #qnn<padding border>, align_corners}
    : tensor<1x8x4x4xf32>, tensor<1x2x3x2xf32> -> tensor<1x8x2x3xf32>
  return %0, %1 : tensor<1x8x?x?xf32>, tensor<1x8x2x3xf32>
}

// CHECK-LABEL: func @signal
func.func @signal(%x: tensor<2x16x1xf32>, %w: tensor<8xf32>) -> (tensor<2x9x2xf32>, tensor<2x3x5x2xf32>) {
  %step = qnn.constant dense<4> : tensor<i64>
  // CHECK: qnn.dft %{{.*}} {onesided}
  %0 = qnn.dft %x {onesided} : tensor<2x16x1xf32> -> tensor<2x9x2xf32>
  // CHECK: qnn.stft
  %1 = qnn.stft %x, %step window %w : tensor<8xf32> {onesided} : tensor<2x16x1xf32>, tensor<i64> -> tensor<2x3x5x2xf32>
  return %0, %1 : tensor<2x9x2xf32>, tensor<2x3x5x2xf32>
}
