// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse --remarks-filter="lower-contractions" 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err

#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>

// Filters are the left-hand side: panels of two rows with eight words along k.
// Halves of one word follow in the first panel, after its place, as
// 255 * (65 + 64) leaves 16 bits. Before them are the starts of three panels, the
// end, and the sums of six rows.
// CHECK: memref.global "private" constant @filters_rows2x32by1of1in61pairs : memref<61xi32>
memref.global "private" constant @filters : memref<6x32xi8> = dense<[
  [65, 64, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1],
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32],
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32],
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32],
  [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32],
  [64, 64, -64, -64, 127, 1, 0, -128, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3]]>

// REMARK: could saturate: 1 of 24 words of weights are multiplied in halves
// REMARK: multiplies bytes, two products summed in 16 bits in blocks of 2 x 32

func.func @main(%x: memref<32x64xi8>, %out: memref<6x64xi32>) {
  %0 = memref.get_global @filters : memref<6x32xi8>
  call @product(%0, %x, %out) : (memref<6x32xi8>, memref<32x64xi8>, memref<6x64xi32>) -> ()
  return
}

// CHECK-LABEL: func.func private @product
// CHECK-SAME:    %[[ROWS:.*]]: memref<61xi32>
// CHECK:         %[[BEGIN:.*]] = arith.index_castui %{{.*}} : i32 to index
// CHECK:         scf.for %{{.*}} = %c0 to %c8 step %c1
// CHECK:           memref.prefetch %[[ROWS]]
// CHECK:           vector.load {{.*}} : memref<{{.*}}xi32>, vector<8xi32>
// CHECK:           llvm.x86.avx2.pmadd.ub.sw
// CHECK:         %[[HALVES:.*]] = arith.addi %[[BEGIN]], %c16
// CHECK:         %[[END:.*]] = arith.index_castui %{{.*}} : i32 to index
// CHECK:         scf.for %[[AT:.*]] = %[[HALVES]] to %[[END]] step %c3
// CHECK:           memref.load %[[ROWS]][%[[AT]]]
// CHECK:           llvm.x86.avx2.pmadd.ub.sw
func.func private @product(%w: memref<6x32xi8>, %x: memref<32x64xi8>, %out: memref<6x64xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<6x64xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%w, %x : memref<6x32xi8>, memref<32x64xi8>) outs(%out : memref<6x64xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extsi %a : i8 to i32
    %1 = arith.extui %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}
