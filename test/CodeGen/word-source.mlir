// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+avxvnni threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

#image = affine_map<(n, f, y, x, c, i, j) -> (n, c, y + i, x + j)>
#filter = affine_map<(n, f, y, x, c, i, j) -> (f, c, i, j)>
#result = affine_map<(n, f, y, x, c, i, j) -> (n, f, y, x)>

// Filters of six channels have two words for each of nine taps. Two rows of
// them come after the panel's begin and end, and the sums of the rows.
// CHECK: memref.global "private" constant @filters_rows2x54by9of1in40 : memref<40xi32>
memref.global "private" constant @filters : memref<2x6x3x3xi8> = dense_resource<filters>

func.func @main(%x: memref<1x6x14x14xi8>, %out: memref<1x2x14x14xi32>) {
  %0 = memref.get_global @filters : memref<2x6x3x3xi8>
  call @convolution(%0, %x, %out)
      : (memref<2x6x3x3xi8>, memref<1x6x14x14xi8>, memref<1x2x14x14xi32>) -> ()
  return
}

// CHECK-LABEL: func.func private @convolution
// CHECK-SAME:    %[[ROWS:[^:]*]]: memref<40xi32>
// Padding is the byte 5 in each of four channels, or of two.
// CHECK-DAG:     %[[FOUR:.*]] = arith.constant 84215045 : i32
// CHECK-DAG:     %[[TWO:.*]] = arith.constant 1285 : i32
// Two planes of 16 x 16, and what vectors reach beyond them:
// CHECK:         %[[IMAGE:.*]] = memref.alloca() {alignment = 64 : i64} : memref<544xi32>
// CHECK:         memref.store %[[FOUR]], %[[IMAGE]]
// Lines of bytes become words: first 32 bits move, then bytes.
// CHECK:         vector.shuffle {{.*}} : vector<16xi8>, vector<16xi8>
// CHECK:         vector.shuffle {{.*}} [0, 2, 4, 6, 1, 3, 5, 7] :
// CHECK:         vector.shuffle {{.*}} [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 16,
// CHECK:         memref.store %[[TWO]], %[[IMAGE]]
// A vector of eight columns lies on one line of fourteen, or two:
// CHECK:         %[[FIRST:.*]] = vector.load %[[IMAGE]]
// CHECK:         %[[SECOND:.*]] = vector.load %[[IMAGE]]
// CHECK:         arith.select %{{.*}}, %[[FIRST]], %[[SECOND]] : vector<8xi1>, vector<8xi32>
// CHECK:         memref.load %[[ROWS]]
// CHECK:         llvm.x86.avx512.vpdpbusd.256
func.func private @convolution(%w: memref<2x6x3x3xi8>, %x: memref<1x6x14x14xi8>, %out: memref<1x2x14x14xi32>) {
  %zero = arith.constant 0 : i32
  %five = arith.constant 5 : i8
  %padded = memref.alloc() : memref<1x6x16x16xi8>
  linalg.fill ins(%five : i8) outs(%padded : memref<1x6x16x16xi8>)
  %inside = memref.subview %padded[0, 0, 1, 1] [1, 6, 14, 14] [1, 1, 1, 1]
      : memref<1x6x16x16xi8> to memref<1x6x14x14xi8, strided<[1536, 256, 16, 1], offset: 17>>
  memref.copy %x, %inside : memref<1x6x14x14xi8> to memref<1x6x14x14xi8, strided<[1536, 256, 16, 1], offset: 17>>
  linalg.fill ins(%zero : i32) outs(%out : memref<1x2x14x14xi32>)
  linalg.generic {indexing_maps = [#image, #filter, #result],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%padded, %w : memref<1x6x16x16xi8>, memref<2x6x3x3xi8>) outs(%out : memref<1x2x14x14xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  memref.dealloc %padded : memref<1x6x16x16xi8>
  return
}


{-#
  dialect_resources: {
    builtin: {
      filters: "0x01000000000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F202122232425262728292A2B2C2D2E2F303132333435363738393A3B3C3D3E3F404142434445464748494A4B4C4D4E4F505152535455565758595A5B5C5D5E5F606162630001020304050607"
    }
  }
#-}
