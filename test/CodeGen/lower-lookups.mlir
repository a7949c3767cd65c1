// RUN: quant-opt %s --quantc-lower-lookups="target-features=+avx512f,+avx512bw,+avx512vbmi" --canonicalize --cse \
// RUN:   | FileCheck %s --check-prefixes=CHECK,VBMI
// RUN: quant-opt %s --quantc-lower-lookups="target-features=+sse2,+avx2" --canonicalize --cse \
// RUN:   | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: quant-opt %s --quantc-lower-lookups="target-features=+sse2" --canonicalize --cse \
// RUN:   | FileCheck %s --check-prefixes=CHECK,NONE

#same = affine_map<(i, j) -> (i, j)>
#swapped = affine_map<(i, j) -> (j, i)>

// CHECK-LABEL: func.func private @lookup
// CHECK-SAME:    %[[TABLE:[^:]*]]: memref<256xi8>
// NONE:          linalg.generic
// VBMI:          arith.cmpi sgt, %{{.*}}, %c262144
// VBMI:          omp.parallel
// VBMI:            %[[ROW0:.*]] = vector.load %[[TABLE]][%c0]
// VBMI:            %[[ROW1:.*]] = vector.load %[[TABLE]][%c64]
// VBMI:            %[[ROW2:.*]] = vector.load %[[TABLE]][%c128]
// VBMI:            %[[ROW3:.*]] = vector.load %[[TABLE]][%c192]
// VBMI:            scf.for
// VBMI:              %[[BYTES:.*]] = vector.load {{.*}} vector<64xi8>
// VBMI:              %[[HIGH:.*]] = arith.cmpi slt, %[[BYTES]]
// VBMI:              %[[UPPER:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.qi.512"(%[[ROW2]], %[[BYTES]], %[[ROW3]])
// VBMI:              %[[LOWER:.*]] = llvm.call_intrinsic "llvm.x86.avx512.vpermi2var.qi.512"(%[[ROW0]], %[[BYTES]], %[[ROW1]])
// VBMI:              arith.select %[[HIGH]], %[[UPPER]], %[[LOWER]]
// VBMI:            vector.maskedload
// VBMI:            vector.maskedstore
// AVX2-DAG:      %[[FOUR:.*]] = arith.constant dense<15> : vector<32xi8>
// AVX2-DAG:      %[[THREE:.*]] = arith.constant dense<3> : vector<32xi8>
// AVX2:          omp.parallel
// AVX2:            %[[ROW0:.*]] = vector.load %[[TABLE]][%c0] : memref<256xi8>, vector<16xi8>
// AVX2:            %[[ROW1:.*]] = vector.load %[[TABLE]][%c16]
// AVX2:            scf.for
// AVX2:              %[[BYTES:.*]] = vector.load {{.*}} vector<32xi8>
// AVX2:              %[[PLACES:.*]] = arith.andi %[[BYTES]], %[[FOUR]]
// AVX2:              %[[SIGNS:.*]] = arith.shli %[[BYTES]], %[[THREE]]
// AVX2:              %[[FIFTH:.*]] = arith.cmpi slt, %[[SIGNS]]
// AVX2:              %[[BOTH0:.*]] = vector.shuffle %[[ROW0]], %[[ROW0]]
// AVX2:              %[[FOUND0:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%[[BOTH0]], %[[PLACES]])
// AVX2:              %[[BOTH1:.*]] = vector.shuffle %[[ROW1]], %[[ROW1]]
// AVX2:              %[[FOUND1:.*]] = llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"(%[[BOTH1]], %[[PLACES]])
// AVX2:              arith.select %[[FIFTH]], %[[FOUND1]], %[[FOUND0]]
// AVX2-COUNT-14:     llvm.x86.avx2.pshuf.b
// AVX2:            scf.for
// AVX2:              memref.load %[[TABLE]]
func.func private @lookup(%table: memref<256xi8>, %x: memref<?x?xi8>, %y: memref<?x?xi8>) {
  linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<?x?xi8>) outs(%y : memref<?x?xi8>) {
  ^bb0(%a: i8, %o: i8):
    %0 = arith.index_castui %a : i8 to index
    %1 = memref.load %table[%0] : memref<256xi8>
    linalg.yield %1 : i8
  }
  return
}

// Not byte for byte:
// CHECK-LABEL: func.func private @transposed
// CHECK:         linalg.generic
func.func private @transposed(%table: memref<256xi8>, %x: memref<8x8xi8>, %y: memref<8x8xi8>) {
  linalg.generic {indexing_maps = [#swapped, #same], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<8x8xi8>) outs(%y : memref<8x8xi8>) {
  ^bb0(%a: i8, %o: i8):
    %0 = arith.index_castui %a : i8 to index
    %1 = memref.load %table[%0] : memref<256xi8>
    linalg.yield %1 : i8
  }
  return
}

// A shorter table is not looked up so.
// CHECK-LABEL: func.func private @short
// CHECK:         linalg.generic
func.func private @short(%table: memref<16xi8>, %x: memref<8x8xi8>, %y: memref<8x8xi8>) {
  linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<8x8xi8>) outs(%y : memref<8x8xi8>) {
  ^bb0(%a: i8, %o: i8):
    %0 = arith.index_castui %a : i8 to index
    %1 = memref.load %table[%0] : memref<16xi8>
    linalg.yield %1 : i8
  }
  return
}
