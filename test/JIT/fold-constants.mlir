// RUN: quant-opt %s --qnn-fold-constants | FileCheck %s

// CHECK-LABEL: func.func @arithmetic
func.func @arithmetic(%x: tensor<2xf32>) -> (tensor<2xf32>, tensor<2x2xi1>) {
  // CHECK-DAG: %[[SUM:.*]] = qnn.constant dense<[4.000000e+00, 6.000000e+00]>
  // CHECK-DAG: qnn.constant dense<{{\[\[}}false, true], [true, false]]> : tensor<2x2xi1>
  // CHECK: qnn.binary mul %{{.*}}, %[[SUM]]
  %a = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %b = qnn.constant dense<[3.0, 4.0]> : tensor<2xf32>
  %0 = qnn.binary add %a, %b : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  %1 = qnn.binary mul %x, %0 : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  %u = qnn.constant dense<[[3, 200], [7, 7]]> : tensor<2x2xui8>
  %v = qnn.constant dense<[[3, 100], [200, 7]]> : tensor<2x2xui8>
  %e = qnn.compare equal %u, %v : tensor<2x2xui8>, tensor<2x2xui8> -> tensor<2x2xi1>
  %n = qnn.unary logical_not %e : tensor<2x2xi1> -> tensor<2x2xi1>
  return %1, %n : tensor<2xf32>, tensor<2x2xi1>
}

// CHECK-LABEL: func.func @large_argument
func.func @large_argument() -> tensor<2x40xf32> {
  // CHECK: %[[C:.*]] = qnn.constant dense<2.000000e+00> : tensor<2x40xf32>
  // CHECK-NOT: qnn.transpose
  // CHECK: return %[[C]]
  %a = qnn.constant dense<1.0> : tensor<40x2xf32>
  %t = qnn.transpose %a [1, 0] : tensor<40x2xf32> -> tensor<2x40xf32>
  %0 = qnn.binary add %t, %t : tensor<2x40xf32>, tensor<2x40xf32> -> tensor<2x40xf32>
  return %0 : tensor<2x40xf32>
}

// The result is much larger than what it is made of.
// CHECK-LABEL: func.func @growth
func.func @growth() -> tensor<300x300xf32> {
  // CHECK: qnn.binary add
  %a = qnn.constant dense<1.0> : tensor<300x1xf32>
  %b = qnn.constant dense<1.0> : tensor<1x300xf32>
  %0 = qnn.binary add %a, %b : tensor<300x1xf32>, tensor<1x300xf32> -> tensor<300x300xf32>
  return %0 : tensor<300x300xf32>
}

// One value stands for all elements: they would be made here, 4 GiB of them.
// CHECK-LABEL: func.func @one_value
func.func @one_value() -> tensor<1073741824xf32> {
  // CHECK: qnn.binary add
  %a = qnn.constant dense<1.0> : tensor<1073741824xf32>
  %0 = qnn.binary add %a, %a : tensor<1073741824xf32>, tensor<1073741824xf32> -> tensor<1073741824xf32>
  return %0 : tensor<1073741824xf32>
}

// A product of matrices takes the codes of its weight; an addition does not. What
// was dequantized says so.
// CHECK-LABEL: @coded_weight
func.func @coded_weight(%x: tensor<1x2xf32>) -> (tensor<1x2xf32>, tensor<2x2xf32>) {
  // CHECK: qnn.constant dense<{{.*}}> : tensor<2x2xf32> {qnn.dequantized}
  // CHECK: %[[W:.*]] = qnn.dequantize
  // CHECK: qnn.matmul %{{.*}}, %[[W]]
  // CHECK-NOT: qnn.dequantize
  %q = qnn.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>
  %r = qnn.constant dense<[[1, 2], [3, 5]]> : tensor<2x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  %w = qnn.dequantize %q, %s : tensor<2x2xi8>, tensor<f32> -> tensor<2x2xf32>
  %y = qnn.matmul %x, %w : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  %v = qnn.dequantize %r, %s : tensor<2x2xi8>, tensor<f32> -> tensor<2x2xf32>
  %z = qnn.binary add %v, %x : tensor<2x2xf32>, tensor<1x2xf32> -> tensor<2x2xf32>
  return %y, %z : tensor<1x2xf32>, tensor<2x2xf32>
}

// The codes may be moved on the way, as imported MatMulNBits have it.
// CHECK-LABEL: @moved_weight
func.func @moved_weight(%x: tensor<1x2xf32>) -> tensor<1x2xf32> {
  // CHECK: %[[W:.*]] = qnn.dequantize
  // CHECK: %[[T:.*]] = qnn.transpose %[[W]]
  // CHECK: qnn.matmul %{{.*}}, %[[T]]
  %q = qnn.constant dense<[[1, 2], [3, 4]]> : tensor<2x2xi8>
  %s = qnn.constant dense<0.5> : tensor<f32>
  %w = qnn.dequantize %q, %s : tensor<2x2xi8>, tensor<f32> -> tensor<2x2xf32>
  %t = qnn.transpose %w [1, 0] : tensor<2x2xf32> -> tensor<2x2xf32>
  %y = qnn.matmul %x, %t : tensor<1x2xf32>, tensor<2x2xf32> -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}

// In a branch, too, unless the result takes more room.
// CHECK-LABEL: func.func @branch
func.func @branch(%c: i1, %x: tensor<2x40xf32>) -> tensor<2x40xf32> {
  // CHECK: %[[T:.*]] = qnn.constant dense<2.000000e+00> : tensor<2x40xf32>
  // CHECK: scf.if
  // CHECK-NOT: qnn.transpose
  // CHECK: qnn.binary add %{{.*}}, %[[T]]
  // CHECK: } else {
  // CHECK-NOT: qnn.unsqueeze
  // CHECK: qnn.dequantize {{.*}} : tensor<2x40xi8>, tensor<f32>
  %a = qnn.constant dense<2.0> : tensor<40x2xf32>
  %q = qnn.constant dense<3> : tensor<2x40xi8>
  %two = qnn.constant dense<2.0> : tensor<2xf32>
  %s = qnn.constant dense<0.5> : tensor<f32>
  %axis = qnn.constant dense<1> : tensor<1xi64>
  %0 = scf.if %c -> tensor<2x40xf32> {
    %t = qnn.transpose %a [1, 0] : tensor<40x2xf32> -> tensor<2x40xf32>
    %1 = qnn.binary add %x, %t : tensor<2x40xf32>, tensor<2x40xf32> -> tensor<2x40xf32>
    scf.yield %1 : tensor<2x40xf32>
  } else {
    %four = qnn.binary add %two, %two : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
    %column = qnn.unsqueeze %four, %axis : tensor<2xf32>, tensor<1xi64> -> tensor<2x1xf32>
    %d = qnn.dequantize %q, %s : tensor<2x40xi8>, tensor<f32> -> tensor<2x40xf32>
    %1 = qnn.binary mul %x, %column : tensor<2x40xf32>, tensor<2x1xf32> -> tensor<2x40xf32>
    %2 = qnn.binary add %1, %d : tensor<2x40xf32>, tensor<2x40xf32> -> tensor<2x40xf32>
    scf.yield %2 : tensor<2x40xf32>
  }
  return %0 : tensor<2x40xf32>
}

// What decides sizes in a branch is folded if all that follows fits: of two
// branches for two sizes of the input, one contradicts the size that it has. It
// is never taken, and no error.
// CHECK-LABEL: func.func @sizes
func.func @sizes(%c: i1, %x: tensor<1x8xf32>) -> tensor<?x?xf32> {
  // CHECK: %[[SHAPE:.*]] = qnn.constant dense<[2, 4]> : tensor<2xi64>
  // CHECK: scf.if
  // CHECK-NOT: qnn.transpose
  // CHECK: qnn.reshape %{{.*}}, %[[SHAPE]] : tensor<1x8xf32>, tensor<2xi64> -> tensor<2x4xf32>
  // CHECK: } else {
  // CHECK: qnn.transpose
  // CHECK: %[[SHAPE:.*]] = qnn.reshape
  // CHECK: qnn.reshape %{{.*}}, %[[SHAPE]] : tensor<1x8xf32>, tensor<2xi64> -> tensor<?x?xf32>
  %a = qnn.constant dense<[[2], [4]]> : tensor<2x1xi64>
  %b = qnn.constant dense<[[6], [4]]> : tensor<2x1xi64>
  %all = qnn.constant dense<[-1]> : tensor<1xi64>
  %0 = scf.if %c -> tensor<?x?xf32> {
    %row = qnn.transpose %a [1, 0] : tensor<2x1xi64> -> tensor<1x2xi64>
    %shape = qnn.reshape %row, %all : tensor<1x2xi64>, tensor<1xi64> -> tensor<2xi64>
    %1 = qnn.reshape %x, %shape : tensor<1x8xf32>, tensor<2xi64> -> tensor<?x?xf32>
    scf.yield %1 : tensor<?x?xf32>
  } else {
    %row = qnn.transpose %b [1, 0] : tensor<2x1xi64> -> tensor<1x2xi64>
    %shape = qnn.reshape %row, %all : tensor<1x2xi64>, tensor<1xi64> -> tensor<2xi64>
    %1 = qnn.reshape %x, %shape : tensor<1x8xf32>, tensor<2xi64> -> tensor<?x?xf32>
    scf.yield %1 : tensor<?x?xf32>
  }
  return %0 : tensor<?x?xf32>
}

// Neither is one whose filter does not find a place in what it would read.
// CHECK-LABEL: func.func @nothing_left
func.func @nothing_left(%c: i1, %x: tensor<1x1x4xf32>, %w: tensor<1x1x3xf32>) -> tensor<?x?x?xf32> {
  // CHECK: scf.if
  // CHECK: qnn.transpose
  // CHECK: qnn.conv {{.*}} -> tensor<1x1x?xf32>
  %one = qnn.constant dense<1> : tensor<1xi64>
  %two = qnn.constant dense<2> : tensor<1x1xi64>
  %axis = qnn.constant dense<2> : tensor<1xi64>
  %0 = scf.if %c -> tensor<?x?x?xf32> {
    %t = qnn.transpose %two [1, 0] : tensor<1x1xi64> -> tensor<1x1xi64>
    %end = qnn.reshape %t, %one : tensor<1x1xi64>, tensor<1xi64> -> tensor<1xi64>
    %1 = qnn.slice %x from %one to %end axes %axis steps %one : tensor<1x1x4xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<?x1x?xf32>
    %2 = qnn.conv %1, %w {dilations = array<i64: 1>, pads = array<i64: 0, 0>, strides = array<i64: 1>} : tensor<?x1x?xf32>, tensor<1x1x3xf32> -> tensor<?x1x?xf32>
    %3 = tensor.cast %2 : tensor<?x1x?xf32> to tensor<?x?x?xf32>
    scf.yield %3 : tensor<?x?x?xf32>
  } else {
    %1 = tensor.cast %x : tensor<1x1x4xf32> to tensor<?x?x?xf32>
    scf.yield %1 : tensor<?x?x?xf32>
  }
  return %0 : tensor<?x?x?xf32>
}

// What contradicts itself before anything is folded in it stays, too.
// CHECK-LABEL: func.func @never_fits
func.func @never_fits(%c: i1, %x: tensor<8xf32>) -> tensor<?x?xf32> {
  // CHECK: scf.if
  // CHECK: qnn.reshape {{.*}} : tensor<?x?xf32>, tensor<2xi64> -> tensor<6x4xf32>
  %a = qnn.constant dense<[[2], [4]]> : tensor<2x1xi64>
  %all = qnn.constant dense<[-1]> : tensor<1xi64>
  %other = qnn.constant dense<[6, 4]> : tensor<2xi64>
  %row = qnn.transpose %a [1, 0] : tensor<2x1xi64> -> tensor<1x2xi64>
  %shape = qnn.reshape %row, %all : tensor<1x2xi64>, tensor<1xi64> -> tensor<2xi64>
  %z = qnn.reshape %x, %shape : tensor<8xf32>, tensor<2xi64> -> tensor<?x?xf32>
  %0 = scf.if %c -> tensor<?x?xf32> {
    %1 = qnn.reshape %z, %other : tensor<?x?xf32>, tensor<2xi64> -> tensor<6x4xf32>
    %2 = tensor.cast %1 : tensor<6x4xf32> to tensor<?x?xf32>
    scf.yield %2 : tensor<?x?xf32>
  } else {
    scf.yield %z : tensor<?x?xf32>
  }
  return %0 : tensor<?x?xf32>
}
