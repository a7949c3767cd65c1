// RUN: quant-opt %s -qnn-to-linalg | FileCheck %s
// RUN: quant-opt %s -qnn-to-linalg -linalg-to-llvm -o /dev/null

// Where whole rows are added up, that is done in order.
// CHECK-LABEL: @mean
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "parallel"]
// CHECK: arith.addf %{{[^ ]+}}, %{{[^ ]+}} : f32
// CHECK: linalg.generic
// CHECK: arith.divf
// CHECK: tensor.expand_shape {{.*}} into tensor<2x1x8xf32>
func.func @mean(%x: tensor<2x?x8xf32>) -> tensor<2x1x8xf32> {
  %one = qnn.constant dense<-2> : tensor<1xi64>
  %1 = qnn.reduce mean %x axes %one : tensor<1xi64> {keepdims} : tensor<2x?x8xf32> -> tensor<2x1x8xf32>
  return %1 : tensor<2x1x8xf32>
}

// CHECK-LABEL: @along_rows
// CHECK: arith.addf {{.*}} fastmath<reassoc,contract>
func.func @along_rows(%x: tensor<2x?x8xf32>) -> tensor<f32> {
  %1 = qnn.reduce sum %x : tensor<2x?x8xf32> -> tensor<f32>
  return %1 : tensor<f32>
}

// Half precision accumulates in f32.
// CHECK-LABEL: @half
// CHECK: linalg.generic {{.*}} ins(%{{.*}} : tensor<8xf16>) outs(%{{.*}} : tensor<f32>)
// CHECK: arith.truncf
func.func @half(%x: tensor<8xf16>) -> tensor<f16> {
  %1 = qnn.reduce sum_square %x : tensor<8xf16> -> tensor<f16>
  return %1 : tensor<f16>
}

// CHECK-LABEL: @bool
// CHECK: arith.maxui {{.*}} : i8
func.func @bool(%x: tensor<2x8xi1>) -> tensor<i1> {
  %1 = qnn.reduce max %x : tensor<2x8xi1> -> tensor<i1>
  return %1 : tensor<i1>
}

// A sum that keeps its order says so by the flags that it lacks.
// CHECK-LABEL: @ordered
// CHECK:         arith.addf %{{[^ ]+}}, %{{[^ ]+}} : f32
func.func @ordered(%x: tensor<8xf32>) -> tensor<f32> {
  %1 = qnn.reduce sum %x {ordered} : tensor<8xf32> -> tensor<f32>
  return %1 : tensor<f32>
}

// Axes that come at run time: which dimensions are reduced is found first.
// CHECK-LABEL: @run_time_axes
// CHECK: scf.for
// CHECK: cf.assert %{{.*}}, "{{.*}}an axis is out of range"
// CHECK: linalg.generic
// CHECK: scf.for
// CHECK: tensor.extract
// CHECK: tensor.reshape
func.func @run_time_axes(%x: tensor<2x?x8xf32>, %axes: tensor<2xi64>) -> tensor<?xf32> {
  %0 = qnn.reduce log_sum_exp %x axes %axes : tensor<2xi64> : tensor<2x?x8xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// Each step adds to an accumulator and writes it; back to front between flips.
// CHECK-LABEL: @cumulate
// CHECK: %[[ACC:.*]] = linalg.fill {{.*}} -> tensor<2xf32>
// CHECK: tensor.extract
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction"]} ins(%{{.*}} : tensor<2x8xbf16>) outs(%{{.*}}, %[[ACC]] : tensor<2x8xbf16>, tensor<2xf32>)
// CHECK: ^bb0(%[[X:.*]]: bf16, %{{.*}}: bf16, %[[OLD:.*]]: f32):
// CHECK: %[[WIDE:.*]] = arith.extf %[[X]]
// CHECK: %[[SUM:.*]] = arith.addf %[[OLD]], %[[WIDE]] : f32
// CHECK: %[[WRITTEN:.*]] = arith.truncf %[[OLD]]
// CHECK: linalg.yield %[[WRITTEN]], %[[SUM]]
// CHECK: tensor.extract
func.func @cumulate(%x: tensor<2x8xbf16>) -> tensor<2x8xbf16> {
  %axis = qnn.constant dense<1> : tensor<i64>
  %2 = qnn.cumulate sum %x axis %axis {exclusive, reverse} : tensor<2x8xbf16>, tensor<i64> -> tensor<2x8xbf16>
  return %2 : tensor<2x8xbf16>
}

// What lies around the axis, and inside of it, is one loop each.
// CHECK-LABEL: @cumulate_middle
// CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0, 1], [2], [3, 4]]
// CHECK: linalg.generic {{.*}} iterator_types = ["parallel", "reduction", "parallel"]} {{.*}} outs(%{{.*}}, %{{.*}} : tensor<?x7x15xf32>, tensor<?x15xf32>)
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1], [2], [3, 4]]
func.func @cumulate_middle(%x: tensor<2x?x7x3x5xf32>) -> tensor<2x?x7x3x5xf32> {
  %axis = qnn.constant dense<-3> : tensor<i64>
  %0 = qnn.cumulate sum %x axis %axis : tensor<2x?x7x3x5xf32>, tensor<i64> -> tensor<2x?x7x3x5xf32>
  return %0 : tensor<2x?x7x3x5xf32>
}

// CHECK-LABEL: @cumulate_run_time_axis
// CHECK: scf.if
func.func @cumulate_run_time_axis(%x: tensor<2x8xi32>, %axis: tensor<i32>) -> tensor<2x8xi32> {
  %2 = qnn.cumulate prod %x axis %axis : tensor<2x8xi32>, tensor<i32> -> tensor<2x8xi32>
  return %2 : tensor<2x8xi32>
}
