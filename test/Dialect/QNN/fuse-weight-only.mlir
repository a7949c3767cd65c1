// RUN: quant-opt %s --qnn-fuse-weight-only --canonicalize --split-input-file | FileCheck %s
// RUN: quant-opt %s --qnn-fuse-weight-only=floats-only --split-input-file | FileCheck %s --check-prefixes=LEFT,FLOATS
// RUN: quant-opt %s --qnn-fuse-weight-only=groups-only --split-input-file | FileCheck %s --check-prefixes=LEFT,GROUPS

// CHECK-LABEL: @blocks
// CHECK-NOT: qnn.dequantize
// CHECK: %[[Y:.*]] = qnn.weight_only_matmul %arg0, %{{.*}}, %{{.*}} {block_size = 2 : i64}
// CHECK: return %[[Y]]
// LEFT-LABEL: @blocks
// LEFT: qnn.weight_only_matmul
func.func @blocks(%x: tensor<?x4xf32>) -> tensor<?x2xf32> {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -8]]> : tensor<4x2xi4>
  %s = qnn.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %r = qnn.dequantize %w, %s {axis = 0 : i64, block_size = 2 : i64}
      : tensor<4x2xi4>, tensor<2x2xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %x, %r : tensor<?x4xf32>, tensor<4x2xf32> -> tensor<?x2xf32>
  return %y : tensor<?x2xf32>
}

// -----

// One scale a column is a block as long as the matrix.
// CHECK-LABEL: @columns
// CHECK-DAG: %[[S:.*]] = qnn.constant dense<{{.*}}1.000000e+00, 2.000000e+00]]> : tensor<1x2xf32>
// CHECK-DAG: %[[Z:.*]] = qnn.constant dense<{{.*}}1, 2]]> : tensor<1x2xi8>
// CHECK: qnn.weight_only_matmul %arg0, %{{.*}}, %[[S]] zero_points %[[Z]] : tensor<1x2xi8> {block_size = 4 : i64}
// LEFT-LABEL: @columns
// FLOATS: qnn.weight_only_matmul
// GROUPS: qnn.matmul
func.func @columns(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -8]]> : tensor<4x2xi8>
  %s = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %z = qnn.constant dense<[1, 2]> : tensor<2xi8>
  %r = qnn.dequantize %w, %s zero_point %z : tensor<2xi8> {axis = 1 : i64}
      : tensor<4x2xi8>, tensor<2xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %x, %r : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// The weights of MatMulNBits are transposed, and have one zero point.
// CHECK-LABEL: @transposed
// CHECK-DAG: qnn.transpose %{{.*}} [1, 0] : tensor<2x4xui4> -> tensor<4x2xui4>
// CHECK-DAG: qnn.transpose %{{.*}} [1, 0] : tensor<2x2xf32> -> tensor<2x2xf32>
// CHECK: qnn.weight_only_matmul {{.*}} zero_points %{{.*}} : tensor<ui4> {block_size = 2 : i64}
func.func @transposed(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1, 2, 3, 4], [5, 6, 7, 8]]> : tensor<2x4xui4>
  %s = qnn.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %z = qnn.constant dense<8> : tensor<ui4>
  %r = qnn.dequantize %w, %s zero_point %z : tensor<ui4> {axis = 1 : i64, block_size = 2 : i64}
      : tensor<2x4xui4>, tensor<2x2xf32> -> tensor<2x4xf32>
  %t = qnn.transpose %r [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %x, %t : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// Codes of a codebook, scaled by blocks of the transposed matrix.
// CHECK-LABEL: @codebook
// CHECK-NOT: qnn.lookup
// CHECK: qnn.weight_only_matmul {{.*}} codebook %{{.*}} : tensor<4xf32> {block_size = 2 : i64}
func.func @codebook(%x: tensor<3x4xf32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[1, 2, 3, 0, 1, 2, 3, 0]> : tensor<8xui2>
  %t = qnn.constant dense<[-1.0, 0.0, 0.5, 1.0]> : tensor<4xf32>
  %s = qnn.constant dense<[[1.0], [0.5], [2.0], [0.25]]> : tensor<4x1xf32>
  %blocks = qnn.constant dense<[4, 2]> : tensor<2xi64>
  %shape = qnn.constant dense<[2, 4]> : tensor<2xi64>
  %0 = qnn.lookup %w, %t : tensor<8xui2>, tensor<4xf32> -> tensor<8xf32>
  %1 = qnn.reshape %0, %blocks : tensor<8xf32>, tensor<2xi64> -> tensor<4x2xf32>
  %2 = qnn.binary mul %1, %s : tensor<4x2xf32>, tensor<4x1xf32> -> tensor<4x2xf32>
  %3 = qnn.reshape %2, %shape : tensor<4x2xf32>, tensor<2xi64> -> tensor<2x4xf32>
  %4 = qnn.transpose %3 [1, 0] : tensor<2x4xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %x, %4 : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// Blocks along the columns, and weights that are no constant, stay as they are.
// CHECK-LABEL: @others
// CHECK-COUNT-2: qnn.matmul
// CHECK-NOT: qnn.weight_only_matmul
func.func @others(%x: tensor<3x4xf32>, %v: tensor<4x2xi8>) -> (tensor<3x2xf32>, tensor<3x2xf32>) {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -8]]> : tensor<4x2xi4>
  %s = qnn.constant dense<[[1.0], [2.0], [0.5], [0.25]]> : tensor<4x1xf32>
  %r = qnn.dequantize %w, %s {axis = 1 : i64, block_size = 2 : i64}
      : tensor<4x2xi4>, tensor<4x1xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %x, %r : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  %one = qnn.constant dense<1.0> : tensor<f32>
  %q = qnn.dequantize %v, %one : tensor<4x2xi8>, tensor<f32> -> tensor<4x2xf32>
  %u = qnn.matmul %x, %q : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y, %u : tensor<3x2xf32>, tensor<3x2xf32>
}

// -----

// Tokens of 8 bits with a scale each stay integers; their scales multiply the
// rows of the result.
// CHECK-LABEL: @tokens
// CHECK-SAME:    %[[X:.*]]: tensor<3x4xi8>, %[[S:.*]]: tensor<3x1xf32>
// CHECK:         %[[P:.*]] = qnn.weight_only_matmul %[[X]], %{{.*}} {block_size = 2 : i64} : tensor<3x4xi8>, tensor<4x2xi4>, tensor<2x2xf32> -> tensor<3x2xf32>
// CHECK:         qnn.binary mul %[[P]], %[[S]]
func.func @tokens(%x: tensor<3x4xi8>, %t: tensor<3x1xf32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -8]]> : tensor<4x2xi4>
  %s = qnn.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %a = qnn.dequantize %x, %t {axis = 1 : i64, block_size = 4 : i64}
      : tensor<3x4xi8>, tensor<3x1xf32> -> tensor<3x4xf32>
  %r = qnn.dequantize %w, %s {axis = 0 : i64, block_size = 2 : i64}
      : tensor<4x2xi4>, tensor<2x2xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %a, %r : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// Bytes by bytes with a scale a column: a product of integers.
// CHECK-LABEL: @bytes
// CHECK-SAME:    %[[X:.*]]: tensor<3x4xi8>, %[[T:.*]]: tensor<3x1xf32>
// CHECK:         %[[P:.*]] = qnn.matmul %[[X]], %{{.*}} : tensor<3x4xi8>, tensor<4x2xi8> -> tensor<3x2xi32>
// CHECK:         %[[F:.*]] = qnn.cast %[[P]]
// CHECK:         %[[C:.*]] = qnn.binary mul %[[F]], %{{.*}} : tensor<3x2xf32>, tensor<2xf32>
// CHECK:         qnn.binary mul %[[C]], %[[T]]
// qnn-fold-quantization does not make integers of blocks.
// LEFT-LABEL: @bytes
// FLOATS: qnn.matmul %{{.*}} : tensor<3x4xi8>, tensor<4x2xi8> -> tensor<3x2xi32>
// GROUPS: qnn.matmul {{.*}} tensor<3x4xf32>
func.func @bytes(%x: tensor<3x4xi8>, %t: tensor<3x1xf32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -128]]> : tensor<4x2xi8>
  %s = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %a = qnn.dequantize %x, %t {axis = 1 : i64, block_size = 4 : i64}
      : tensor<3x4xi8>, tensor<3x1xf32> -> tensor<3x4xf32>
  %r = qnn.dequantize %w, %s {axis = 1 : i64}
      : tensor<4x2xi8>, tensor<2xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %a, %r : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}

// -----

// One scale for all tokens: qnn-fold-quantization makes integers of those.
// LEFT-LABEL: @one_scale
// LEFT: qnn.matmul {{.*}} tensor<3x4xf32>
func.func @one_scale(%x: tensor<3x4xi8>, %t: tensor<f32>) -> tensor<3x2xf32> {
  %w = qnn.constant dense<[[1, 2], [3, 4], [5, 6], [7, -128]]> : tensor<4x2xi8>
  %s = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32>
  %a = qnn.dequantize %x, %t : tensor<3x4xi8>, tensor<f32> -> tensor<3x4xf32>
  %r = qnn.dequantize %w, %s {axis = 1 : i64}
      : tensor<4x2xi8>, tensor<2xf32> -> tensor<4x2xf32>
  %y = qnn.matmul %a, %r : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %y : tensor<3x2xf32>
}
