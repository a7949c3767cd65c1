// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize --cse | FileCheck %s

// What is 1 for sure is collapsed away: the maps stay projected permutations.
// CHECK: #[[$ROW:.*]] = affine_map<(d0, d1) -> (d1)>
// CHECK-LABEL: func.func @static_unit
// CHECK: %[[FLAT:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0, 1]] : tensor<1x8xf32> into tensor<8xf32>
// CHECK: linalg.generic {indexing_maps = [#{{.*}}, #[[$ROW]], #{{.*}}]
// CHECK-SAME: ins(%{{.*}}, %[[FLAT]]
func.func @static_unit(%a: tensor<4x8xf32>, %b: tensor<1x8xf32>) -> tensor<4x8xf32> {
  %0 = qnn.binary add %a, %b : tensor<4x8xf32>, tensor<1x8xf32> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// One symbolic name is one size: nothing to check.
// CHECK-LABEL: func.func @one_symbol
// CHECK-NOT: cf.assert
// CHECK: linalg.generic {{.*}} ins(%arg0, %arg1
func.func @one_symbol(%a: tensor<?xf32> {qnn.dims = ["n"]}, %b: tensor<?xf32> {qnn.dims = ["n"]}) -> tensor<?xf32> {
  %0 = qnn.binary add %a, %b : tensor<?xf32>, tensor<?xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// The dimension may be 1 at run time: read by an index that is then 0.
// CHECK-LABEL: func.func @may_be_one
// CHECK: %[[DIM:.*]] = tensor.dim %arg1
// CHECK: %[[IS_ONE:.*]] = arith.cmpi eq, %[[DIM]], %c1
// CHECK: cf.assert %{{.*}}, "node 'sum': the operands' dimensions do not broadcast"
// CHECK: %[[STRIDE:.*]] = arith.select %[[IS_ONE]], %c0, %c1
// CHECK: linalg.generic
// CHECK: arith.muli %{{.*}}, %[[STRIDE]]
// CHECK: tensor.extract %arg1
func.func @may_be_one(%a: tensor<4xf32>, %b: tensor<?xf32>) -> tensor<4xf32> {
  %0 = qnn.binary add %a, %b : tensor<4xf32>, tensor<?xf32> -> tensor<4xf32> loc("sum")
  return %0 : tensor<4xf32>
}

// Signedness picks the comparison, bool is stored as a byte.
// CHECK-LABEL: func.func @types
// CHECK-SAME: (%arg0: tensor<3xi8> {qnn.dtype = "ui8"}) -> (tensor<3xi8> {qnn.dtype = "i1"})
// CHECK: %[[LESS:.*]] = arith.cmpi ult
// CHECK: arith.extui %[[LESS]] : i1 to i8
func.func @types(%a: tensor<3xui8>) -> tensor<3xi1> {
  %0 = qnn.compare less %a, %a : tensor<3xui8>, tensor<3xui8> -> tensor<3xi1>
  return %0 : tensor<3xi1>
}

// Arithmetic on sizes stays scalar.
// CHECK-LABEL: func.func @sizes
// CHECK-NOT: linalg
// CHECK: tensor.from_elements
func.func @sizes(%a: tensor<?x?xf32>) -> tensor<2xi64> {
  %two = qnn.constant dense<2> : tensor<i64>
  %0 = qnn.shape %a [0, 2] : tensor<?x?xf32> -> tensor<2xi64>
  %1 = qnn.binary mul %0, %two : tensor<2xi64>, tensor<i64> -> tensor<2xi64>
  return %1 : tensor<2xi64>
}
