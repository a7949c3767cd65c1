// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize --cse | FileCheck %s

// CHECK-LABEL: func.func @static
// CHECK: tensor.collapse_shape
// CHECK: tensor.expand_shape
func.func @static(%x: tensor<2x3x4xf32>) -> tensor<4x6xf32> {
  %s = qnn.constant dense<[4, 6]> : tensor<2xi64>
  %0 = qnn.reshape %x, %s : tensor<2x3x4xf32>, tensor<2xi64> -> tensor<4x6xf32>
  return %0 : tensor<4x6xf32>
}

// -1 stands for the one size that is left: proven, no check at run time.
// CHECK-LABEL: func.func @split_heads
// CHECK-NOT: cf.assert
// CHECK: tensor.expand_shape %arg0 {{\[\[}}0], [1], [2, 3]]
func.func @split_heads(%x: tensor<?x?x384xf32>) -> tensor<?x?x12x32xf32> {
  %s = qnn.constant dense<[0, -1, 12, 32]> : tensor<4xi64>
  %0 = qnn.reshape %x, %s : tensor<?x?x384xf32>, tensor<4xi64> -> tensor<?x?x12x32xf32>
  return %0 : tensor<?x?x12x32xf32>
}

// What is left for -1 is the dynamic dimension itself.
// CHECK-LABEL: func.func @like
// CHECK-NOT: cf.assert
// CHECK: tensor.expand_shape %arg0 {{\[\[}}0], [1, 2]]
func.func @like(%x: tensor<?x32xf32>) -> tensor<?x4x8xf32> {
  %back = qnn.constant dense<[-1, 4, 8]> : tensor<3xi64>
  %1 = qnn.reshape %x, %back : tensor<?x32xf32>, tensor<3xi64> -> tensor<?x4x8xf32>
  return %1 : tensor<?x4x8xf32>
}

// The sizes of another tensor, which are none to be guessed: all there is to find
// out is whether it has as many elements.
// CHECK-LABEL: func.func @like_another
// CHECK-NOT: arith.divsi
// CHECK-NOT: arith.select
// CHECK: %[[OK:.*]] = arith.cmpi eq, %{{.*}}, %{{.*}} : index
// CHECK: cf.assert %[[OK]], "a node (Reshape): the shape does not fit the number of elements"
// CHECK: %[[SIZES:.*]] = tensor.from_elements %{{.*}}, %{{.*}} : tensor<2xindex>
// CHECK: tensor.reshape %arg0(%[[SIZES]])
func.func @like_another(%x: tensor<?x?xf32>, %y: tensor<?x?xf32>) -> tensor<?x?xf32> {
  %s = qnn.shape %y [0, 2] : tensor<?x?xf32> -> tensor<2xi64>
  %0 = qnn.reshape %x, %s {allowzero} : tensor<?x?xf32>, tensor<2xi64> -> tensor<?x?xf32>
  return %0 : tensor<?x?xf32>
}

// A shape that only the run time knows is checked there.
// CHECK-LABEL: func.func @run_time
// CHECK: cf.assert %{{.*}}, "node 'r' (Reshape): the shape does not fit the number of elements"
// CHECK: tensor.reshape
func.func @run_time(%x: tensor<?xf32>, %s: tensor<2xi64>) -> tensor<?x?xf32> {
  %0 = qnn.reshape %x, %s : tensor<?xf32>, tensor<2xi64> -> tensor<?x?xf32> loc("r")
  return %0 : tensor<?x?xf32>
}

// The number of elements decides on the type; what is asked for must be that.
// CHECK-LABEL: func.func @inferred
// CHECK: %[[SIZE:.*]] = arith.index_cast
// CHECK-DAG: %[[SAME:.*]] = arith.cmpi eq, %[[SIZE]], %c4
// CHECK-DAG: %[[REST:.*]] = arith.cmpi eq, %[[SIZE]], %c-1
// CHECK-DAG: %[[EITHER:.*]] = arith.ori %[[SAME]], %[[REST]]
// CHECK-DAG: %[[COPY:.*]] = arith.cmpi eq, %[[SIZE]], %c0
// CHECK: %[[OK:.*]] = arith.ori %[[EITHER]], %[[COPY]]
// CHECK: cf.assert %[[OK]], "node 'i' (Reshape): the shape does not fit the number of elements"
// CHECK: return %arg0
func.func @inferred(%x: tensor<4xf32>, %s: tensor<1xi64>) -> tensor<4xf32> {
  %0 = qnn.reshape %x, %s : tensor<4xf32>, tensor<1xi64> -> tensor<4xf32> loc("i")
  return %0 : tensor<4xf32>
}

// A collapsed size is found through the op that made it.
// CHECK-LABEL: func.func @collapse_then_transpose
// CHECK-DAG: %[[A:.*]] = tensor.dim %arg0, %c0
// CHECK-DAG: %[[B:.*]] = tensor.dim %arg0, %c1
// CHECK: %[[ROWS:.*]] = arith.muli
// CHECK: tensor.empty(%[[ROWS]]) : tensor<4x?xf32>
// CHECK: linalg.transpose
func.func @collapse_then_transpose(%x: tensor<?x?x4xf32>) -> tensor<4x?xf32> {
  %shape = qnn.constant dense<[-1, 4]> : tensor<2xi64>
  %0 = qnn.reshape %x, %shape : tensor<?x?x4xf32>, tensor<2xi64> -> tensor<?x4xf32>
  %1 = qnn.transpose %0 [1, 0] : tensor<?x4xf32> -> tensor<4x?xf32>
  return %1 : tensor<4x?xf32>
}
