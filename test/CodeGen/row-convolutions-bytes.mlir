// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx512f,+avx512bw,+avx512vnni,+avx2 threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

// Bytes with channels innermost: a line of a window is nine elements, which
// take three words, the last of them with three zeros. So 16 filters of three
// lines are 144 words, and their sums follow.

#image = affine_map<(n, y, x, f, i, j, c) -> (n, y + i, x + j, c)>
#filter = affine_map<(n, y, x, f, i, j, c) -> (f, c, i, j)>
#out = affine_map<(n, y, x, f, i, j, c) -> (n, y, x, f)>

// CHECK: memref.global "private" constant @w_packed : memref<160xi32>
memref.global "private" constant @w : memref<16x3x3x3xi8> = dense<[[[[-3, -2, -1], [-1, 0, 1], [1, 2, 3]], [[0, 1, 2], [2, 3, -3], [-3, -2, -1]], [[3, -3, -2], [-2, -1, 0], [0, 1, 2]]], [[[2, 3, -3], [-3, -2, -1], [-1, 0, 1]], [[-2, -1, 0], [0, 1, 2], [2, 3, -3]], [[1, 2, 3], [3, -3, -2], [-2, -1, 0]]], [[[0, 1, 2], [2, 3, -3], [-3, -2, -1]], [[3, -3, -2], [-2, -1, 0], [0, 1, 2]], [[-1, 0, 1], [1, 2, 3], [3, -3, -2]]], [[[-2, -1, 0], [0, 1, 2], [2, 3, -3]], [[1, 2, 3], [3, -3, -2], [-2, -1, 0]], [[-3, -2, -1], [-1, 0, 1], [1, 2, 3]]], [[[3, -3, -2], [-2, -1, 0], [0, 1, 2]], [[-1, 0, 1], [1, 2, 3], [3, -3, -2]], [[2, 3, -3], [-3, -2, -1], [-1, 0, 1]]], [[[1, 2, 3], [3, -3, -2], [-2, -1, 0]], [[-3, -2, -1], [-1, 0, 1], [1, 2, 3]], [[0, 1, 2], [2, 3, -3], [-3, -2, -1]]], [[[-1, 0, 1], [1, 2, 3], [3, -3, -2]], [[2, 3, -3], [-3, -2, -1], [-1, 0, 1]], [[-2, -1, 0], [0, 1, 2], [2, 3, -3]]], [[[-3, -2, -1], [-1, 0, 1], [1, 2, 3]], [[0, 1, 2], [2, 3, -3], [-3, -2, -1]], [[3, -3, -2], [-2, -1, 0], [0, 1, 2]]], [[[2, 3, -3], [-3, -2, -1], [-1, 0, 1]], [[-2, -1, 0], [0, 1, 2], [2, 3, -3]], [[1, 2, 3], [3, -3, -2], [-2, -1, 0]]], [[[0, 1, 2], [2, 3, -3], [-3, -2, -1]], [[3, -3, -2], [-2, -1, 0], [0, 1, 2]], [[-1, 0, 1], [1, 2, 3], [3, -3, -2]]], [[[-2, -1, 0], [0, 1, 2], [2, 3, -3]], [[1, 2, 3], [3, -3, -2], [-2, -1, 0]], [[-3, -2, -1], [-1, 0, 1], [1, 2, 3]]], [[[3, -3, -2], [-2, -1, 0], [0, 1, 2]], [[-1, 0, 1], [1, 2, 3], [3, -3, -2]], [[2, 3, -3], [-3, -2, -1], [-1, 0, 1]]], [[[1, 2, 3], [3, -3, -2], [-2, -1, 0]], [[-3, -2, -1], [-1, 0, 1], [1, 2, 3]], [[0, 1, 2], [2, 3, -3], [-3, -2, -1]]], [[[-1, 0, 1], [1, 2, 3], [3, -3, -2]], [[2, 3, -3], [-3, -2, -1], [-1, 0, 1]], [[-2, -1, 0], [0, 1, 2], [2, 3, -3]]], [[[-3, -2, -1], [-1, 0, 1], [1, 2, 3]], [[0, 1, 2], [2, 3, -3], [-3, -2, -1]], [[3, -3, -2], [-2, -1, 0], [0, 1, 2]]], [[[2, 3, -3], [-3, -2, -1], [-1, 0, 1]], [[-2, -1, 0], [0, 1, 2], [2, 3, -3]], [[1, 2, 3], [3, -3, -2], [-2, -1, 0]]]]>

func.func @main(%x: memref<1x6x9x3xi8>, %out: memref<1x4x7x16xi32>) {
  %w = memref.get_global @w : memref<16x3x3x3xi8>
  call @conv(%x, %w, %out) : (memref<1x6x9x3xi8>, memref<16x3x3x3xi8>, memref<1x4x7x16xi32>) -> ()
  return
}

// Each row is packed in three segments: from lines of 27 elements, to every
// third word.
// CHECK-LABEL: func.func private @conv
// CHECK:         scf.for %[[I:.*]] = %c0 to %c3 step %c1
// CHECK-DAG:       arith.muli %[[I]], %c27
// CHECK-DAG:       arith.muli %[[I]], %c3
// CHECK:           vector.maskedload
// CHECK:           vector.store
// CHECK:         llvm.x86.avx512.vpdpbusd.512
func.func private @conv(%x: memref<1x6x9x3xi8>, %w: memref<16x3x3x3xi8>, %out: memref<1x4x7x16xi32>) {
  %zero = arith.constant 0 : i32
  %point = arith.constant 7 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<1x4x7x16xi32>)
  linalg.generic {indexing_maps = [#image, #filter, #out], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : memref<1x6x9x3xi8>, memref<16x3x3x3xi8>) outs(%out : memref<1x4x7x16xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.subi %0, %point : i32
    %2 = arith.extsi %b : i8 to i32
    %3 = arith.muli %1, %2 : i32
    %4 = arith.addi %o, %3 : i32
    linalg.yield %4 : i32
  }
  return
}
