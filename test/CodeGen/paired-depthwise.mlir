// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse --split-input-file | FileCheck %s

// Depthwise convolutions of bytes: two rows of a plane are interleaved to words
// of an element and the one below it. Of the padding above the first row, there
// is none here.

#image = affine_map<(c, y, x, i, j) -> (c, y + i, x + j)>
#filter = affine_map<(c, y, x, i, j) -> (c, i, j)>
#result = affine_map<(c, y, x, i, j) -> (c, y, x)>

// Twelve products for two vectors of outputs, the ones below the others; what
// both need is loaded once.
// CHECK-LABEL: func.func private @window
// CHECK:         %[[UPPER:.*]] = vector.load
// CHECK:         %[[LOWER:.*]] = vector.load
// CHECK:         %[[BYTES:.*]] = vector.shuffle %[[UPPER]], %[[LOWER]] [0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23]
// CHECK:         arith.extui %[[BYTES]] : vector<16xi8> to vector<16xi16>
// CHECK:         vector.shuffle %[[UPPER]], %[[LOWER]] [8, 24,
// CHECK:         scf.for
// CHECK:           %[[WORDS:.*]] = vector.load {{.*}} vector<16xi16>
// CHECK:           llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[WORDS]],
// CHECK:           llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"(%[[WORDS]],
// CHECK-COUNT-10:  llvm.x86.avx2.pmadd.wd
// CHECK-NOT:       llvm.x86.avx2.pmadd.wd
// CHECK-NOT:       vector.interleave
// CHECK:         return
func.func private @window(%x: memref<4x16x22xi8>, %w: memref<4x3x3xi8>,
                          %out: memref<4x14x20xi32>) {
  linalg.generic {indexing_maps = [#image, #filter, #result],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<4x16x22xi8>, memref<4x3x3xi8>)
      outs(%out : memref<4x14x20xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %c, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// -----

// Two taps of a line are a word as well, and windows of two lines need fewer
// products so.

#image = affine_map<(c, y, x, i, j) -> (c, y + i, x + j)>
#filter = affine_map<(c, y, x, i, j) -> (c, i, j)>
#result = affine_map<(c, y, x, i, j) -> (c, y, x)>

// CHECK-LABEL: func.func private @even_window
// CHECK-NOT:     vector.shuffle
// CHECK-COUNT-4: llvm.x86.avx2.pmadd.wd
// CHECK-NOT:     llvm.x86.avx2.pmadd.wd
// CHECK:         return
func.func private @even_window(%x: memref<4x16x22xi8>, %w: memref<4x2x2xi8>,
                               %out: memref<4x15x21xi32>) {
  linalg.generic {indexing_maps = [#image, #filter, #result],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<4x16x22xi8>, memref<4x2x2xi8>)
      outs(%out : memref<4x15x21xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %c, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// -----

// A line is an image of one row, which has none below it: words are neighbours
// there. Three taps are two words, of outputs of even and odd numbers.

#image = affine_map<(c, x, j) -> (c, x + j)>
#filter = affine_map<(c, x, j) -> (c, j)>
#result = affine_map<(c, x, j) -> (c, x)>

// CHECK-LABEL: func.func private @line
// CHECK-NOT:     vector.shuffle
// CHECK-COUNT-4: llvm.x86.avx2.pmadd.wd
// CHECK-NOT:     llvm.x86.avx2.pmadd.wd
// CHECK:         vector.interleave
// CHECK:         return
func.func private @line(%x: memref<4x52xi8>, %w: memref<4x3xi8>,
                        %out: memref<4x50xi32>) {
  linalg.generic {indexing_maps = [#image, #filter, #result],
                  iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<4x52xi8>, memref<4x3xi8>)
      outs(%out : memref<4x50xi32>) {
  ^bb0(%a: i8, %b: i8, %c: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %c, %2 : i32
    linalg.yield %3 : i32
  }
  return
}
