// RUN: quant-opt %s -canonicalize | FileCheck %s

// Shape arithmetic folds where its elements are known, even when others are
// not.

// CHECK-LABEL: func @heads
// CHECK: %[[D:.*]] = qnn.constant dense<24> : tensor<1xi64>
// CHECK: return %[[D]]
func.func @heads(%x: tensor<?x12x64xf32>) -> tensor<1xi64> {
  %shape = qnn.shape %x[0, 3] : tensor<?x12x64xf32> -> tensor<3xi64>
  %one = qnn.constant dense<1> : tensor<i64>
  %two = qnn.constant dense<2> : tensor<i64>
  %axis = qnn.constant dense<0> : tensor<1xi64>
  %h = qnn.gather %shape[%one] axis 0 : tensor<3xi64>, tensor<i64> -> tensor<i64>
  %m = qnn.binary mul %h, %two : tensor<i64>, tensor<i64> -> tensor<i64>
  %u = qnn.unsqueeze %m, %axis : tensor<i64>, tensor<1xi64> -> tensor<1xi64>
  return %u : tensor<1xi64>
}

// A shape with -1 that stands for the batch: not -1, says the comparison.
// CHECK-LABEL: func @never_negative
// CHECK: qnn.constant dense<false> : tensor<2xi1>
func.func @never_negative(%x: tensor<?x?xf32>) -> tensor<2xi1> {
  %shape = qnn.shape %x[0, 2] : tensor<?x?xf32> -> tensor<2xi64>
  %minus = qnn.constant dense<-1> : tensor<i64>
  %eq = qnn.compare equal %shape, %minus : tensor<2xi64>, tensor<i64> -> tensor<2xi1>
  return %eq : tensor<2xi1>
}

// CHECK-LABEL: func @slice_backwards
// CHECK: qnn.constant dense<[4, 3]> : tensor<2xi64>
func.func @slice_backwards() -> tensor<2xi64> {
  %x = qnn.constant dense<[2, 3, 4]> : tensor<3xi64>
  %start = qnn.constant dense<-1> : tensor<1xi64>
  %end = qnn.constant dense<0> : tensor<1xi64>
  %axis = qnn.constant dense<0> : tensor<1xi64>
  %y = qnn.slice %x from %start to %end axes %axis steps %start : tensor<3xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<2xi64>
  return %y : tensor<2xi64>
}

// As many in a row as in both parts; from one number to another as many as lie
// between; and a number that the caller gives is equal to itself only.
// CHECK-LABEL: func @sums
// CHECK-DAG: %[[YES:.*]] = qnn.constant dense<true> : tensor<1xi1>
// CHECK-DAG: %[[NO:.*]] = qnn.compare equal
// CHECK: return %[[YES]], %[[YES]], %[[NO]]
func.func @sums(%x: tensor<?x4xf32>, %y: tensor<?x4xf32>, %n: tensor<1xi64>, %m: tensor<1xi64>) -> (tensor<1xi1>, tensor<1xi1>, tensor<1xi1>) {
  %z = qnn.concat 0, %x, %y : tensor<?x4xf32>, tensor<?x4xf32> -> tensor<?x4xf32>
  %a = qnn.shape %x[0, 1] : tensor<?x4xf32> -> tensor<1xi64>
  %b = qnn.shape %y[0, 1] : tensor<?x4xf32> -> tensor<1xi64>
  %c = qnn.shape %z[0, 1] : tensor<?x4xf32> -> tensor<1xi64>
  %sum = qnn.binary add %b, %a : tensor<1xi64>, tensor<1xi64> -> tensor<1xi64>
  %eq = qnn.compare equal %sum, %c : tensor<1xi64>, tensor<1xi64> -> tensor<1xi1>
  %axis = qnn.constant dense<0> : tensor<1xi64>
  %one = qnn.constant dense<1> : tensor<i64>
  %end = qnn.binary add %n, %b : tensor<1xi64>, tensor<1xi64> -> tensor<1xi64>
  %from = qnn.squeeze %n, %axis : tensor<1xi64>, tensor<1xi64> -> tensor<i64>
  %to = qnn.squeeze %end, %axis : tensor<1xi64>, tensor<1xi64> -> tensor<i64>
  %range = qnn.range %from to %to by %one : tensor<i64>, tensor<i64>, tensor<i64> -> tensor<?xi64>
  %d = qnn.shape %range[0, 1] : tensor<?xi64> -> tensor<1xi64>
  %eq2 = qnn.compare equal %b, %d : tensor<1xi64>, tensor<1xi64> -> tensor<1xi1>
  %other = qnn.compare equal %n, %m : tensor<1xi64>, tensor<1xi64> -> tensor<1xi1>
  return %eq, %eq2, %other : tensor<1xi1>, tensor<1xi1>, tensor<1xi1>
}
