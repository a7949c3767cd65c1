// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-insert-observers{values=all}))' | FileCheck %s
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-insert-observers))' \
// RUN:   | FileCheck %s --check-prefix=QUANT
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-insert-observers{values=some}))' 2>&1 \
// RUN:   | FileCheck %s --check-prefix=ERROR

// ERROR: values=some should be quantizable or all

// Every named value of floating point, but no constant and no integer. What
// the matmul sums over are the channels of its operand.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %[[X:.*]]: tensor<2x6xf32>
// CHECK:         %[[XO:.*]] = qnn.observe %[[X]] as "x" : tensor<2x6xf32>
// CHECK:         %[[W:.*]] = qnn.constant
// CHECK-NOT:     qnn.observe %[[W]]
// CHECK:         %[[R:.*]] = qnn.reshape %[[XO]],
// CHECK:         %[[RO:.*]] = qnn.observe %[[R]] as "r" {channel_axis = 1 : i64} : tensor<3x4xf32>
// CHECK:         %[[M:.*]] = qnn.matmul %[[RO]], %[[W]]
// CHECK:         %[[MO:.*]] = qnn.observe %[[M]] as "m"
// CHECK:         %[[U:.*]] = qnn.unary exp %[[MO]]
// CHECK:         %[[UO:.*]] = qnn.observe %[[U]] as "u"
// CHECK:         qnn.cast %[[UO]]
// CHECK-NOT:     qnn.observe

// Only around the matmul, and through the reshape that keeps the scale.
// QUANT-LABEL: func.func @main(
// QUANT-DAG:     qnn.observe %{{.*}} as "x"
// QUANT-DAG:     qnn.observe %{{.*}} as "r"
// QUANT-DAG:     qnn.observe %{{.*}} as "m"
// QUANT-NOT:     qnn.observe %{{.*}} as "u"
// QUANT:         return
func.func @main(%x: tensor<2x6xf32> {qnn.name = "x"}) -> tensor<3x5xi32> {
  %w = qnn.constant dense<1.0> : tensor<4x5xf32> loc(fused<["w"]>["w"])
  %s = qnn.constant dense<[3, 4]> : tensor<2xi64> loc(fused<["s"]>["s"])
  %0 = qnn.reshape %x, %s : tensor<2x6xf32>, tensor<2xi64> -> tensor<3x4xf32> loc(fused<["r"]>["reshape"])
  %1 = qnn.matmul %0, %w : tensor<3x4xf32>, tensor<4x5xf32> -> tensor<3x5xf32> loc(fused<["m"]>["matmul"])
  %2 = qnn.unary exp %1 : tensor<3x5xf32> -> tensor<3x5xf32> loc(fused<["u"]>["exp"])
  %3 = qnn.cast %2 : tensor<3x5xf32> -> tensor<3x5xi32> loc(fused<["c"]>["cast"])
  return %3 : tensor<3x5xi32>
}
