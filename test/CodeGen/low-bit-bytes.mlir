// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma threads=false" | FileCheck %s
// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma,+avx512f,+avx512bw threads=false" | FileCheck %s --check-prefix=WIDE
// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma,+avx512f,+avx512bw,+avx512vnni threads=false" | FileCheck %s --check-prefix=FOUR
// RUN: quant-opt %s --linalg-to-llvm="target-features=+neon threads=false" | FileCheck %s --check-prefix=FLOAT

#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>

// Rows of bytes: two codes and two bytes a step, four rows for each unpacking.
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.wd"
// WIDE-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.pmaddubs.w.512"
// Four products at a time go into sums of 32 bits.
// FOUR-NOT: pmaddubs
// FOUR-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// FOUR-NOT: pmaddw
// Other targets multiply floats.
// FLOAT-NOT: call_intrinsic
func.func @bytes(%x: tensor<6x2x32xi8>) -> tensor<6x2xf32> {
  %w = arith.constant dense<"0xF90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD04FC03FB02FA01F90007FF06FE05FD"> : tensor<2x32x2xi8>
  %s = arith.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<6x2xf32>) -> tensor<6x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<6x2x32xi8>, tensor<2x32x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<6x2xf32>) {
  ^bb0(%a: i8, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %i = arith.sitofp %a : i8 to f32
    %4 = arith.mulf %i, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<6x2xf32>
  return %p : tensor<6x2xf32>
}

// Codes of E2M1 are multiples of 0.5 up to 12 times that: a shuffle of bytes
// finds these, and the rest is as for integers.
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pshuf.b"
// CHECK: llvm.call_intrinsic "llvm.x86.avx2.pmadd.ub.sw"
// WIDE: llvm.call_intrinsic "llvm.x86.avx512.pshuf.b.512"
func.func @small_floats(%x: tensor<1x2x16xf32>) -> tensor<1x2xf32> {
  %t = arith.constant dense<[0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0,
      -0.0, -0.5, -1.0, -1.5, -2.0, -3.0, -4.0, -6.0]> : tensor<16xf32>
  %w = arith.constant dense<"0x00050A0F04090E03080D02070C01060B00050A0F04090E03080D02070C01060B00050A0F04090E03080D02070C01060B00050A0F04090E03080D02070C01060B"> : tensor<2x16x2xi8>
  %s = arith.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x2x16xf32>, tensor<2x16x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.index_castui %0 : i4 to index
    %2 = tensor.extract %t[%1] : tensor<16xf32>
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}
