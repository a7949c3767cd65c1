// RUN: quant-opt %s --qnn-to-linalg | FileCheck %s

// A lookup copies rows, after a check of the indices.
// CHECK-LABEL: func @embedding
// CHECK: linalg.generic
// CHECK: cf.assert %{{.*}}, "{{.*}}an index is out of range"
// CHECK: linalg.generic
// CHECK-SAME: ins(%{{.*}} : tensor<?xi64>) outs(%{{.*}} : tensor<?x8xf32>)
// CHECK: tensor.extract
func.func @embedding(%t: tensor<100x8xf32>, %ids: tensor<?xi64>) -> tensor<?x8xf32> {
  %0 = qnn.gather %t[%ids] axis 0 : tensor<100x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
  return %0 : tensor<?x8xf32>
}

// CHECK-LABEL: func @unsqueeze
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0, 1], [2]]
func.func @unsqueeze(%x: tensor<?x8xf32>) -> tensor<?x1x8xf32> {
  %c = qnn.constant dense<1> : tensor<1xi64>
  %0 = qnn.unsqueeze %x, %c : tensor<?x8xf32>, tensor<1xi64> -> tensor<?x1x8xf32>
  return %0 : tensor<?x1x8xf32>
}

// CHECK-LABEL: func @slice
// CHECK: tensor.extract_slice %{{.*}}[0, 2] [4, 3] [1, 2]
func.func @slice(%x: tensor<4x8xf32>) -> tensor<4x3xf32> {
  %two = qnn.constant dense<2> : tensor<1xi64>
  %axis = qnn.constant dense<1> : tensor<1xi64>
  %end = qnn.constant dense<9223372036854775807> : tensor<1xi64>
  %0 = qnn.slice %x from %two to %end axes %axis steps %two : tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<4x3xf32>
  return %0 : tensor<4x3xf32>
}

// Negative pads crop first.
// CHECK-LABEL: func @pad
// CHECK: tensor.extract_slice %{{.*}}[0, 1] [4, 7] [1, 1]
// CHECK: tensor.pad %{{.*}} low[0, 0] high[0, 2]
func.func @pad(%x: tensor<4x8xf32>, %v: tensor<f32>) -> tensor<4x9xf32> {
  %pads = qnn.constant dense<[-1, 2]> : tensor<2xi64>
  %axis = qnn.constant dense<1> : tensor<1xi64>
  %0 = qnn.pad constant %x by %pads axes %axis with %v : tensor<4x8xf32>, tensor<2xi64>, tensor<1xi64>, tensor<f32> -> tensor<4x9xf32>
  return %0 : tensor<4x9xf32>
}

// CHECK-LABEL: func @concat
// CHECK: tensor.concat dim(1)
func.func @concat(%x: tensor<4x8xf32>) -> tensor<4x16xf32> {
  %0 = qnn.concat 1, %x, %x : tensor<4x8xf32>, tensor<4x8xf32> -> tensor<4x16xf32>
  return %0 : tensor<4x16xf32>
}

// CHECK-LABEL: func @scatter
// CHECK: scf.for
// CHECK: arith.addf
// CHECK: tensor.insert
func.func @scatter(%x: tensor<4x8xf32>, %j: tensor<2x8xi64>, %u: tensor<2x8xf32>) -> tensor<4x8xf32> {
  %0 = qnn.scatter_elements add %u into %x[%j] axis 0 : tensor<2x8xf32>, tensor<4x8xf32>, tensor<2x8xi64> -> tensor<4x8xf32>
  return %0 : tensor<4x8xf32>
}

// An empty slice at the end reads nothing, not even out of bounds.
// CHECK-LABEL: func @empty_slice
// CHECK-NOT: tensor.extract_slice
// CHECK: %[[EMPTY:.*]] = tensor.empty() : tensor<4x0xf32>
// CHECK: return %[[EMPTY]]
func.func @empty_slice(%x: tensor<4x8xf32>) -> tensor<4x0xf32> {
  %from = qnn.constant dense<8> : tensor<1xi64>
  %axis = qnn.constant dense<1> : tensor<1xi64>
  %0 = qnn.slice %x from %from to %from axes %axis steps %axis : tensor<4x8xf32>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64>, tensor<1xi64> -> tensor<4x0xf32>
  return %0 : tensor<4x0xf32>
}

// A tile copies whole lines, along a new loop for each dimension that is repeated;
// one of size 1 has no other.
// CHECK-LABEL: func @tile
// CHECK: %[[X:.*]] = tensor.collapse_shape %{{.*}} {{\[\[}}0], [1, 2]] : tensor<?x8x1xf32> into tensor<?x8xf32>
// CHECK: %[[WIDE:.*]] = linalg.generic {{.*}} ins(%[[X]] : tensor<?x8xf32>) outs(%{{.*}} : tensor<2x?x8x3xf32>)
// CHECK-NOT: arith.remsi
// CHECK: tensor.collapse_shape %[[WIDE]] {{\[\[}}0, 1], [2], [3]]
func.func @tile(%x: tensor<?x8x1xf32>) -> tensor<?x8x3xf32> {
  %repeats = qnn.constant dense<[2, 1, 3]> : tensor<3xi64>
  %0 = qnn.tile %x, %repeats : tensor<?x8x1xf32>, tensor<3xi64> -> tensor<?x8x3xf32>
  return %0 : tensor<?x8x3xf32>
}

// What a pad repeats is copied to the ends of each dimension, from what is there.
// CHECK-LABEL: func @reflect
// CHECK-SAME:    %[[X:.*]]: tensor<?x8xf32>
// CHECK: %[[R0:.*]] = tensor.insert_slice %[[X]] into %{{.*}}[1, 2] [%{{.*}}, 8] [1, 1]
// CHECK: %[[LEFT:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<?x2xf32>)
// CHECK: tensor.extract %[[R0]]
// CHECK: %[[R1:.*]] = tensor.insert_slice %[[LEFT]] into %[[R0]][1, 0] [%{{.*}}, 2] [1, 1]
// CHECK: %[[TOP:.*]] = linalg.generic {{.*}} outs(%{{.*}} : tensor<1x10xf32>)
// CHECK: tensor.extract %[[R1]]
// CHECK: %[[R2:.*]] = tensor.insert_slice %[[TOP]] into %[[R1]][0, 0] [1, 10] [1, 1]
// CHECK-NOT: tensor.insert_slice
// CHECK: return
func.func @reflect(%x: tensor<?x8xf32>, %v: tensor<f32>) -> tensor<?x10xf32> {
  %pads = qnn.constant dense<[1, 2, 0, 0]> : tensor<4xi64>
  %axes = qnn.constant dense<[0, 1]> : tensor<2xi64>
  %0 = qnn.pad reflect %x by %pads axes %axes with %v : tensor<?x8xf32>, tensor<4xi64>, tensor<2xi64>, tensor<f32> -> tensor<?x10xf32>
  return %0 : tensor<?x10xf32>
}
