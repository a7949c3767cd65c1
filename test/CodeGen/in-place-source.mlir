// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx512f threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

#image = affine_map<(n, f, y, x, c, i, j) -> (n, c, y + i, x + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#result = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>

memref.global "private" constant @filters : memref<2x1x3x3xf32> = dense_resource<filters>

func.func @main(%x: memref<1x1x20x20xf32>, %out: memref<1x2x20x20xf32>) {
  %0 = memref.get_global @filters : memref<2x1x3x3xf32>
  call @convolution(%0, %x, %out)
      : (memref<2x1x3x3xf32>, memref<1x1x20x20xf32>, memref<1x2x20x20xf32>) -> ()
  return
}

// CHECK-LABEL: func.func private @convolution
// CHECK-SAME:    %[[ROWS:[^:]*]]: memref<{{.*}}xi32>
// CHECK-SAME:    memref<1x1x20x20xf32>, %{{.*}}: memref<1x2x20x20xf32>
// A plane of 22 x 22, and what eight vectors reach beyond it, on both sides:
// CHECK:         %[[IMAGE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<772xf32>
// No panel is made: the lines of a window are 22 elements apart in the image,
// and its taps follow each other.
// CHECK:         scf.for %[[LINE:.*]] = %c0 to %c3 step %c1 iter_args
// CHECK:           %[[BELOW:.*]] = arith.muli %[[LINE]], %c22
// CHECK:           %[[AT:.*]] = arith.addi %{{.*}}, %[[BELOW]]
// CHECK:           %[[TAP:.*]] = vector.load %[[IMAGE]][%[[AT]]]
// CHECK:           memref.load %[[ROWS]]
// CHECK:           vector.fma %{{.*}}, %[[TAP]],
// CHECK:           %[[NEXT:.*]] = arith.addi %[[AT]], %c1 :
// CHECK:           vector.load %[[IMAGE]][%[[NEXT]]]
// A vector that holds the end of a line is stored in pieces, without the two
// elements of padding that follow: up to the end, and from the next line on.
// CHECK:         %[[END:.*]] = vector.create_mask
// CHECK:         %[[LAST:.*]] = vector.create_mask
// CHECK:         %[[FIRST:.*]] = vector.create_mask
// CHECK:         %[[BEHIND:.*]] = arith.xori %[[FIRST]],
// CHECK:         %[[START:.*]] = arith.andi %[[LAST]], %[[BEHIND]]
// CHECK:         vector.maskedstore %{{.*}}, %[[END]],
// CHECK:         vector.maskedstore %{{.*}}, %[[START]],
func.func private @convolution(%w: memref<2x1x3x3xf32>, %x: memref<1x1x20x20xf32>, %out: memref<1x2x20x20xf32>) {
  %zero = arith.constant 0.0 : f32
  %padded = memref.alloc() : memref<1x1x22x22xf32>
  linalg.fill ins(%zero : f32) outs(%padded : memref<1x1x22x22xf32>)
  %inside = memref.subview %padded[0, 0, 1, 1] [1, 1, 20, 20] [1, 1, 1, 1]
      : memref<1x1x22x22xf32> to memref<1x1x20x20xf32, strided<[484, 484, 22, 1], offset: 23>>
  memref.copy %x, %inside : memref<1x1x20x20xf32> to memref<1x1x20x20xf32, strided<[484, 484, 22, 1], offset: 23>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x2x20x20xf32>)
  linalg.generic {indexing_maps = [#image, #filter, #result],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%padded, %w : memref<1x1x22x22xf32>, memref<2x1x3x3xf32>) outs(%out : memref<1x2x20x20xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  memref.dealloc %padded : memref<1x1x22x22xf32>
  return
}

{-#
  dialect_resources: {
    builtin: {
      filters: "0x04000000000000000000803F0000004000004040000080400000A0400000C0400000E04000000041000010410000204100003041000040410000504100006041000070410000804100008841"
    }
  }
#-}
