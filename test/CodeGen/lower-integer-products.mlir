// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma,+avxvnni,-avxvnni threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,AVX2
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+sse2,+avx2,+fma,+avxvnni threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,VNNI
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx512f,+avx512bw,+avx512vnni threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,AVX512
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+neon,+dotprod threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,DOTPROD
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+neon,+dotprod,+i8mm threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,I8MM
// RUN: quant-opt %s --quantc-lower-contractions="threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefixes=CHECK,NONE

#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>
#columns = affine_map<(d0, d1, d2) -> (d1)>

// Weights that all calls know are packed as bytes in groups along k; where the
// zero point is subtracted from sums afterwards, the sums of the columns follow.
// AVX2:    memref.global "private" constant @w_packed : memref<16xi32>
// VNNI:    memref.global "private" constant @w_packed : memref<16xi32>
// DOTPROD: memref.global "private" constant @w_packed : memref<16xi32>
memref.global "private" constant @w : memref<4x8xi8> = dense<[
  [0, 1, 2, 3, 4, 5, 6, 7], [-1, 1, 2, 3, 4, 5, 6, 7],
  [-2, 1, 2, 3, 4, 5, 6, 7], [-3, 1, 2, 3, 4, 5, 6, 7]]>

func.func @main(%x: memref<12x4xi8>, %out: memref<12x8xi32>) {
  %w = memref.get_global @w : memref<4x8xi8>
  call @packed(%x, %w, %out) : (memref<12x4xi8>, memref<4x8xi8>, memref<12x8xi32>) -> ()
  return
}

// CHECK-LABEL: func.func private @packed
// No pair of these weights can saturate.
// AVX2-NOT: arith.extui
// AVX2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// AVX2: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// AVX2: arith.muli
// AVX2: arith.subi
// VNNI-NOT: extui
// VNNI: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.256"
// VNNI: arith.muli
// VNNI: arith.subi
// AVX512: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// Without a mixed instruction the signed weights become unsigned.
// DOTPROD: llvm.call_intrinsic "llvm.aarch64.neon.udot.v4i32.v16i8"
// I8MM: llvm.call_intrinsic "llvm.aarch64.neon.usdot.v4i32.v16i8"
// NONE: arith.muli
func.func private @packed(%x: memref<12x4xi8>, %w: memref<4x8xi8>, %out: memref<12x8xi32>) {
  %zero = arith.constant 0 : i32
  %c5 = arith.constant 5 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<12x8xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<12x4xi8>, memref<4x8xi8>) outs(%out : memref<12x8xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.subi %0, %c5 : i32
    %3 = arith.muli %2, %1 : i32
    %4 = arith.addi %o, %3 : i32
    linalg.yield %4 : i32
  }
  return
}

// Both signed: VNNI flips the sign bits of the left-hand side. Zero points of
// columns are read as vectors.
// CHECK-LABEL: func.func private @columns
// CHECK-SAME: %[[A:[a-z0-9]*]]: memref<7x9xi8>, %{{.*}}, %[[Z:[a-z0-9]*]]: memref<16xi8>
// AVX2: vector.load %[[Z]]
// AVX2: llvm.x86.avx2.pmadd.wd
// VNNI: arith.xori {{.*}} : vector<32xi8>
// VNNI: llvm.x86.avx512.vpdpbusd.256
// DOTPROD: llvm.aarch64.neon.sdot
// I8MM: llvm.aarch64.neon.sdot
// NONE: linalg.generic
func.func private @columns(%a: memref<7x9xi8>, %b: memref<9x16xi8>, %z: memref<16xi8>, %out: memref<7x16xi32>) {
  linalg.generic {indexing_maps = [#lhs, #rhs, #columns, #out],
                  iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%a, %b, %z : memref<7x9xi8>, memref<9x16xi8>, memref<16xi8>) outs(%out : memref<7x16xi32>) {
  ^bb0(%x: i8, %y: i8, %zero: i8, %o: i32):
    %0 = arith.extsi %x : i8 to i32
    %1 = arith.extsi %y : i8 to i32
    %2 = arith.extsi %zero : i8 to i32
    %3 = arith.subi %1, %2 : i32
    %4 = arith.muli %0, %3 : i32
    %5 = arith.addi %o, %4 : i32
    linalg.yield %5 : i32
  }
  return
}
