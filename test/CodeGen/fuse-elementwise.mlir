// RUN: quant-opt %s --quantc-fuse-elementwise | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#image = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#row = affine_map<(d0, d1) -> (d0)>
#one = affine_map<(d0) -> (d0)>

// The exponential of a row must not be computed for each of its elements; the
// sum after it is fused.
// CHECK-LABEL: func.func @broadcast
// CHECK: linalg.generic
// CHECK: math.exp
// CHECK: linalg.generic
// CHECK: arith.mulf
// CHECK-NEXT: arith.addf
// CHECK-NOT: linalg.generic
func.func @broadcast(%x: tensor<8x16xf32>, %r: tensor<8xf32>) -> tensor<8x16xf32> {
  %e1 = tensor.empty() : tensor<8xf32>
  %e = tensor.empty() : tensor<8x16xf32>
  %0 = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%r : tensor<8xf32>) outs(%e1 : tensor<8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = math.exp %a : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %1 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %0 : tensor<8x16xf32>, tensor<8xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.mulf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  %2 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%1, %x : tensor<8x16xf32>, tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  return %2 : tensor<8x16xf32>
}

// Divisions cost as much (ElementCostOpInterface); a sum does not.
// CHECK-LABEL: func.func @division
// CHECK: linalg.generic
// CHECK: arith.divf
// CHECK: linalg.generic
// CHECK: arith.addf
// CHECK-NEXT: arith.mulf
func.func @division(%x: tensor<8x16xf32>, %r: tensor<8xf32>, %t: tensor<8xf32>) -> tensor<8x16xf32> {
  %e1 = tensor.empty() : tensor<8xf32>
  %e = tensor.empty() : tensor<8x16xf32>
  %0 = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%r : tensor<8xf32>) outs(%e1 : tensor<8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.divf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %1 = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%t : tensor<8xf32>) outs(%e1 : tensor<8xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  } -> tensor<8xf32>
  %2 = linalg.generic {indexing_maps = [#id, #row, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %0, %1 : tensor<8x16xf32>, tensor<8xf32>, tensor<8xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %s = arith.mulf %a, %b : f32
    %u = arith.addf %s, %c : f32
    linalg.yield %u : f32
  } -> tensor<8x16xf32>
  return %2 : tensor<8x16xf32>
}

#id3 = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#last = affine_map<(d0, d1, d2) -> (d2)>

// A reshape moves from between a product and its bias to behind both.
// CHECK-LABEL: func.func @bias_behind_reshape
// CHECK:         %[[PRODUCT:.*]] = linalg.matmul
// CHECK:         %[[SUM:.*]] = linalg.generic
// CHECK-SAME:      %[[PRODUCT]]
// CHECK-SAME:      outs(%{{.*}} : tensor<?x16xf32>)
// CHECK:           math.tanh
// CHECK-NOT:     tensor.dim
// CHECK:         %[[RESULT:.*]] = tensor.expand_shape %[[SUM]]
// CHECK:         return %[[RESULT]]
func.func @bias_behind_reshape(%x: tensor<?x8xf32>, %w: tensor<8x16xf32>, %bias: tensor<16xf32>,
                               %init: tensor<?x16xf32>, %n: index, %m: index) -> tensor<?x?x16xf32> {
  %0 = linalg.matmul ins(%x, %w : tensor<?x8xf32>, tensor<8x16xf32>)
      outs(%init : tensor<?x16xf32>) -> tensor<?x16xf32>
  %1 = tensor.expand_shape %0 [[0, 1], [2]] output_shape [%n, %m, 16]
      : tensor<?x16xf32> into tensor<?x?x16xf32>
  %e = tensor.empty(%n, %m) : tensor<?x?x16xf32>
  %2 = linalg.generic {indexing_maps = [#last, #id3, #id3],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%bias, %1 : tensor<16xf32>, tensor<?x?x16xf32>) outs(%e : tensor<?x?x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<?x?x16xf32>
  %3 = linalg.generic {indexing_maps = [#id3, #id3],
      iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%2 : tensor<?x?x16xf32>) outs(%e : tensor<?x?x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = math.tanh %a : f32
    linalg.yield %s : f32
  } -> tensor<?x?x16xf32>
  return %3 : tensor<?x?x16xf32>
}

#reduced = affine_map<(d0, d1) -> (d0)>

// Dimensions of size 1 do not keep what follows for a row from its use.
// CHECK-LABEL: func.func @value_of_row
// CHECK:         %[[MOST:.*]] = linalg.generic {{.*}}"reduction"
// CHECK:         linalg.generic
// CHECK-SAME:      ins(%{{.*}}, %[[MOST]] : tensor<8x16xi8>, tensor<8xi8>)
// CHECK-COUNT-2:   arith.extui
// CHECK:           arith.subi
func.func @value_of_row(%x: tensor<8x16xi8>, %init: tensor<8xi8>, %e: tensor<8x16xi32>) -> tensor<8x16xi32> {
  %most = linalg.generic {indexing_maps = [#id, #reduced], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<8x16xi8>) outs(%init : tensor<8xi8>) {
  ^bb0(%a: i8, %o: i8):
    %m = arith.maxui %a, %o : i8
    linalg.yield %m : i8
  } -> tensor<8xi8>
  %kept = tensor.expand_shape %most [[0, 1]] output_shape [8, 1] : tensor<8xi8> into tensor<8x1xi8>
  %e1 = tensor.empty() : tensor<8x1xi32>
  %wide = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%kept : tensor<8x1xi8>) outs(%e1 : tensor<8x1xi32>) {
  ^bb0(%a: i8, %o: i32):
    %w = arith.extui %a : i8 to i32
    linalg.yield %w : i32
  } -> tensor<8x1xi32>
  %row = tensor.collapse_shape %wide [[0, 1]] : tensor<8x1xi32> into tensor<8xi32>
  %r = linalg.generic {indexing_maps = [#id, #reduced, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %row : tensor<8x16xi8>, tensor<8xi32>) outs(%e : tensor<8x16xi32>) {
  ^bb0(%a: i8, %b: i32, %o: i32):
    %w = arith.extui %a : i8 to i32
    %d = arith.subi %w, %b : i32
    linalg.yield %d : i32
  } -> tensor<8x16xi32>
  return %r : tensor<8x16xi32>
}

// The earlier product of two that are added up leaves 8-bit integers for the
// later one, not sums of 32 bits; what follows both is with the later one.
// CHECK-LABEL: func.func @two_products
// CHECK: %[[FIRST:.*]] = linalg.matmul
// CHECK: %[[BYTES:.*]] = linalg.generic
// CHECK-SAME: ins(%[[FIRST]] : tensor<8x8xi32>)
// CHECK-SAME: outs({{.*}} : tensor<8x8xi8>)
// CHECK: arith.trunci
// CHECK-NEXT: linalg.yield
// CHECK: %[[SECOND:.*]] = linalg.matmul
// CHECK: linalg.generic
// CHECK-SAME: ins({{.*}}%[[BYTES]]{{.*}})
// CHECK: arith.trunci
// CHECK: arith.extsi
// CHECK: arith.addi
// CHECK-NOT: linalg.generic
func.func @two_products(%a: tensor<8x8xi32>, %b: tensor<8x8xi32>) -> tensor<8x8xi32> {
  %z = arith.constant 0 : i32
  %e = tensor.empty() : tensor<8x8xi32>
  %n = tensor.empty() : tensor<8x8xi8>
  %f = linalg.fill ins(%z : i32) outs(%e : tensor<8x8xi32>) -> tensor<8x8xi32>
  %0 = linalg.matmul ins(%a, %b : tensor<8x8xi32>, tensor<8x8xi32>) outs(%f : tensor<8x8xi32>) -> tensor<8x8xi32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<8x8xi32>) outs(%n : tensor<8x8xi8>) {
  ^bb0(%x: i32, %o: i8):
    %t = arith.trunci %x : i32 to i8
    linalg.yield %t : i8
  } -> tensor<8x8xi8>
  %2 = linalg.matmul ins(%b, %a : tensor<8x8xi32>, tensor<8x8xi32>) outs(%f : tensor<8x8xi32>) -> tensor<8x8xi32>
  %3 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%2 : tensor<8x8xi32>) outs(%n : tensor<8x8xi8>) {
  ^bb0(%x: i32, %o: i8):
    %t = arith.trunci %x : i32 to i8
    linalg.yield %t : i8
  } -> tensor<8x8xi8>
  %4 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%1 : tensor<8x8xi8>) outs(%e : tensor<8x8xi32>) {
  ^bb0(%x: i8, %o: i32):
    %t = arith.extsi %x : i8 to i32
    linalg.yield %t : i32
  } -> tensor<8x8xi32>
  %5 = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%4, %3 : tensor<8x8xi32>, tensor<8x8xi8>) outs(%e : tensor<8x8xi32>) {
  ^bb0(%x: i32, %y: i8, %o: i32):
    %t = arith.extsi %y : i8 to i32
    %s = arith.addi %x, %t : i32
    linalg.yield %s : i32
  } -> tensor<8x8xi32>
  return %5 : tensor<8x8xi32>
}

// What follows a convolution in groups works on groups, and they are joined
// behind it.
// CHECK-LABEL: func.func @groups
// CHECK-SAME:      %[[X:[^:]*]]: tensor<1x2x4x8x?xf32>, %[[W:[^:]*]]: tensor<2x3x4x1x1xf32>, %[[R:[^:]*]]: tensor<1x6x8x?xf32>
// CHECK:         %[[CONV:.*]] = linalg.conv_2d_ngchw_gfchw {{.*}} ins(%[[X]], %[[W]]
// CHECK:         %[[E:.*]] = tensor.expand_shape %[[R]] {{.*}} into tensor<1x2x3x8x?xf32>
// CHECK:         %[[SUM:.*]] = linalg.generic {{.*}} ins(%[[CONV]], %[[E]] : tensor<1x2x3x8x?xf32>, tensor<1x2x3x8x?xf32>)
// CHECK:         %[[Y:.*]] = tensor.collapse_shape %[[SUM]]
// CHECK:         return %[[Y]]
func.func @groups(%x: tensor<1x2x4x8x?xf32>, %w: tensor<2x3x4x1x1xf32>, %r: tensor<1x6x8x?xf32>, %init: tensor<1x2x3x8x?xf32>, %size: index) -> tensor<1x6x8x?xf32> {
  %0 = linalg.conv_2d_ngchw_gfchw {dilations = dense<1> : vector<2xi64>, strides = dense<1> : vector<2xi64>}
    ins(%x, %w : tensor<1x2x4x8x?xf32>, tensor<2x3x4x1x1xf32>) outs(%init : tensor<1x2x3x8x?xf32>) -> tensor<1x2x3x8x?xf32>
  %1 = tensor.collapse_shape %0 [[0], [1, 2], [3], [4]] : tensor<1x2x3x8x?xf32> into tensor<1x6x8x?xf32>
  %empty = tensor.empty(%size) : tensor<1x6x8x?xf32>
  %2 = linalg.generic {
      indexing_maps = [#image, #image, #image],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%1, %r : tensor<1x6x8x?xf32>, tensor<1x6x8x?xf32>) outs(%empty : tensor<1x6x8x?xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32):
    %sum = arith.addf %a, %b : f32
    linalg.yield %sum : f32
  } -> tensor<1x6x8x?xf32>
  return %2 : tensor<1x6x8x?xf32>
}
