// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse --remarks-filter="lower-contractions" 2>%t.err | FileCheck %s
// RUN: FileCheck %s --check-prefix=REMARK < %t.err
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2 threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefix=SSE2

#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>

// Two products of u8 by s8 may be summed in 16 bits if 255 times the sum of the
// positive weights, and of the negative ones, stays in range: 64 + 64 does.
// The packed panel ends with the sums of its columns.
// CHECK-DAG: memref.global "private" constant @proved_packed : memref<24xi32>
// Of three words, one has 65 beside 64, which is no pair if its bytes take
// another order, and one has a pair like that in each order. The panel ends
// with the places of its words: wide ones are last.
// CHECK-DAG: memref.global "private" constant @mixed_packed : memref<40xi32>
// Where nothing could be proved, bytes in pairs are widened as ever.
// CHECK-DAG: memref.global "private" constant @unproved_packed : memref<32xi16>
memref.global "private" constant @proved : memref<8x8xi8> = dense<[
  [64, -64, 127, -128, 1, 0, 0, 0], [64, -64, -127, 127, 1, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1],
  [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8],
  [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]]>
memref.global "private" constant @mixed : memref<12x8xi8> = dense<[
  [65, 0, 0, 0, 0, 0, 0, 0], [64, 64, 0, 0, 0, 0, 0, 0],
  [64, 0, 0, 0, 0, 0, 0, 0], [64, 65, 1, 1, 1, 1, 1, 1],
  [65, 0, 0, 0, 0, 0, 0, 0], [64, 0, 0, 0, 0, 0, 0, 0],
  [0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1, 1, 1],
  [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8],
  [1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]]>
memref.global "private" constant @unproved : memref<8x8xi8> = dense<[
  [65, 0, 0, 0, 0, 0, 0, 0], [64, 0, 0, 0, 0, 0, 0, 0],
  [64, 0, 0, 0, 0, 0, 0, 0], [65, 1, 1, 1, 1, 1, 1, 1],
  [-65, 2, 3, 4, 5, 6, 7, 8], [-65, 2, 3, 4, 5, 6, 7, 8],
  [-65, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4, 5, 6, 7, 8]]>

// REMARK: could saturate: 1 of 1 panels of weights are proved not to, of 2 words 0 are turned and 0 are widened
// REMARK: multiplies bytes, two products summed in 16 bits in blocks of 10 x 8
// REMARK: could saturate: 0 of 1 panels of weights are proved not to, of 3 words 1 are turned and 1 are widened
// REMARK: could saturate: all bytes are widened, as too many of the weights are large
// REMARK: multiplies bytes widened to 16 bits, two products summed in 32 bits in blocks of {{.*}} x 8

func.func @main(%x: memref<64x8xi8>, %y: memref<64x12xi8>, %out: memref<64x8xi32>) {
  %0 = memref.get_global @proved : memref<8x8xi8>
  %1 = memref.get_global @mixed : memref<12x8xi8>
  %2 = memref.get_global @unproved : memref<8x8xi8>
  call @all_pairs(%x, %0, %out) : (memref<64x8xi8>, memref<8x8xi8>, memref<64x8xi32>) -> ()
  call @some_pairs(%y, %1, %out) : (memref<64x12xi8>, memref<12x8xi8>, memref<64x8xi32>) -> ()
  call @no_pairs(%x, %2, %out) : (memref<64x8xi8>, memref<8x8xi8>, memref<64x8xi32>) -> ()
  return
}

// CHECK-LABEL: func.func private @all_pairs
// CHECK: llvm.x86.avx2.pmadd.ub.sw
// CHECK-NOT: arith.extsi
// SSE2-LABEL: func.func private @all_pairs
// SSE2-NOT: pmadd.ub
func.func private @all_pairs(%x: memref<64x8xi8>, %w: memref<8x8xi8>, %out: memref<64x8xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<64x8xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<64x8xi8>, memref<8x8xi8>) outs(%out : memref<64x8xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// CHECK-LABEL: func.func private @some_pairs
// All forms of the left-hand side's words are kept.
// CHECK: vector.shuffle {{.*}} [0, 2, 1, 3, 4, 6, 5, 7,
// CHECK: vector.shuffle {{.*}} [0, 3, 1, 2, 4, 7, 5, 6,
// CHECK: arith.extui {{.*}} : vector<32xi8> to vector<32xi16>
// CHECK: memref.load %{{.*}} : memref<40xi32>
// CHECK: llvm.x86.avx2.pmadd.ub.sw
// CHECK: arith.extsi {{.*}} : vector<16xi8> to vector<16xi16>
// CHECK-NOT: pmadd.ub
// CHECK: llvm.x86.avx2.pmadd.wd
// SSE2-LABEL: func.func private @some_pairs
// SSE2-NOT: pmadd.ub
func.func private @some_pairs(%x: memref<64x12xi8>, %w: memref<12x8xi8>, %out: memref<64x8xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<64x8xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<64x12xi8>, memref<12x8xi8>) outs(%out : memref<64x8xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// CHECK-LABEL: func.func private @no_pairs
// CHECK-NOT: pmadd.ub
// CHECK: llvm.x86.avx2.pmadd.wd
// SSE2-LABEL: func.func private @no_pairs
// SSE2-NOT: pmadd.ub
func.func private @no_pairs(%x: memref<64x8xi8>, %w: memref<8x8xi8>, %out: memref<64x8xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<64x8xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<64x8xi8>, memref<8x8xi8>) outs(%out : memref<64x8xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}
