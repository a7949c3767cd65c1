// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

// A convolution with channels innermost: positions are rows, six at once here,
// and filters are columns, packed along (height, width, channels).

#image = affine_map<(n, y, x, f, i, j, c) -> (n, y * 2 + i, x + j, c)>
#filter = affine_map<(n, y, x, f, i, j, c) -> (f, c, i, j)>
#out = affine_map<(n, y, x, f, i, j, c) -> (n, y, x, f)>

// CHECK: memref.global "private" constant @w_packed : memref<144xf32>
memref.global "private" constant @w : memref<8x2x3x3xf32> = dense<[[[[-3.0, -2.0, -1.0], [-1.0, 0.0, 1.0], [1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0], [2.0, 3.0, -3.0], [-3.0, -2.0, -1.0]]], [[[2.0, 3.0, -3.0], [-3.0, -2.0, -1.0], [-1.0, 0.0, 1.0]], [[-2.0, -1.0, 0.0], [0.0, 1.0, 2.0], [2.0, 3.0, -3.0]]], [[[0.0, 1.0, 2.0], [2.0, 3.0, -3.0], [-3.0, -2.0, -1.0]], [[3.0, -3.0, -2.0], [-2.0, -1.0, 0.0], [0.0, 1.0, 2.0]]], [[[-2.0, -1.0, 0.0], [0.0, 1.0, 2.0], [2.0, 3.0, -3.0]], [[1.0, 2.0, 3.0], [3.0, -3.0, -2.0], [-2.0, -1.0, 0.0]]], [[[3.0, -3.0, -2.0], [-2.0, -1.0, 0.0], [0.0, 1.0, 2.0]], [[-1.0, 0.0, 1.0], [1.0, 2.0, 3.0], [3.0, -3.0, -2.0]]], [[[1.0, 2.0, 3.0], [3.0, -3.0, -2.0], [-2.0, -1.0, 0.0]], [[-3.0, -2.0, -1.0], [-1.0, 0.0, 1.0], [1.0, 2.0, 3.0]]], [[[-1.0, 0.0, 1.0], [1.0, 2.0, 3.0], [3.0, -3.0, -2.0]], [[2.0, 3.0, -3.0], [-3.0, -2.0, -1.0], [-1.0, 0.0, 1.0]]], [[[-3.0, -2.0, -1.0], [-1.0, 0.0, 1.0], [1.0, 2.0, 3.0]], [[0.0, 1.0, 2.0], [2.0, 3.0, -3.0], [-3.0, -2.0, -1.0]]]]>

func.func @main(%x: memref<1x5x12x2xf32>, %out: memref<1x2x12x8xf32>) {
  %w = memref.get_global @w : memref<8x2x3x3xf32>
  call @padded(%x, %w, %out) : (memref<1x5x12x2xf32>, memref<8x2x3x3xf32>, memref<1x2x12x8xf32>) -> ()
  %any = memref.cast %x : memref<1x5x12x2xf32> to memref<?x?x?x2xf32>
  %anyOut = memref.cast %out : memref<1x2x12x8xf32> to memref<?x?x?x8xf32>
  call @dynamic(%any, %w, %anyOut) : (memref<?x?x?x2xf32>, memref<8x2x3x3xf32>, memref<?x?x?x8xf32>) -> ()
  return
}

// The copy with padding has lines of 14 positions; a window reads three
// segments, each of six elements, from lines that are 28 elements apart.
// CHECK-LABEL: func.func private @padded
// CHECK:         %[[COPY:.*]] = memref.alloca() {{.*}} : memref<140xf32>
// CHECK:         scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK:           %[[SEGMENT:.*]] = arith.muli %{{.*}}, %c28
// CHECK:           memref.load %[[COPY]]
// CHECK:           vector.fma
func.func private @padded(%x: memref<1x5x12x2xf32>, %w: memref<8x2x3x3xf32>, %out: memref<1x2x12x8xf32>) {
  %zero = arith.constant 0.0 : f32
  %image = memref.alloc() : memref<1x5x14x2xf32>
  linalg.fill ins(%zero : f32) outs(%image : memref<1x5x14x2xf32>)
  %inside = memref.subview %image[0, 0, 1, 0] [1, 5, 12, 2] [1, 1, 1, 1]
      : memref<1x5x14x2xf32> to memref<1x5x12x2xf32, strided<[140, 28, 2, 1], offset: 2>>
  memref.copy %x, %inside : memref<1x5x12x2xf32> to memref<1x5x12x2xf32, strided<[140, 28, 2, 1], offset: 2>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x2x12x8xf32>)
  linalg.generic {indexing_maps = [#image, #filter, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%image, %w : memref<1x5x14x2xf32>, memref<8x2x3x3xf32>) outs(%out : memref<1x2x12x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  memref.dealloc %image : memref<1x5x14x2xf32>
  return
}

// The same of an image of any size: a tile finds its first position by a
// division, and the others by asking where their line ends.
// CHECK-LABEL: func.func private @dynamic
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<?x?x?x2xf32>
// CHECK:         %[[WIDTH:.*]] = memref.dim %{{.*}}, %c2 : memref<?x?x?x8xf32>
// CHECK:         arith.divui %{{.*}}, %[[WIDTH]]
// CHECK:         %[[ENDS:.*]] = arith.cmpi eq, %{{.*}}, %[[WIDTH]]
// CHECK:         arith.select %[[ENDS]]
// CHECK-NOT:     arith.divui %{{.*}}, %[[WIDTH]]
// CHECK:         vector.fma
func.func private @dynamic(%x: memref<?x?x?x2xf32>, %w: memref<8x2x3x3xf32>, %out: memref<?x?x?x8xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<?x?x?x8xf32>)
  linalg.generic {indexing_maps = [#image, #filter, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : memref<?x?x?x2xf32>, memref<8x2x3x3xf32>) outs(%out : memref<?x?x?x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}
