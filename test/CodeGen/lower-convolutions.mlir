// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

// The padded input is never stored: packing the windows looks at the bounds.
// CHECK-LABEL: func.func private @padded
// CHECK-SAME:    %[[X:.*]]: memref<1x3x10x10xf32>
// CHECK-NOT: memref.alloc()
// CHECK: memref.reinterpret_cast %[[X]]
// CHECK: arith.cmpi ult
// CHECK: vector.fma
// CHECK-NOT: linalg
func.func private @padded(%x: memref<1x3x10x10xf32>, %w: memref<8x3x3x3xf32>,
                          %out: memref<1x8x10x10xf32>) {
  %zero = arith.constant 0.0 : f32
  %p = memref.alloc() : memref<1x3x12x12xf32>
  linalg.fill ins(%zero : f32) outs(%p : memref<1x3x12x12xf32>)
  %s = memref.subview %p[0, 0, 1, 1] [1, 3, 10, 10] [1, 1, 1, 1]
      : memref<1x3x12x12xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  memref.copy %x, %s : memref<1x3x10x10xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x8x10x10xf32>)
  linalg.conv_2d_nchw_fchw ins(%p, %w : memref<1x3x12x12xf32>, memref<8x3x3x3xf32>)
                           outs(%out : memref<1x8x10x10xf32>)
  memref.dealloc %p : memref<1x3x12x12xf32>
  return
}

// With a stride of 2, windows at the border are packed in vectors as well: the
// even ones of two, without what lies outside.
// CHECK-LABEL: func.func private @strided
// CHECK:         %[[LOW:.*]] = vector.maskedload
// CHECK:         %[[FIRST:.*]] = arith.select %{{.*}}, %[[LOW]]
// CHECK:         %[[HIGH:.*]] = vector.maskedload
// CHECK:         %[[SECOND:.*]] = arith.select %{{.*}}, %[[HIGH]]
// CHECK:         vector.shuffle %[[FIRST]], %[[SECOND]] [0, 2, 4, 6, 9, 11, 13, 15]
// Eight filters are two blocks of four rows, not one of six and one of two.
// CHECK-NOT:     :12 = scf.for
// CHECK:         :8 = scf.for
// CHECK-NOT:     :12 = scf.for
// CHECK-NOT:     linalg
func.func private @strided(%x: memref<1x3x10x10xf32>, %w: memref<8x3x3x3xf32>,
                           %out: memref<1x8x5x5xf32>) {
  %zero = arith.constant 0.0 : f32
  %p = memref.alloc() : memref<1x3x12x12xf32>
  linalg.fill ins(%zero : f32) outs(%p : memref<1x3x12x12xf32>)
  %s = memref.subview %p[0, 0, 1, 1] [1, 3, 10, 10] [1, 1, 1, 1]
      : memref<1x3x12x12xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  memref.copy %x, %s : memref<1x3x10x10xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x8x5x5xf32>)
  linalg.conv_2d_nchw_fchw {strides = dense<2> : tensor<2xi64>}
      ins(%p, %w : memref<1x3x12x12xf32>, memref<8x3x3x3xf32>) outs(%out : memref<1x8x5x5xf32>)
  memref.dealloc %p : memref<1x3x12x12xf32>
  return
}

// A depthwise convolution copies lines with their padding to a buffer in
// the cache, and reads that without a check. Two lines of results are computed
// side by side, each as one chain: nothing is added up but by products.
// CHECK-LABEL: func.func private @depthwise
// CHECK:         %[[BUFFER:.*]] = memref.alloca() {alignment = 64 : i64} : memref<{{[0-9]+}}xf32>
// CHECK:         arith.cmpi ult
// CHECK-COUNT-18: vector.fma
// CHECK-NOT:     {{vector.fma|arith.addf}}
// CHECK-COUNT-2: arith.maximumf
// CHECK-NOT:     linalg
func.func private @depthwise(%x: memref<1x4x?x?xf32>, %w: memref<4x3x3xf32>,
                             %out: memref<1x4x?x?xf32>, %h: index, %n: index) {
  %zero = arith.constant 0.0 : f32
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %sh = memref.dim %x, %c2 : memref<1x4x?x?xf32>
  %sn = memref.dim %x, %c3 : memref<1x4x?x?xf32>
  %p = memref.alloc(%h, %n) : memref<1x4x?x?xf32>
  linalg.fill ins(%zero : f32) outs(%p : memref<1x4x?x?xf32>)
  %s = memref.subview %p[0, 0, 1, 1] [1, 4, %sh, %sn] [1, 1, 1, 1]
      : memref<1x4x?x?xf32> to memref<1x4x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>
  memref.copy %x, %s : memref<1x4x?x?xf32> to memref<1x4x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x4x?x?xf32>)
  linalg.depthwise_conv_2d_nchw_chw {strides = dense<2> : tensor<2xi64>}
      ins(%p, %w : memref<1x4x?x?xf32>, memref<4x3x3xf32>) outs(%out : memref<1x4x?x?xf32>)
  linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%out : memref<1x4x?x?xf32>) outs(%out : memref<1x4x?x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %a, %zero : f32
    linalg.yield %r : f32
  }
  memref.dealloc %p : memref<1x4x?x?xf32>
  return
}

// What is added may be in the memory of the result: nothing is written to it
// before it is read.
// CHECK-LABEL: func.func private @depthwise_sum(
// CHECK-COUNT-18: vector.fma
// CHECK-NOT:     arith.maxsi
// CHECK:         vector.maskedload
// CHECK:         vector.maskedstore
// CHECK-NOT:     linalg
func.func private @depthwise_sum(%x: memref<1x4x?x?xf32>, %w: memref<4x3x3xf32>,
                                 %other: memref<1x4x?x?xf32>,
                                 %out: memref<1x4x?x?xf32>, %h: index, %n: index) {
  %zero = arith.constant 0.0 : f32
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %sh = memref.dim %x, %c2 : memref<1x4x?x?xf32>
  %sn = memref.dim %x, %c3 : memref<1x4x?x?xf32>
  %p = memref.alloc(%h, %n) : memref<1x4x?x?xf32>
  linalg.fill ins(%zero : f32) outs(%p : memref<1x4x?x?xf32>)
  %s = memref.subview %p[0, 0, 1, 1] [1, 4, %sh, %sn] [1, 1, 1, 1]
      : memref<1x4x?x?xf32> to memref<1x4x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>
  memref.copy %x, %s : memref<1x4x?x?xf32> to memref<1x4x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x4x?x?xf32>)
  linalg.depthwise_conv_2d_nchw_chw {strides = dense<2> : tensor<2xi64>}
      ins(%p, %w : memref<1x4x?x?xf32>, memref<4x3x3xf32>) outs(%out : memref<1x4x?x?xf32>)
  linalg.generic {indexing_maps = [affine_map<(a, b, c, d) -> (a, b, c, d)>, affine_map<(a, b, c, d) -> (a, b, c, d)>,
                                   affine_map<(a, b, c, d) -> (a, b, c, d)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%out, %other : memref<1x4x?x?xf32>, memref<1x4x?x?xf32>) outs(%other : memref<1x4x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  }
  memref.dealloc %p : memref<1x4x?x?xf32>
  return
}
