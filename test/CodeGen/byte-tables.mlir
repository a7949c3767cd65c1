// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx512f,+avx512bw,+avx512vnni,+avx512vbmi threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,VBMI
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,AVX2

#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
#same = affine_map<(d0, d1) -> (d0, d1)>

// Bytes that a table holds for the sums of a product are looked up in registers.
// CHECK-LABEL: func.func private @product
// CHECK-SAME:    %[[TABLE:[^:]*]]: memref<256xi8>
// VBMI:          arith.trunci %{{.*}} : vector<16xi32> to vector<16xi8>
// VBMI:          vector.load %[[TABLE]][%c192] : memref<256xi8>, vector<64xi8>
// VBMI:          vector.shuffle {{.*}} : vector<16xi8>, vector<16xi8>
// VBMI-COUNT-2:  llvm.x86.avx512.vpermi2var.qi.512
// Two rows of two vectors each at once, where 32 bytes fill a register.
// AVX2:          arith.trunci %{{.*}} : vector<32xi32> to vector<32xi8>
// AVX2-COUNT-16: llvm.x86.avx2.pshuf.b
// AVX2:          vector.extract_strided_slice %[[FOUND:.*]] {offsets = [0], sizes = [8], strides = [1]} : vector<32xi8>
// AVX2:          vector.extract_strided_slice %[[FOUND]] {offsets = [8]
// AVX2:          vector.extract_strided_slice %[[FOUND]] {offsets = [16]
// AVX2:          vector.extract_strided_slice %[[FOUND]] {offsets = [24]
// CHECK-NOT:     linalg.generic
// CHECK:         return
func.func private @product(%table: memref<256xi8>, %w: memref<32x32xi8>, %x: memref<32x64xi8>, %out: memref<32x64xi8>) {
  %zero = arith.constant 0 : i32
  %sums = memref.alloc() : memref<32x64xi32>
  linalg.fill ins(%zero : i32) outs(%sums : memref<32x64xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%w, %x : memref<32x32xi8>, memref<32x64xi8>) outs(%sums : memref<32x64xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  linalg.generic {indexing_maps = [#same, #same], iterator_types = ["parallel", "parallel"]}
      ins(%sums : memref<32x64xi32>) outs(%out : memref<32x64xi8>) {
  ^bb0(%s: i32, %o: i8):
    %0 = arith.trunci %s : i32 to i8
    %1 = arith.index_castui %0 : i8 to index
    %2 = memref.load %table[%1] : memref<256xi8>
    linalg.yield %2 : i8
  }
  memref.dealloc %sums : memref<32x64xi32>
  return
}
