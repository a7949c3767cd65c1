// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-name-values))' \
// RUN:   --mlir-print-debuginfo --mlir-use-nameloc-as-prefix=false | FileCheck %s

// Values with a name keep it; of several with one name, the last does.
// CHECK-LABEL: func.func @main(
// CHECK-SAME:    %{{.*}}: tensor<4xf32> {qnn.name = "x"}
// CHECK-SAME:    %{{.*}}: tensor<4xf32> {qnn.name = "argument:0"}
// CHECK:         qnn.unary exp {{.*}} loc([[EXP:#.*]])
// CHECK:         qnn.unary abs {{.*}} loc([[ABS:#.*]])
// CHECK:         qnn.binary add {{.*}} loc([[ADD:#.*]])
// CHECK:         qnn.unary neg {{.*}} loc([[NEG:#.*]])
// CHECK-DAG:     [[EXP]] = loc(fused<["node:0"]>
// CHECK-DAG:     [[ABS]] = loc(fused<["node:1"]>
// CHECK-DAG:     [[ADD]] = loc(fused<["y"]>
// CHECK-DAG:     [[NEG]] = loc(fused<["value:0"]>
func.func @main(%x: tensor<4xf32> {qnn.name = "x"}, %w: tensor<4xf32>) -> tensor<4xf32> {
  %0 = qnn.unary exp %x : tensor<4xf32> -> tensor<4xf32> loc(fused<["y"]>["node"])
  %1 = qnn.unary abs %w : tensor<4xf32> -> tensor<4xf32> loc("node")
  %2 = qnn.binary add %0, %1 : tensor<4xf32>, tensor<4xf32> -> tensor<4xf32> loc(fused<["y"]>["node"])
  %3 = qnn.unary neg %2 : tensor<4xf32> -> tensor<4xf32> loc(unknown)
  return %3 : tensor<4xf32>
}
