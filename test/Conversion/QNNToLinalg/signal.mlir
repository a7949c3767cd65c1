// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// Frames of 12 elements, side by side, in steps of 4 and of 3 elements: the first
// one takes real numbers.
// CHECK-DAG: #[[$TURN:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1)>
// CHECK-DAG: #[[$ROOT:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d1, d4)>
// CHECK-DAG: #[[$X:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d4, d0, d2, d3)>
// CHECK-DAG: #[[$Y:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>
// CHECK-LABEL: func.func @short_time
// One table has the turns of all steps; quarters are exact.
// CHECK-DAG: arith.constant dense<[1.000000e+00, {{[^,]*}}, {{[^,]*}}, 0.000000e+00, {{[^,]*}}, {{[^,]*}}, -1.000000e+00, {{[^,]*}}, {{[^,]*}}, 0.000000e+00, {{[^,]*}}, {{[^,]*}}]> : tensor<12xf64>
// CHECK: %[[FRAMES:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<12x?x?xf64>)
// CHECK: tensor.collapse_shape %[[FRAMES]] {{\[\[}}0], [1, 2]] : tensor<12x?x?xf64> into tensor<12x?xf64>
// CHECK: linalg.generic {indexing_maps = [#[[$TURN]], #[[$TURN]], #[[$ROOT]], #[[$ROOT]], #[[$X]], #[[$Y]], #[[$Y]]], {{.*}} ins({{.*}} : tensor<3x4xf64>, tensor<3x4xf64>, tensor<4x4xf64>, tensor<4x4xf64>, tensor<4x3x1x?xf64>) outs({{.*}} : tensor<3x4x1x?xf64>, tensor<3x4x1x?xf64>)
// CHECK: linalg.generic {indexing_maps = [#[[$TURN]], #[[$TURN]], #[[$ROOT]], #[[$ROOT]], #[[$X]], #[[$X]], #[[$Y]], #[[$Y]]], {{.*}} ins({{.*}} : tensor<1x3xf64>, tensor<1x3xf64>, tensor<3x3xf64>, tensor<3x3xf64>, tensor<3x1x4x?xf64>, tensor<3x1x4x?xf64>) outs({{.*}} : tensor<1x3x4x?xf64>, tensor<1x3x4x?xf64>)
// CHECK-NOT: scf.for
// CHECK: return
func.func @short_time(%x: tensor<?x?x1xf32>, %window: tensor<12xf32>) -> tensor<?x?x7x2xf32> {
  %step = qnn.constant dense<4> : tensor<i64>
  %0 = qnn.stft %x, %step window %window : tensor<12xf32> {onesided} : tensor<?x?x1xf32>, tensor<i64> -> tensor<?x?x7x2xf32>
  return %0 : tensor<?x?x7x2xf32>
}

// A length that only the run tells, one with a large factor, and a short one:
// sums over the signal.
// CHECK-LABEL: func.func @direct
// CHECK-COUNT-3: scf.for
// CHECK: return
func.func @direct(%x: tensor<2x?x1xf32>, %y: tensor<2x134x2xf32>, %z: tensor<?x7x1xf32>) -> (tensor<2x?x2xf32>, tensor<2x134x2xf32>, tensor<?x7x2xf32>) {
  %0 = qnn.dft %x : tensor<2x?x1xf32> -> tensor<2x?x2xf32>
  %1 = qnn.dft %y : tensor<2x134x2xf32> -> tensor<2x134x2xf32>
  %2 = qnn.dft %z : tensor<?x7x1xf32> -> tensor<?x7x2xf32>
  return %0, %1, %2 : tensor<2x?x2xf32>, tensor<2x134x2xf32>, tensor<?x7x2xf32>
}

// The shortest one that takes steps.
// CHECK-LABEL: func.func @shortest
// CHECK-NOT: scf.for
// CHECK: return
func.func @shortest(%x: tensor<?x8x1xf32>) -> tensor<?x8x2xf32> {
  %0 = qnn.dft %x : tensor<?x8x1xf32> -> tensor<?x8x2xf32>
  return %0 : tensor<?x8x2xf32>
}

// A long table is one of every so many turns, and one of the turns between.
// CHECK-LABEL: func.func @long
// CHECK-NOT: arith.constant dense<{{.*}} : tensor<{{[0-9][0-9][0-9]}}
// CHECK: arith.constant dense<{{.*}} : tensor<64xf64>
// CHECK-NOT: arith.constant dense<{{.*}} : tensor<{{[0-9][0-9][0-9]}}
// CHECK: return
func.func @long(%x: tensor<?x4096x1xf32>) -> tensor<?x4096x2xf32> {
  %0 = qnn.dft %x : tensor<?x4096x1xf32> -> tensor<?x4096x2xf32>
  return %0 : tensor<?x4096x2xf32>
}
