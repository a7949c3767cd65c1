// RUN: quant-opt %s --quantc-channels-last --canonicalize --cse --split-input-file | FileCheck %s

// Two convolutions, what lies between them and a maximum over windows change to
// channels last; one transpose each is at the borders of that part.

#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#window = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2 * 2 + d4, d3 * 2 + d5)>
#size = affine_map<(d0, d1, d2, d3, d4, d5) -> (d4, d5)>
#out = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d3)>

// CHECK-DAG: #[[$IMAGE:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1 + d4, d2 + d5, d6)>
// CHECK-DAG: #[[$FILTER:.*]] = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d3, d6, d4, d5)>
// CHECK-DAG: #[[$TAP:.*]] = affine_map<(d0, d1, d2, d3) -> (d0, d1 * 2 + 1, d2 * 2, d3)>
// CHECK-LABEL: func.func @chain
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x256x8x8xf32>
// CHECK:         %[[LAST:.*]] = linalg.transpose ins(%[[X]] {{.*}} permutation = [0, 2, 3, 1]
// CHECK:         tensor.pad %[[LAST]] low[0, 1, 1, 0] high[0, 1, 1, 0]
// CHECK:         linalg.broadcast {{.*}} dimensions = [0, 1, 2]
// CHECK:         linalg.generic {indexing_maps = [#[[$IMAGE]], #[[$FILTER]], {{.*}}outs({{.*}} : tensor<?x8x8x256xf32>)
// CHECK:         linalg.generic {{.*}} ins(%{{.*}}, %[[LAST]] : tensor<?x8x8x256xf32>, tensor<?x8x8x256xf32>)
// CHECK:         linalg.generic {indexing_maps = [#[[$IMAGE]], #[[$FILTER]]
// CHECK:         linalg.generic {indexing_maps = [{{.*}}#[[$TAP]]
// CHECK-COUNT-3:   arith.maximumf
// CHECK:         linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
// CHECK-NOT:     linalg.transpose
func.func @chain(%x: tensor<?x256x8x8xf32>, %bias: tensor<256xf32>) -> tensor<?x256x4x4xf32> {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %lowest = arith.constant 0xFF800000 : f32
  %w = arith.constant dense_resource<w> : tensor<256x256x3x3xf32>
  %batch = tensor.dim %x, %c0 : tensor<?x256x8x8xf32>
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<?x256x8x8xf32> to tensor<?x256x10x10xf32>
  %empty = tensor.empty(%batch) : tensor<?x256x8x8xf32>
  %init = linalg.broadcast ins(%bias : tensor<256xf32>) outs(%empty : tensor<?x256x8x8xf32>) dimensions = [0, 2, 3]
  %conv = linalg.conv_2d_nchw_fchw ins(%padded, %w : tensor<?x256x10x10xf32>, tensor<256x256x3x3xf32>)
      outs(%init : tensor<?x256x8x8xf32>) -> tensor<?x256x8x8xf32>
  %sum = linalg.generic {indexing_maps = [#id, #id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%conv, %x : tensor<?x256x8x8xf32>, tensor<?x256x8x8xf32>) outs(%empty : tensor<?x256x8x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  } -> tensor<?x256x8x8xf32>
  %padded2 = tensor.pad %sum low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<?x256x8x8xf32> to tensor<?x256x10x10xf32>
  %conv2 = linalg.conv_2d_nchw_fchw ins(%padded2, %w : tensor<?x256x10x10xf32>, tensor<256x256x3x3xf32>)
      outs(%init : tensor<?x256x8x8xf32>) -> tensor<?x256x8x8xf32>
  %half = tensor.empty(%batch) : tensor<?x256x4x4xf32>
  %start = linalg.fill ins(%lowest : f32) outs(%half : tensor<?x256x4x4xf32>) -> tensor<?x256x4x4xf32>
  %shape = tensor.empty() : tensor<2x2xf32>
  %pool = linalg.generic {indexing_maps = [#window, #size, #out],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%conv2, %shape : tensor<?x256x8x8xf32>, tensor<2x2xf32>) outs(%start : tensor<?x256x4x4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.maximumf %o, %a : f32
    linalg.yield %0 : f32
  } -> tensor<?x256x4x4xf32>
  return %pool : tensor<?x256x4x4xf32>
}

// -----

// What asks for a size only needs no image.
// CHECK-LABEL: func.func @size
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<?x512x1x1xf32>
// CHECK:         tensor.dim %[[X]], %c0
// CHECK-COUNT-1: linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
func.func @size(%x: tensor<?x512x1x1xf32>) -> (tensor<?x512x1x1xf32>, index) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense_resource<w> : tensor<512x512x3x3xf32>
  %batch = tensor.dim %x, %c0 : tensor<?x512x1x1xf32>
  %empty = tensor.empty(%batch) : tensor<?x512x1x1xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x512x1x1xf32>) -> tensor<?x512x1x1xf32>
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<?x512x1x1xf32> to tensor<?x512x3x3xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%padded, %w : tensor<?x512x3x3xf32>, tensor<512x512x3x3xf32>)
      outs(%init : tensor<?x512x1x1xf32>) -> tensor<?x512x1x1xf32>
  %size = tensor.dim %conv, %c0 : tensor<?x512x1x1xf32>
  return %conv, %size : tensor<?x512x1x1xf32>, index
}

// -----

// Sizes that only the call knows are taken for usual ones: here all are about
// the same.
// CHECK-LABEL: func.func @dynamic
// CHECK-SAME:    %[[X:[a-z0-9]+]]: tensor<1x3x?x?xf32>
// CHECK:         linalg.transpose ins(%[[X]] {{.*}} permutation = [0, 2, 3, 1]
// CHECK:         linalg.generic {{.*}} outs({{.*}} : tensor<1x?x?x256xf32>)
// CHECK:         linalg.generic {{.*}} outs({{.*}} : tensor<1x?x?x256xf32>)
// CHECK:         linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
// CHECK-NOT:     linalg.transpose
func.func @dynamic(%x: tensor<1x3x?x?xf32>) -> tensor<1x256x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %w0 = arith.constant dense_resource<w> : tensor<256x3x3x3xf32>
  %w1 = arith.constant dense_resource<w> : tensor<256x256x3x3xf32>
  %h = tensor.dim %x, %c2 : tensor<1x3x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x3x?x?xf32>
  %h0 = arith.subi %h, %c2 : index
  %ww0 = arith.subi %w, %c2 : index
  %h1 = arith.subi %h0, %c2 : index
  %ww1 = arith.subi %ww0, %c2 : index
  %empty = tensor.empty(%h0, %ww0) : tensor<1x256x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %w0 : tensor<1x3x?x?xf32>, tensor<256x3x3x3xf32>)
      outs(%init : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  %empty1 = tensor.empty(%h1, %ww1) : tensor<1x256x?x?xf32>
  %init1 = linalg.fill ins(%zero : f32) outs(%empty1 : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  %conv1 = linalg.conv_2d_nchw_fchw ins(%conv, %w1 : tensor<1x256x?x?xf32>, tensor<256x256x3x3xf32>)
      outs(%init1 : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  return %conv1 : tensor<1x256x?x?xf32>
}

// -----

// Of a result that is smaller than the image, to transpose the image is not
// worth it; of one that is as large, it would be.
// CHECK-LABEL: func.func @halved
// CHECK-NOT:     linalg.transpose
// CHECK:         linalg.conv_2d_nchw_fchw
// CHECK-LABEL: func.func @whole
// CHECK:         linalg.transpose
func.func @halved(%x: tensor<1x256x?x?xf32>) -> tensor<1x16x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %filter = arith.constant dense_resource<w> : tensor<16x256x3x3xf32>
  %h = tensor.dim %x, %c2 : tensor<1x256x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x256x?x?xf32>
  %h2 = arith.floordivsi %h, %c2 : index
  %w2 = arith.floordivsi %w, %c2 : index
  %empty = tensor.empty(%h2, %w2) : tensor<1x16x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>} ins(%x, %filter : tensor<1x256x?x?xf32>, tensor<16x256x3x3xf32>)
      outs(%init : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  return %conv : tensor<1x16x?x?xf32>
}
func.func @whole(%x: tensor<1x256x?x?xf32>) -> tensor<1x16x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %filter = arith.constant dense_resource<w> : tensor<16x256x3x3xf32>
  %h = tensor.dim %x, %c2 : tensor<1x256x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x256x?x?xf32>
  %h0 = arith.subi %h, %c2 : index
  %w0 = arith.subi %w, %c2 : index
  %empty = tensor.empty(%h0, %w0) : tensor<1x16x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %filter : tensor<1x256x?x?xf32>, tensor<16x256x3x3xf32>)
      outs(%init : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  return %conv : tensor<1x16x?x?xf32>
}

// -----

// What is padded for some sizes only is as large as what is not: to transpose an
// image of 224x224 would not be worth it.
// CHECK-LABEL: func.func @padded_for_some
// CHECK:         %[[CHOSEN:.*]] = scf.if
// CHECK:         linalg.transpose ins(%[[CHOSEN]] {{.*}} permutation = [0, 2, 3, 1]
// CHECK:         linalg.generic {{.*}} outs({{.*}} : tensor<1x?x?x16xf32>)
// CHECK:         linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
func.func @padded_for_some(%x: tensor<1x256x?x?xf32>, %odd: i1) -> tensor<1x16x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %c8 = arith.constant 8 : index
  %zero = arith.constant 0.0 : f32
  %filter = arith.constant dense_resource<w> : tensor<16x256x3x3xf32>
  %h = tensor.dim %x, %c2 : tensor<1x256x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x256x?x?xf32>
  %h8 = arith.floordivsi %h, %c8 : index
  %w8 = arith.floordivsi %w, %c8 : index
  %small = tensor.extract_slice %x[0, 0, 0, 0] [1, 256, %h8, %w8] [1, 1, 8, 8]
      : tensor<1x256x?x?xf32> to tensor<1x256x?x?xf32>
  %size = tensor.empty(%h8, %w8) : tensor<1x256x?x?xf32>
  %copy = linalg.copy ins(%small : tensor<1x256x?x?xf32>) outs(%size : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  %image = scf.if %odd -> tensor<1x256x?x?xf32> {
    %padded = tensor.pad %copy low[0, 0, 0, 0] high[0, 0, 1, 1] {
    ^bb0(%a: index, %b: index, %c: index, %d: index):
      tensor.yield %zero : f32
    } : tensor<1x256x?x?xf32> to tensor<1x256x?x?xf32>
    scf.yield %padded : tensor<1x256x?x?xf32>
  } else {
    scf.yield %copy : tensor<1x256x?x?xf32>
  }
  %h0 = arith.subi %h8, %c2 : index
  %w0 = arith.subi %w8, %c2 : index
  %empty = tensor.empty(%h0, %w0) : tensor<1x16x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%image, %filter : tensor<1x256x?x?xf32>, tensor<16x256x3x3xf32>)
      outs(%init : tensor<1x16x?x?xf32>) -> tensor<1x16x?x?xf32>
  return %conv : tensor<1x16x?x?xf32>
}

// -----

// Lines of windows of three channels are no whole vectors: a single such
// convolution does not gain what its transposes take.
// CHECK-LABEL: func.func @stem
// CHECK-NOT:     linalg.transpose
// CHECK:         linalg.conv_2d_nchw_fchw
func.func @stem(%x: tensor<1x3x?x?xf32>) -> tensor<1x64x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %filter = arith.constant dense_resource<w> : tensor<64x3x7x7xf32>
  %h = tensor.dim %x, %c2 : tensor<1x3x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x3x?x?xf32>
  %h2 = arith.floordivsi %h, %c2 : index
  %w2 = arith.floordivsi %w, %c2 : index
  %empty = tensor.empty(%h2, %w2) : tensor<1x64x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x64x?x?xf32>) -> tensor<1x64x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>} ins(%x, %filter : tensor<1x3x?x?xf32>, tensor<64x3x7x7xf32>)
      outs(%init : tensor<1x64x?x?xf32>) -> tensor<1x64x?x?xf32>
  return %conv : tensor<1x64x?x?xf32>
}

// -----

// Images that are joined change together.
// CHECK-LABEL: func.func @joined
// CHECK:         tensor.concat dim(3) {{.*}} (tensor<1x?x?x512xf32>, tensor<1x?x?x256xf32>) -> tensor<1x?x?x768xf32>
// CHECK-COUNT-1: linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
// CHECK-NOT:     linalg.transpose
func.func @joined(%x: tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %zero = arith.constant 0.0 : f32
  %w0 = arith.constant dense_resource<w> : tensor<512x256x3x3xf32>
  %w1 = arith.constant dense_resource<w> : tensor<256x768x3x3xf32>
  %h = tensor.dim %x, %c2 : tensor<1x256x?x?xf32>
  %w = tensor.dim %x, %c3 : tensor<1x256x?x?xf32>
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x256x?x?xf32> to tensor<1x256x?x?xf32>
  %empty = tensor.empty(%h, %w) : tensor<1x512x?x?xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x512x?x?xf32>) -> tensor<1x512x?x?xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%padded, %w0 : tensor<1x256x?x?xf32>, tensor<512x256x3x3xf32>)
      outs(%init : tensor<1x512x?x?xf32>) -> tensor<1x512x?x?xf32>
  %both = tensor.concat dim(1) %conv, %x : (tensor<1x512x?x?xf32>, tensor<1x256x?x?xf32>) -> tensor<1x768x?x?xf32>
  %paddedBoth = tensor.pad %both low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x768x?x?xf32> to tensor<1x768x?x?xf32>
  %empty1 = tensor.empty(%h, %w) : tensor<1x256x?x?xf32>
  %init1 = linalg.fill ins(%zero : f32) outs(%empty1 : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  %conv1 = linalg.conv_2d_nchw_fchw ins(%paddedBoth, %w1 : tensor<1x768x?x?xf32>, tensor<256x768x3x3xf32>)
      outs(%init1 : tensor<1x256x?x?xf32>) -> tensor<1x256x?x?xf32>
  return %conv1 : tensor<1x256x?x?xf32>
}

// -----

// A single one does not gain what its transposes take.
// CHECK-LABEL: func.func @single
// CHECK:         linalg.conv_2d_nchw_fchw
func.func @single(%x: tensor<1x64x8x8xf32>) -> tensor<1x64x8x8xf32> {
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense_resource<w> : tensor<64x64x1x1xf32>
  %empty = tensor.empty() : tensor<1x64x8x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x64x8x8xf32>) -> tensor<1x64x8x8xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x64x8x8xf32>, tensor<64x64x1x1xf32>)
      outs(%init : tensor<1x64x8x8xf32>) -> tensor<1x64x8x8xf32>
  return %conv : tensor<1x64x8x8xf32>
}

// -----

// Filters that are no constant cannot be packed.
// CHECK-LABEL: func.func @notConstant
// CHECK:         linalg.conv_2d_nchw_fchw
func.func @notConstant(%x: tensor<1x256x1x1xf32>, %w: tensor<256x256x1x1xf32>) -> tensor<1x256x1x1xf32> {
  %zero = arith.constant 0.0 : f32
  %empty = tensor.empty() : tensor<1x256x1x1xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x256x1x1xf32>) -> tensor<1x256x1x1xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %w : tensor<1x256x1x1xf32>, tensor<256x256x1x1xf32>)
      outs(%init : tensor<1x256x1x1xf32>) -> tensor<1x256x1x1xf32>
  return %conv : tensor<1x256x1x1xf32>
}

// -----

#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#mean = affine_map<(d0, d1, d2, d3) -> (d0, d1)>

// A sum depends on its order, and is left as it is.
// CHECK-LABEL: func.func @sum
// CHECK:         arith.maximumf
// CHECK:         } -> tensor<1x2x2x512xf32>
// CHECK:         %[[FIRST:.*]] = linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
// CHECK:         linalg.generic {{.*}} iterator_types = ["parallel", "parallel", "reduction", "reduction"]} ins(%[[FIRST]]
func.func @sum(%x: tensor<1x512x2x2xf32>) -> tensor<1x512xf32> {
  %zero = arith.constant 0.0 : f32
  %w = arith.constant dense_resource<w> : tensor<512x512x3x3xf32>
  %empty = tensor.empty() : tensor<1x512x2x2xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x512x2x2xf32>) -> tensor<1x512x2x2xf32>
  %padded = tensor.pad %x low[0, 0, 1, 1] high[0, 0, 1, 1] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x512x2x2xf32> to tensor<1x512x4x4xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%padded, %w : tensor<1x512x4x4xf32>, tensor<512x512x3x3xf32>)
      outs(%init : tensor<1x512x2x2xf32>) -> tensor<1x512x2x2xf32>
  %relu = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%conv : tensor<1x512x2x2xf32>) outs(%empty : tensor<1x512x2x2xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %a, %zero : f32
    linalg.yield %0 : f32
  } -> tensor<1x512x2x2xf32>
  %row = tensor.empty() : tensor<1x512xf32>
  %start = linalg.fill ins(%zero : f32) outs(%row : tensor<1x512xf32>) -> tensor<1x512xf32>
  %mean = linalg.generic {indexing_maps = [#id, #mean], iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%relu : tensor<1x512x2x2xf32>) outs(%start : tensor<1x512xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a : f32
    linalg.yield %0 : f32
  } -> tensor<1x512xf32>
  return %mean : tensor<1x512xf32>
}

// -----

// What others read padded is transposed before it is, once for all of them.
// CHECK-LABEL: func.func @padded_for_others
// CHECK:         %[[CONV:.*]] = linalg.generic {{.*}} outs({{.*}} : tensor<1x16x16x256xf32>)
// CHECK:         %[[FIRST:.*]] = linalg.transpose ins(%[[CONV]] {{.*}} permutation = [0, 3, 1, 2]
// CHECK-NOT:     linalg.transpose
// CHECK:         tensor.pad %[[FIRST]] low[0, 0, 6, 6]
// CHECK:         tensor.pad %[[FIRST]] low[0, 0, 12, 12]
// CHECK-NOT:     linalg.transpose
func.func @padded_for_others(%x: tensor<1x256x18x18xf32>) -> (tensor<1x8x16x16xf32>, tensor<1x8x16x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %w0 = arith.constant dense_resource<w> : tensor<256x256x3x3xf32>
  %w1 = arith.constant dense_resource<w> : tensor<8x256x3x3xf32>
  %empty = tensor.empty() : tensor<1x256x16x16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<1x256x16x16xf32>) -> tensor<1x256x16x16xf32>
  %conv = linalg.conv_2d_nchw_fchw ins(%x, %w0 : tensor<1x256x18x18xf32>, tensor<256x256x3x3xf32>)
      outs(%init : tensor<1x256x16x16xf32>) -> tensor<1x256x16x16xf32>
  %padded6 = tensor.pad %conv low[0, 0, 6, 6] high[0, 0, 6, 6] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x256x16x16xf32> to tensor<1x256x28x28xf32>
  %padded12 = tensor.pad %conv low[0, 0, 12, 12] high[0, 0, 12, 12] {
  ^bb0(%a: index, %b: index, %c: index, %d: index):
    tensor.yield %zero : f32
  } : tensor<1x256x16x16xf32> to tensor<1x256x40x40xf32>
  %small = tensor.empty() : tensor<1x8x16x16xf32>
  %start = linalg.fill ins(%zero : f32) outs(%small : tensor<1x8x16x16xf32>) -> tensor<1x8x16x16xf32>
  %y6 = linalg.conv_2d_nchw_fchw {dilations = dense<6> : tensor<2xi64>} ins(%padded6, %w1 : tensor<1x256x28x28xf32>, tensor<8x256x3x3xf32>)
      outs(%start : tensor<1x8x16x16xf32>) -> tensor<1x8x16x16xf32>
  %y12 = linalg.conv_2d_nchw_fchw {dilations = dense<12> : tensor<2xi64>} ins(%padded12, %w1 : tensor<1x256x40x40xf32>, tensor<8x256x3x3xf32>)
      outs(%start : tensor<1x8x16x16xf32>) -> tensor<1x8x16x16xf32>
  return %y6, %y12 : tensor<1x8x16x16xf32>, tensor<1x8x16x16xf32>
}
