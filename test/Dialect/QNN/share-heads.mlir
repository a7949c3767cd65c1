// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-share-heads),canonicalize)' | FileCheck %s

// Keys of 3 heads for 12 heads of queries. What was done to the copies is done
// to the heads, and what follows the product sees it without a reshape.
// CHECK-LABEL: func @keys(
// CHECK-SAME:      %[[Q:.*]]: tensor<1x12x?x8xf32>, %[[K:.*]]: tensor<1x3x?x8xf32>)
// CHECK-NOT:     qnn.expand
// CHECK:         %[[SCALED:.*]] = qnn.binary mul %[[K]], %{{.*}} -> tensor<1x3x?x8xf32>
// CHECK:         %[[T:.*]] = qnn.transpose %[[SCALED]] [0, 1, 3, 2]
// CHECK:         %[[SHARED:.*]] = qnn.unsqueeze %[[T]], %{{.*}} -> tensor<1x3x1x8x?xf32>
// CHECK:         %[[GROUPS:.*]] = qnn.reshape %[[Q]], %{{.*}} -> tensor<1x3x4x?x8xf32>
// CHECK:         %[[Y:.*]] = qnn.matmul %[[GROUPS]], %[[SHARED]] {{.*}} -> tensor<1x3x4x?x?xf32>
// CHECK:         %[[S:.*]] = qnn.binary mul %[[Y]], %{{.*}} -> tensor<1x3x4x?x?xf32>
// CHECK:         %[[J:.*]] = qnn.reshape %[[S]], %{{.*}} -> tensor<1x12x?x?xf32>
// CHECK:         return %[[J]]
func.func @keys(%q: tensor<1x12x?x8xf32>, %k: tensor<1x3x?x8xf32>) -> tensor<1x12x?x?xf32> {
  %two = qnn.constant dense<2> : tensor<1xi64>
  %scale = qnn.constant dense<0.25> : tensor<f32>
  %head = qnn.constant dense<[1, 3, 4]> : tensor<3xi64>
  %size = qnn.constant dense<8> : tensor<1xi64>
  %tokens = qnn.shape %k[2, 3] : tensor<1x3x?x8xf32> -> tensor<1xi64>
  %wide = qnn.concat 0, %head, %tokens, %size : tensor<3xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<5xi64>
  %flat = qnn.constant dense<[1, 12, -1, 8]> : tensor<4xi64>
  %u = qnn.unsqueeze %k, %two : tensor<1x3x?x8xf32>, tensor<1xi64> -> tensor<1x3x1x?x8xf32>
  %e = qnn.expand %u, %wide : tensor<1x3x1x?x8xf32>, tensor<5xi64> -> tensor<1x3x4x?x8xf32>
  %r = qnn.reshape %e, %flat : tensor<1x3x4x?x8xf32>, tensor<4xi64> -> tensor<1x12x?x8xf32>
  %m = qnn.binary mul %r, %scale : tensor<1x12x?x8xf32>, tensor<f32> -> tensor<1x12x?x8xf32>
  %t = qnn.transpose %m [0, 1, 3, 2] : tensor<1x12x?x8xf32> -> tensor<1x12x8x?xf32>
  %y = qnn.matmul %q, %t : tensor<1x12x?x8xf32>, tensor<1x12x8x?xf32> -> tensor<1x12x?x?xf32>
  %s = qnn.binary mul %y, %scale : tensor<1x12x?x?xf32>, tensor<f32> -> tensor<1x12x?x?xf32>
  return %s : tensor<1x12x?x?xf32>
}

// Values: the tokens of a cache and of the input are those of both in a row,
// whatever they are called. The transpose behind stays next to the product.
// CHECK-LABEL: func @values(
// CHECK-NOT:     qnn.expand
// CHECK:         %[[ALL:.*]] = qnn.concat 2
// CHECK:         %[[SHARED:.*]] = qnn.unsqueeze %[[ALL]]
// CHECK:         %[[Y:.*]] = qnn.matmul %{{.*}}, %[[SHARED]] {{.*}} -> tensor<1x2x2x5x8xf32>
// CHECK:         %[[T:.*]] = qnn.transpose %[[Y]] [0, 3, 1, 2, 4]
// CHECK:         qnn.reshape %[[T]], %{{.*}} -> tensor<1x5x4x8xf32>
func.func @values(%p: tensor<1x4x5x?xf32>, %other: tensor<1x2x?x8xf32> {qnn.dims = ["", "", "past", ""]},
                  %past: tensor<1x2x?x8xf32> {qnn.dims = ["", "", "past", ""]}, %x: tensor<1x?x16xf32> {qnn.dims = ["", "seq", ""]},
                  %ids: tensor<1x?xi64> {qnn.dims = ["", "seq"]}) -> tensor<1x5x4x8xf32> {
  %two = qnn.constant dense<2> : tensor<1xi64>
  %split = qnn.constant dense<[1, -1, 2, 8]> : tensor<4xi64>
  %h = qnn.reshape %x, %split : tensor<1x?x16xf32>, tensor<4xi64> -> tensor<1x?x2x8xf32>
  %new = qnn.transpose %h [0, 2, 1, 3] : tensor<1x?x2x8xf32> -> tensor<1x2x?x8xf32>
  %all = qnn.concat 2, %past, %new : tensor<1x2x?x8xf32>, tensor<1x2x?x8xf32> -> tensor<1x2x?x8xf32>
  %before = qnn.shape %other[2, 3] : tensor<1x2x?x8xf32> -> tensor<1xi64>
  %seq = qnn.shape %ids[1, 2] : tensor<1x?xi64> -> tensor<1xi64>
  %total = qnn.binary add %before, %seq : tensor<1xi64>, tensor<1xi64> -> tensor<1xi64>
  %head = qnn.constant dense<[1, 2, 2]> : tensor<3xi64>
  %size = qnn.constant dense<8> : tensor<1xi64>
  %wide = qnn.concat 0, %head, %total, %size : tensor<3xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<5xi64>
  %flat = qnn.constant dense<[1, 4, -1, 8]> : tensor<4xi64>
  %u = qnn.unsqueeze %all, %two : tensor<1x2x?x8xf32>, tensor<1xi64> -> tensor<1x2x1x?x8xf32>
  %e = qnn.expand %u, %wide : tensor<1x2x1x?x8xf32>, tensor<5xi64> -> tensor<1x2x2x?x8xf32>
  %r = qnn.reshape %e, %flat : tensor<1x2x2x?x8xf32>, tensor<4xi64> -> tensor<1x4x?x8xf32>
  %y = qnn.matmul %p, %r : tensor<1x4x5x?xf32>, tensor<1x4x?x8xf32> -> tensor<1x4x5x8xf32>
  %t = qnn.transpose %y [0, 2, 1, 3] : tensor<1x4x5x8xf32> -> tensor<1x5x4x8xf32>
  return %t : tensor<1x5x4x8xf32>
}

// One token may become many: expanded still, but not for each head.
// CHECK-LABEL: func @unknown(
// CHECK:         %[[E:.*]] = qnn.expand %{{.*}} -> tensor<1x2x1x?x8xf32>
// CHECK:         qnn.matmul %{{.*}} : tensor<1x2x2x5x?xf32>, tensor<1x2x1x?x8xf32>
func.func @unknown(%p: tensor<1x4x5x?xf32>, %v: tensor<1x2x?x8xf32>, %wide: tensor<5xi64>) -> tensor<1x4x5x8xf32> {
  %two = qnn.constant dense<2> : tensor<1xi64>
  %flat = qnn.constant dense<[1, 4, -1, 8]> : tensor<4xi64>
  %u = qnn.unsqueeze %v, %two : tensor<1x2x?x8xf32>, tensor<1xi64> -> tensor<1x2x1x?x8xf32>
  %e = qnn.expand %u, %wide : tensor<1x2x1x?x8xf32>, tensor<5xi64> -> tensor<1x2x2x?x8xf32>
  %r = qnn.reshape %e, %flat : tensor<1x2x2x?x8xf32>, tensor<4xi64> -> tensor<1x4x?x8xf32>
  %y = qnn.matmul %p, %r : tensor<1x4x5x?xf32>, tensor<1x4x?x8xf32> -> tensor<1x4x5x8xf32>
  return %y : tensor<1x4x5x8xf32>
}

// A tile says the same, on either side, of integers as well.
// CHECK-LABEL: func @left(
// CHECK-NOT:     qnn.tile
// CHECK:         qnn.matmul %{{.*}} lhs_zero_point %{{.*}} : tensor<2x1x3x8xi8>, tensor<2x2x8x5xi8> -> tensor<2x2x3x5xi32>
func.func @left(%a: tensor<2x1x3x8xi8>, %b: tensor<4x8x5xi8>, %z: tensor<i8>) -> tensor<4x3x5xi32> {
  %repeats = qnn.constant dense<[1, 2, 1, 1]> : tensor<4xi64>
  %flat = qnn.constant dense<[4, 3, 8]> : tensor<3xi64>
  %e = qnn.tile %a, %repeats : tensor<2x1x3x8xi8>, tensor<4xi64> -> tensor<2x2x3x8xi8>
  %r = qnn.reshape %e, %flat : tensor<2x2x3x8xi8>, tensor<3xi64> -> tensor<4x3x8xi8>
  %y = qnn.matmul %r, %b lhs_zero_point %z : tensor<i8> : tensor<4x3x8xi8>, tensor<4x8x5xi8> -> tensor<4x3x5xi32>
  return %y : tensor<4x3x5xi32>
}

// Not where the rows of the matrices were repeated, nor where the other operand
// is one for all heads.
// CHECK-LABEL: func @others(
// CHECK:         qnn.matmul %{{.*}} : tensor<2x5x8xf32>, tensor<2x8x4xf32>
// CHECK:         qnn.matmul %{{.*}} : tensor<1x5x8xf32>, tensor<4x8x3xf32>
func.func @others(%p: tensor<2x5x8xf32>, %a: tensor<2x4x1x4xf32>, %q: tensor<1x5x8xf32>, %b: tensor<2x1x8x3xf32>) -> (tensor<2x5x4xf32>, tensor<4x5x3xf32>) {
  %wide = qnn.constant dense<[2, 4, 2, 4]> : tensor<4xi64>
  %flat = qnn.constant dense<[2, 8, 4]> : tensor<3xi64>
  %e = qnn.expand %a, %wide : tensor<2x4x1x4xf32>, tensor<4xi64> -> tensor<2x4x2x4xf32>
  %r = qnn.reshape %e, %flat : tensor<2x4x2x4xf32>, tensor<3xi64> -> tensor<2x8x4xf32>
  %y = qnn.matmul %p, %r : tensor<2x5x8xf32>, tensor<2x8x4xf32> -> tensor<2x5x4xf32>
  %wide2 = qnn.constant dense<[2, 2, 8, 3]> : tensor<4xi64>
  %flat2 = qnn.constant dense<[4, 8, 3]> : tensor<3xi64>
  %e2 = qnn.expand %b, %wide2 : tensor<2x1x8x3xf32>, tensor<4xi64> -> tensor<2x2x8x3xf32>
  %r2 = qnn.reshape %e2, %flat2 : tensor<2x2x8x3xf32>, tensor<3xi64> -> tensor<4x8x3xf32>
  %z = qnn.matmul %q, %r2 : tensor<1x5x8xf32>, tensor<4x8x3xf32> -> tensor<4x5x3xf32>
  return %y, %z : tensor<2x5x4xf32>, tensor<4x5x3xf32>
}

// What stays in its row does not tell heads apart: a mask that is one for all
// heads, and a softmax. The products see no reshape between them.
// CHECK-LABEL: func @attention(
// CHECK:         %[[SCORES:.*]] = qnn.matmul %{{.*}} : tensor<1x2x2x?x8xf32>, tensor<1x2x1x8x?xf32> -> tensor<1x2x2x?x?xf32>
// CHECK:         %[[MASKED:.*]] = qnn.binary add %[[SCORES]], %{{.*}} : tensor<1x2x2x?x?xf32>, tensor<1x1x?x?xf32> -> tensor<1x2x2x?x?xf32>
// CHECK:         %[[WEIGHTS:.*]] = qnn.softmax softmax %[[MASKED]] {axis = 4 : i64} : tensor<1x2x2x?x?xf32>
// CHECK:         qnn.matmul %[[WEIGHTS]], %{{.*}} : tensor<1x2x2x?x?xf32>, tensor<1x2x1x?x8xf32> -> tensor<1x2x2x?x8xf32>
func.func @attention(%q: tensor<1x4x?x8xf32>, %k: tensor<1x2x1x8x?xf32>, %v: tensor<1x2x1x?x8xf32>, %mask: tensor<1x1x?x?xf32>) -> tensor<1x4x?x8xf32> {
  %repeats = qnn.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %flat_k = qnn.constant dense<[1, 4, 8, -1]> : tensor<4xi64>
  %flat_v = qnn.constant dense<[1, 4, -1, 8]> : tensor<4xi64>
  %k2 = qnn.tile %k, %repeats : tensor<1x2x1x8x?xf32>, tensor<5xi64> -> tensor<1x2x2x8x?xf32>
  %k3 = qnn.reshape %k2, %flat_k : tensor<1x2x2x8x?xf32>, tensor<4xi64> -> tensor<1x4x8x?xf32>
  %v2 = qnn.tile %v, %repeats : tensor<1x2x1x?x8xf32>, tensor<5xi64> -> tensor<1x2x2x?x8xf32>
  %v3 = qnn.reshape %v2, %flat_v : tensor<1x2x2x?x8xf32>, tensor<4xi64> -> tensor<1x4x?x8xf32>
  %s = qnn.matmul %q, %k3 : tensor<1x4x?x8xf32>, tensor<1x4x8x?xf32> -> tensor<1x4x?x?xf32>
  %m = qnn.binary add %s, %mask : tensor<1x4x?x?xf32>, tensor<1x1x?x?xf32> -> tensor<1x4x?x?xf32>
  %w = qnn.softmax softmax %m {axis = 3 : i64} : tensor<1x4x?x?xf32> -> tensor<1x4x?x?xf32>
  %y = qnn.matmul %w, %v3 : tensor<1x4x?x?xf32>, tensor<1x4x?x8xf32> -> tensor<1x4x?x8xf32>
  return %y : tensor<1x4x?x8xf32>
}

// A bias of its own for each head does, and so does a softmax over heads.
// CHECK-LABEL: func @of_heads(
// CHECK:         %[[S:.*]] = qnn.matmul %{{.*}} -> tensor<1x2x2x3x5xf32>
// CHECK:         %[[J:.*]] = qnn.reshape %[[S]], %{{.*}} -> tensor<1x4x3x5xf32>
// CHECK:         qnn.binary add %[[J]], %{{.*}} -> tensor<1x4x3x5xf32>
// CHECK:         %[[T:.*]] = qnn.matmul %{{.*}} -> tensor<1x2x2x3x5xf32>
// CHECK:         %[[K:.*]] = qnn.reshape %[[T]], %{{.*}} -> tensor<1x4x3x5xf32>
// CHECK:         qnn.softmax softmax %[[K]] {axis = 1 : i64}
func.func @of_heads(%q: tensor<1x4x3x8xf32>, %k: tensor<1x2x1x8x5xf32>, %bias: tensor<4x3x5xf32>) -> (tensor<1x4x3x5xf32>, tensor<1x4x3x5xf32>) {
  %repeats = qnn.constant dense<[1, 1, 2, 1, 1]> : tensor<5xi64>
  %flat = qnn.constant dense<[1, 4, 8, 5]> : tensor<4xi64>
  %k2 = qnn.tile %k, %repeats : tensor<1x2x1x8x5xf32>, tensor<5xi64> -> tensor<1x2x2x8x5xf32>
  %k3 = qnn.reshape %k2, %flat : tensor<1x2x2x8x5xf32>, tensor<4xi64> -> tensor<1x4x8x5xf32>
  %s = qnn.matmul %q, %k3 : tensor<1x4x3x8xf32>, tensor<1x4x8x5xf32> -> tensor<1x4x3x5xf32>
  %m = qnn.binary add %s, %bias : tensor<1x4x3x5xf32>, tensor<4x3x5xf32> -> tensor<1x4x3x5xf32>
  %t = qnn.matmul %q, %k3 : tensor<1x4x3x8xf32>, tensor<1x4x8x5xf32> -> tensor<1x4x3x5xf32>
  %w = qnn.softmax softmax %t {axis = 1 : i64} : tensor<1x4x3x5xf32> -> tensor<1x4x3x5xf32>
  return %m, %w : tensor<1x4x3x5xf32>, tensor<1x4x3x5xf32>
}
