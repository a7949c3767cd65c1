// What is known of a dimension may be more than the type says, where a value
// came through a shape that only the run has: slices and shapes go by it.
// RUN: quant-opt %s --convert-qnn-to-linalg | FileCheck %s

// CHECK-LABEL: func.func @reshape
// CHECK: %[[X:.*]] = tensor.cast %{{.*}} : tensor<?x6xf32> to tensor<4x6xf32>
// CHECK: tensor.expand_shape %[[X]] {{\[\[}}0, 1], [2]]
func.func @reshape(%x: tensor<4x6xf32>) -> tensor<2x2x6xf32> {
  %c = tensor.cast %x : tensor<4x6xf32> to tensor<?x6xf32>
  %s = qnn.constant dense<[2, 2, 6]> : tensor<3xi64>
  %0 = qnn.reshape %c, %s : tensor<?x6xf32>, tensor<3xi64> -> tensor<2x2x6xf32>
  return %0 : tensor<2x2x6xf32>
}

// CHECK-LABEL: func.func @gather
// CHECK: tensor.extract_slice %{{.*}}[0, 1] [4, 1] [1, 1] : tensor<4x6xf32> to tensor<4xf32>
func.func @gather(%x: tensor<4x6xf32>) -> tensor<?xf32> {
  %c = tensor.cast %x : tensor<4x6xf32> to tensor<?x6xf32>
  %i = qnn.constant dense<1> : tensor<i64>
  %0 = qnn.gather %c[%i] axis 1 : tensor<?x6xf32>, tensor<i64> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

// CHECK-LABEL: func.func @scatter
// CHECK: tensor.extract_slice %{{.*}}[0, 0] [3, 1] [1, 1] : tensor<3x1xi64> to tensor<3xi64>
// CHECK: tensor.insert_slice %{{.*}} : tensor<6xf32> into tensor<4x6xf32>
func.func @scatter(%x: tensor<4x6xf32>, %i: tensor<3x1xi64>,
                   %u: tensor<3x6xf32>) -> tensor<4x?xf32> {
  %c = tensor.cast %x : tensor<4x6xf32> to tensor<4x?xf32>
  %d = tensor.cast %i : tensor<3x1xi64> to tensor<?x1xi64>
  %0 = qnn.scatter_nd none %u into %c[%d] : tensor<3x6xf32>, tensor<4x?xf32>, tensor<?x1xi64> -> tensor<4x?xf32>
  return %0 : tensor<4x?xf32>
}

// CHECK-LABEL: func.func @sums
// CHECK: linalg.generic {{.*}} outs(%{{.*}}, %{{.*}} : tensor<4x6xf32>, tensor<6xf32>)
func.func @sums(%x: tensor<4x6xf32>, %axis: tensor<i64>) -> tensor<?x6xf32> {
  %c = tensor.cast %x : tensor<4x6xf32> to tensor<?x6xf32>
  %0 = qnn.cumulate sum %c axis %axis {reverse} : tensor<?x6xf32>, tensor<i64> -> tensor<?x6xf32>
  return %0 : tensor<?x6xf32>
}

// A size that is known is static in types and in lists of sizes alike: else the
// other ones would be read at the wrong place.
// CHECK-LABEL: func.func @unsqueeze
// CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2]] output_shape [4, %{{.*}}, 1] : tensor<4x?xf32> into tensor<4x?x1xf32>
func.func @unsqueeze(%n: index) -> tensor<?x?x1xf32> {
  %c4 = arith.constant 4 : index
  %x = tensor.empty(%c4, %n) : tensor<?x?xf32>
  %axis = qnn.constant dense<2> : tensor<1xi64>
  %0 = qnn.unsqueeze %x, %axis : tensor<?x?xf32>, tensor<1xi64> -> tensor<?x?x1xf32>
  return %0 : tensor<?x?x1xf32>
}
