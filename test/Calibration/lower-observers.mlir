// RUN: quant-opt %s --qnn-lower-observers | FileCheck %s
// RUN: quant-opt %s --qnn-lower-observers --qnn-to-linalg --linalg-to-llvm \
// RUN:   | FileCheck %s --check-prefix=LLVM

// CHECK: module attributes {qnn.observed = ["a", "b"],
// CHECK-SAME: qnn.observed_axes = array<i64: -1, 1>}
// CHECK-LABEL: func.func @main(
// CHECK-SAME: %[[X:.*]]: tensor<4x?xf32>
// CHECK:      %[[ZERO:.*]] = arith.constant 0 : i64
// CHECK:      %[[CAST:.*]] = tensor.cast %[[X]] : tensor<4x?xf32> to tensor<*xf32>
// CHECK:      call @quantc_observe_f32(%[[ZERO]], %[[CAST]]) : (i64, tensor<*xf32>) -> ()
// CHECK:      %[[Y:.*]] = qnn.cast %[[X]]
// CHECK:      call @quantc_observe_f16(
// CHECK:      return %[[Y]]
// The functions only read: nothing is copied for them.
// CHECK:      func.func private @quantc_observe_f32(i64, tensor<*xf32> {bufferization.access = "read"})
// CHECK:      func.func private @quantc_observe_f16(i64, tensor<*xf16> {bufferization.access = "read"})

// LLVM:       llvm.call @quantc_observe_f32(%{{.*}}, %{{.*}}, %{{.*}}) : (i64, i64, !llvm.ptr) -> ()
func.func @main(%x: tensor<4x?xf32>) -> tensor<4x?xf16> {
  %0 = qnn.observe %x as "a" : tensor<4x?xf32> -> tensor<4x?xf32>
  %1 = qnn.cast %0 : tensor<4x?xf32> -> tensor<4x?xf16>
  %2 = qnn.observe %1 as "b" {channel_axis = 1 : i64} : tensor<4x?xf16> -> tensor<4x?xf16>
  return %2 : tensor<4x?xf16>
}
