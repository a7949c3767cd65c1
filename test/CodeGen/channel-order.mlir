// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse --remarks-filter="lower-contractions" 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

#image = affine_map<(n, f, y, x, c, i, j) -> (n, c, y + i, x + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#result = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>

// Channels 0 and 1 have 100 each, and so have 2 and 3, where a sum of two
// products could leave 16 bits. In another order no word has such a pair.
// REMARK: could saturate: 0 of 3 words of weights are multiplied in halves

// Start and end of a panel, the sums of two rows, nine channels, the last of
// which stays alone, and three words of two rows each.
// CHECK: memref.global "private" constant @filters_rows2x9by1of1in19pairsordered : memref<19xi32>
memref.global "private" constant @filters : memref<2x9x1x1xi8> = dense<[
  [[[100]], [[100]], [[1]], [[2]], [[3]], [[4]], [[5]], [[6]], [[7]]],
  [[[1]], [[2]], [[100]], [[100]], [[3]], [[4]], [[5]], [[6]], [[100]]]]>

func.func @main(%x: memref<1x9x14x14xi8>, %out: memref<1x2x14x14xi32>) {
  %0 = memref.get_global @filters : memref<2x9x1x1xi8>
  call @convolution(%0, %x, %out)
      : (memref<2x9x1x1xi8>, memref<1x9x14x14xi8>, memref<1x2x14x14xi32>) -> ()
  return
}

// Each plane of the image that becomes a part of words is the one that the
// order of the filters names.
// CHECK-LABEL: func.func private @convolution
// CHECK-SAME:    %[[ROWS:[^:]*]]: memref<19xi32>
// CHECK:         %[[FIRST:.*]] = memref.load %[[ROWS]]
// CHECK:         %[[CHANNEL:.*]] = arith.index_castui %[[FIRST]] : i32 to index
// CHECK:         arith.muli %[[CHANNEL]], %c196
// CHECK:         llvm.x86.avx2.pmadd.ub.sw
func.func private @convolution(%w: memref<2x9x1x1xi8>, %x: memref<1x9x14x14xi8>, %out: memref<1x2x14x14xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<1x2x14x14xi32>)
  linalg.generic {indexing_maps = [#image, #filter, #result],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : memref<1x9x14x14xi8>, memref<2x9x1x1xi8>) outs(%out : memref<1x2x14x14xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}
