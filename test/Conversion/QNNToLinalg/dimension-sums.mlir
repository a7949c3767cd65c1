// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize --cse | FileCheck %s

// Tokens of a cache and of the input are counted in three ways, all of which
// are one value: nothing is checked, and what is added is read as it lies.
// CHECK-LABEL: func.func @tokens
// CHECK-NOT:     cf.assert
// CHECK-DAG:     %[[SEQ:.*]] = tensor.dim %arg0, %c1
// CHECK-DAG:     %[[PAST:.*]] = tensor.dim %arg1, %c1
// CHECK:         %[[TOTAL:.*]] = arith.addi %[[PAST]], %[[SEQ]] : index
// CHECK-NOT:     arith.maxsi
// CHECK:         tensor.empty(%[[TOTAL]]) : tensor<?xi64>
// CHECK:         tensor.concat dim(1)
// CHECK:         tensor.empty(%[[TOTAL]]) : tensor<1x?xi64>
// CHECK-NEXT:    linalg.generic {{.*}} ins(%{{.*}}, %{{.*}} : tensor<1x?xi64>, tensor<?xi64>)
// CHECK-NOT:     tensor.reshape
// CHECK:         tensor.expand_shape
func.func @tokens(%ids: tensor<1x?xi64> {qnn.dims = ["", "seq"]}, %past: tensor<1x?xi64> {qnn.dims = ["", "past"]}) -> tensor<1x?x1xi64> {
  %zero = qnn.constant dense<0> : tensor<i64>
  %one = qnn.constant dense<1> : tensor<i64>
  %scalar = qnn.constant dense<> : tensor<0xi64>
  %ends = qnn.constant dense<1> : tensor<1xi64>
  %s = qnn.shape %ids[1, 2] : tensor<1x?xi64> -> tensor<1xi64>
  %p = qnn.shape %past[1, 2] : tensor<1x?xi64> -> tensor<1xi64>
  %t = qnn.binary add %p, %s : tensor<1xi64>, tensor<1xi64> -> tensor<1xi64>
  %limit = qnn.reshape %t, %scalar : tensor<1xi64>, tensor<0xi64> -> tensor<i64>
  %r = qnn.range %zero to %limit by %one : tensor<i64>, tensor<i64>, tensor<i64> -> tensor<?xi64>
  %all = qnn.concat 1, %past, %ids : tensor<1x?xi64>, tensor<1x?xi64> -> tensor<1x?xi64>
  %sum = qnn.binary add %all, %r : tensor<1x?xi64>, tensor<?xi64> -> tensor<1x?xi64>
  %shape = qnn.concat 0, %ends, %t, %ends : tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<3xi64>
  %y = qnn.reshape %sum, %shape : tensor<1x?xi64>, tensor<3xi64> -> tensor<1x?x1xi64>
  return %y : tensor<1x?x1xi64>
}

// From the end of the cache to the end of all lie the tokens of the input.
// CHECK-LABEL: func.func @positions
// CHECK:         %[[SEQ:.*]] = tensor.dim %arg0, %c1
// CHECK-NOT:     arith.ceildivsi
// CHECK:         tensor.empty(%[[SEQ]]) : tensor<?xi64>
func.func @positions(%ids: tensor<1x?xi64>, %past: tensor<i64>) -> tensor<?xi64> {
  %one = qnn.constant dense<1> : tensor<i64>
  %scalar = qnn.constant dense<> : tensor<0xi64>
  %s = qnn.shape %ids[1, 2] : tensor<1x?xi64> -> tensor<1xi64>
  %s0 = qnn.reshape %s, %scalar : tensor<1xi64>, tensor<0xi64> -> tensor<i64>
  %limit = qnn.binary add %past, %s0 : tensor<i64>, tensor<i64> -> tensor<i64>
  %r = qnn.range %past to %limit by %one : tensor<i64>, tensor<i64>, tensor<i64> -> tensor<?xi64>
  return %r : tensor<?xi64>
}

// A number that the caller gives may be negative: then there are none.
// CHECK-LABEL: func.func @any_number
// CHECK:         %[[N:.*]] = tensor.extract %arg0[]
// CHECK:         %[[I:.*]] = arith.index_cast %[[N]] : i64 to index
// CHECK:         %[[SIZE:.*]] = arith.maxsi %[[I]], %c0
// CHECK:         tensor.empty(%[[SIZE]]) : tensor<?xi64>
func.func @any_number(%n: tensor<i64>) -> tensor<?xi64> {
  %zero = qnn.constant dense<0> : tensor<i64>
  %one = qnn.constant dense<1> : tensor<i64>
  %r = qnn.range %zero to %n by %one : tensor<i64>, tensor<i64>, tensor<i64> -> tensor<?xi64>
  return %r : tensor<?xi64>
}

// The length of a cache may not, nor be larger than its buffer: it is checked
// before sizes are computed of it.
// CHECK-LABEL: func.func @length
// CHECK:         %[[N:.*]] = tensor.extract %arg2[%c0]
// CHECK:         %[[I:.*]] = arith.index_cast %[[N]] : i64 to index
// CHECK:         %[[FITS:.*]] = arith.cmpi sle, %[[I]], %{{.*}} : index
// CHECK:         cf.assert %[[FITS]], "a node: the cache is full"
// CHECK:         %[[OK:.*]] = arith.cmpi sge, %[[I]], %c0
// CHECK:         cf.assert %[[OK]], "a node: the length of the cache is negative"
// CHECK:         %[[TOTAL:.*]] = arith.addi %[[I]], %{{.*}} : index
// CHECK-NOT:     arith.maxsi
// CHECK:         tensor.empty(%[[TOTAL]]) : tensor<?xi64>
// CHECK:         cf.assert %{{.*}}, "a node: the cache is full"
// CHECK-NOT:     is negative
// CHECK:         tensor.extract_slice %{{.*}}[0, 0] [1, %[[TOTAL]]] [1, 1]
func.func @length(%new: tensor<1x?xf32>, %buffer: tensor<1x?xf32>, %length: tensor<1xi64>, %other: tensor<1x?xf32>) -> (tensor<?xi64>, tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xf32>) {
  %zero = qnn.constant dense<0> : tensor<i64>
  %one = qnn.constant dense<1> : tensor<i64>
  %scalar = qnn.constant dense<> : tensor<0xi64>
  %s = qnn.shape %new[1, 2] : tensor<1x?xf32> -> tensor<1xi64>
  %t = qnn.binary add %length, %s : tensor<1xi64>, tensor<1xi64> -> tensor<1xi64>
  %limit = qnn.reshape %t, %scalar : tensor<1xi64>, tensor<0xi64> -> tensor<i64>
  %r = qnn.range %zero to %limit by %one : tensor<i64>, tensor<i64>, tensor<i64> -> tensor<?xi64>
  %updated, %all = qnn.append %new to %buffer at %length {axis = 1 : i64} : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1xi64> -> tensor<1x?xf32>, tensor<1x?xf32>
  %updated1, %all1 = qnn.append %new to %other at %length {axis = 1 : i64} : tensor<1x?xf32>, tensor<1x?xf32>, tensor<1xi64> -> tensor<1x?xf32>, tensor<1x?xf32>
  return %r, %updated, %all, %updated1 : tensor<?xi64>, tensor<1x?xf32>, tensor<1x?xf32>, tensor<1x?xf32>
}

// Windows of any kind that lie equally far apart are equally many: what two
// branches make of an image is added up element by element.
// CHECK-LABEL: func.func @branches
// CHECK-NOT:     do not broadcast
// CHECK:         %[[HALF:.*]] = arith.floordivsi
// CHECK-NOT:     arith.floordivsi
// CHECK:         tensor.empty(%[[HALF]]) : tensor<1x2x?xf32>
// CHECK-COUNT-2: linalg.generic {{.*}}["parallel", "parallel", "parallel"]} ins(%{{[^ ]*}}, %{{[^ ]*}} : tensor<1x2x?xf32>, tensor<1x2x?xf32>)
// CHECK-NOT:     do not broadcast
// CHECK:         return
func.func @branches(%x: tensor<1x2x?xf32>) -> tensor<1x2x?xf32> {
  %w1 = qnn.constant dense<1.0> : tensor<2x2x1xf32>
  %w3 = qnn.constant dense<1.0> : tensor<2x2x3xf32>
  %same = qnn.conv %x, %w3 {strides = array<i64: 1>, dilations = array<i64: 1>, pads = array<i64: 1, 1>} : tensor<1x2x?xf32>, tensor<2x2x3xf32> -> tensor<1x2x?xf32>
  %sum = qnn.binary add %same, %x : tensor<1x2x?xf32>, tensor<1x2x?xf32> -> tensor<1x2x?xf32>
  %a = qnn.conv %sum, %w3 {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 1>} : tensor<1x2x?xf32>, tensor<2x2x3xf32> -> tensor<1x2x?xf32>
  %b = qnn.conv %sum, %w1 {strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 0, 0>} : tensor<1x2x?xf32>, tensor<2x2x1xf32> -> tensor<1x2x?xf32>
  %c = qnn.pool max %sum {kernel = array<i64: 3>, strides = array<i64: 2>, dilations = array<i64: 1>, pads = array<i64: 1, 1>} : tensor<1x2x?xf32> -> tensor<1x2x?xf32>
  %ab = qnn.binary add %a, %b : tensor<1x2x?xf32>, tensor<1x2x?xf32> -> tensor<1x2x?xf32>
  %abc = qnn.binary add %ab, %c : tensor<1x2x?xf32>, tensor<1x2x?xf32> -> tensor<1x2x?xf32>
  return %abc : tensor<1x2x?xf32>
}
