// RUN: quant-opt %s --quantc-fold-movement --canonicalize | FileCheck %s

// CHECK-DAG: #[[$A:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d1, d4)>
// CHECK-DAG: #[[$B:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d1, d4)>
// CHECK-DAG: #[[$C:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d1, d3)>

#id = affine_map<(d0, d1) -> (d0, d1)>

// A broadcast of what has the size of the loop already is no broadcast.
// CHECK-LABEL: func.func @whole_loop
// CHECK-SAME:    %[[X:.*]]: tensor<8x?xf32>
// CHECK:         linalg.generic
// CHECK-SAME:      ins(%[[X]] : tensor<8x?xf32>)
// CHECK-NEXT:    ^bb0
// CHECK-NEXT:      math.exp
func.func @whole_loop(%x: tensor<8x?xf32>) -> tensor<8x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c1 : tensor<8x?xf32>
  %one = arith.cmpi eq, %n, %c1 : index
  %factor = arith.select %one, %c0, %c1 : index
  %e = tensor.empty(%n) : tensor<8x?xf32>
  %0 = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]}
      outs(%e : tensor<8x?xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %at = arith.muli %j, %factor : index
    %v = tensor.extract %x[%i, %at] : tensor<8x?xf32>
    %s = math.exp %v : f32
    linalg.yield %s : f32
  } -> tensor<8x?xf32>
  return %0 : tensor<8x?xf32>
}

// Where the loop may be longer, both the broadcast and the read stay, and so
// does a read of a part of a tensor.
// CHECK-LABEL: func.func @other_size
// CHECK:         arith.muli
// CHECK:         tensor.extract
// CHECK:         tensor.extract
func.func @other_size(%x: tensor<8x?xf32>, %large: tensor<9x9xf32>, %m: index) -> tensor<8x?xf32> {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %n = tensor.dim %x, %c1 : tensor<8x?xf32>
  %one = arith.cmpi eq, %n, %c1 : index
  %factor = arith.select %one, %c0, %c1 : index
  %e = tensor.empty(%m) : tensor<8x?xf32>
  %0 = linalg.generic {indexing_maps = [#id], iterator_types = ["parallel", "parallel"]}
      outs(%e : tensor<8x?xf32>) {
  ^bb0(%o: f32):
    %i = linalg.index 0 : index
    %j = linalg.index 1 : index
    %at = arith.muli %j, %factor : index
    %v = tensor.extract %x[%i, %at] : tensor<8x?xf32>
    %w = tensor.extract %large[%i, %j] : tensor<9x9xf32>
    %s = arith.addf %v, %w : f32
    linalg.yield %s : f32
  } -> tensor<8x?xf32>
  return %0 : tensor<8x?xf32>
}

#a = affine_map<(b, h, m, n, k) -> (b, h, m, k)>
#b = affine_map<(b, h, m, n, k) -> (b, h, k, n)>
#c = affine_map<(b, h, m, n, k) -> (b, h, m, n)>

// The transposes of an attention: the query's, the key's and the result's fold.
// CHECK-LABEL: func.func @attention
// CHECK-SAME:    %[[Q:.*]]: tensor<2x5x3x4xf32>, %[[K:.*]]: tensor<2x5x3x4xf32>
// CHECK-NOT:     linalg.transpose
// CHECK:         linalg.generic {indexing_maps = [#[[$A]], #[[$B]], #[[$C]]]
// CHECK-SAME:      ins(%[[Q]], %[[K]]
// CHECK-NOT:     linalg.transpose
func.func @attention(%q: tensor<2x5x3x4xf32>, %k: tensor<2x5x3x4xf32>) -> tensor<2x5x3x5xf32> {
  %zero = arith.constant 0.0 : f32
  %eq = tensor.empty() : tensor<2x3x5x4xf32>
  %qt = linalg.transpose ins(%q : tensor<2x5x3x4xf32>) outs(%eq : tensor<2x3x5x4xf32>) permutation = [0, 2, 1, 3]
  %ek = tensor.empty() : tensor<2x3x4x5xf32>
  %kt = linalg.transpose ins(%k : tensor<2x5x3x4xf32>) outs(%ek : tensor<2x3x4x5xf32>) permutation = [0, 2, 3, 1]
  %e = tensor.empty() : tensor<2x3x5x5xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e : tensor<2x3x5x5xf32>) -> tensor<2x3x5x5xf32>
  %0 = linalg.generic {indexing_maps = [#a, #b, #c],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%qt, %kt : tensor<2x3x5x4xf32>, tensor<2x3x4x5xf32>) outs(%fill : tensor<2x3x5x5xf32>) {
  ^bb0(%x: f32, %y: f32, %o: f32):
    %p = arith.mulf %x, %y : f32
    %s = arith.addf %o, %p : f32
    linalg.yield %s : f32
  } -> tensor<2x3x5x5xf32>
  %eo = tensor.empty() : tensor<2x5x3x5xf32>
  %result = linalg.transpose ins(%0 : tensor<2x3x5x5xf32>) outs(%eo : tensor<2x5x3x5xf32>) permutation = [0, 2, 1, 3]
  return %result : tensor<2x5x3x5xf32>
}

// A left-hand side whose sum would no longer run along lines keeps its copy.
// CHECK-LABEL: func.func @left
// CHECK:         linalg.transpose
func.func @left(%x: tensor<2x4x3x5xf32>, %y: tensor<2x3x4x6xf32>, %out: tensor<2x3x5x6xf32>) -> tensor<2x3x5x6xf32> {
  %e = tensor.empty() : tensor<2x3x5x4xf32>
  %xt = linalg.transpose ins(%x : tensor<2x4x3x5xf32>) outs(%e : tensor<2x3x5x4xf32>) permutation = [0, 2, 3, 1]
  %0 = linalg.generic {indexing_maps = [#a, #b, #c],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%xt, %y : tensor<2x3x5x4xf32>, tensor<2x3x4x6xf32>) outs(%out : tensor<2x3x5x6xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %o, %p : f32
    linalg.yield %s : f32
  } -> tensor<2x3x5x6xf32>
  return %0 : tensor<2x3x5x6xf32>
}

// A bias is added to the result of a convolution, not to its start.
// CHECK-LABEL: func.func @bias
// CHECK-SAME:    %{{.*}}: tensor<1x3x8x8xf32>, %{{.*}}: tensor<4x3x3x3xf32>, %[[BIAS:.*]]: tensor<4xf32>
// CHECK-NOT:     linalg.broadcast
// CHECK:         %[[FILL:.*]] = linalg.fill
// CHECK:         %[[SUM:.*]] = linalg.conv_2d_nchw_fchw {{.*}} outs(%[[FILL]]
// CHECK:         %[[RESULT:.*]] = linalg.generic
// CHECK-SAME:      ins(%[[SUM]], %[[BIAS]]
// CHECK:           arith.addf
// CHECK:         return %[[RESULT]]
func.func @bias(%x: tensor<1x3x8x8xf32>, %w: tensor<4x3x3x3xf32>, %bias: tensor<4xf32>) -> tensor<1x4x6x6xf32> {
  %e = tensor.empty() : tensor<1x4x6x6xf32>
  %b = linalg.broadcast ins(%bias : tensor<4xf32>) outs(%e : tensor<1x4x6x6xf32>) dimensions = [0, 2, 3]
  %0 = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32>)
      outs(%b : tensor<1x4x6x6xf32>) -> tensor<1x4x6x6xf32>
  return %0 : tensor<1x4x6x6xf32>
}

#image = affine_map<(n, o, h, kh, w, kw, c) -> (n, c, h, w)>
#filter = affine_map<(n, o, h, kh, w, kw, c) -> (c, o, kh, kw)>
#window = affine_map<(n, o, h, kh, w, kw, c) -> (n, o, h, kh, w, kw)>

// A transposed convolution writes lines of the image, then interleaves them.
// CHECK-LABEL: func.func @interleave
// CHECK:         %[[LINES:.*]] = linalg.generic
// CHECK-SAME:      outs(%{{.*}} : tensor<1x3x2x2x8x8xf32>)
// CHECK:         %[[RESULT:.*]] = linalg.transpose ins(%[[LINES]] : tensor<1x3x2x2x8x8xf32>)
// CHECK-SAME:      permutation = [0, 1, 4, 2, 5, 3]
// CHECK:         return %[[RESULT]]
func.func @interleave(%x: tensor<1x5x8x8xf32>, %w: tensor<5x3x2x2xf32>) -> tensor<1x3x8x2x8x2xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x3x8x2x8x2xf32>
  %fill = linalg.fill ins(%zero : f32) outs(%e : tensor<1x3x8x2x8x2xf32>) -> tensor<1x3x8x2x8x2xf32>
  %0 = linalg.generic {indexing_maps = [#image, #filter, #window],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%x, %w : tensor<1x5x8x8xf32>, tensor<5x3x2x2xf32>) outs(%fill : tensor<1x3x8x2x8x2xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.mulf %a, %b : f32
    %s = arith.addf %o, %p : f32
    linalg.yield %s : f32
  } -> tensor<1x3x8x2x8x2xf32>
  return %0 : tensor<1x3x8x2x8x2xf32>
}
