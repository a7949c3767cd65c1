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
