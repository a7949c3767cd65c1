// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma,+avx512f,+avx512bw,+avx512vnni threads=false" | FileCheck %s
// RUN: quant-opt %s --linalg-to-llvm="target-features=+sse2,+avx2,+fma,+avx512f,+avx512bw threads=false" | FileCheck %s --check-prefix=FLOAT

#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>

// Codes of 8 bits and rows of bytes: four products at a time have their sum in
// 32 bits, where there is such an instruction. Sums of 16 bits would overflow.
// CHECK-COUNT-4: llvm.call_intrinsic "llvm.x86.avx512.vpdpbusd.512"
// CHECK-NOT: pmaddubs
// FLOAT-NOT: call_intrinsic
func.func @eight_bits(%x: tensor<6x2x32xi8>) -> tensor<6x2xf32> {
  %w = arith.constant dense<"0x0B30557A9FC4E90E33587DA2C7EC11365B80A5CAEF14395E83A8CDF2173C6186ABD0F51A3F6489AED3F81D42678CB1D6FB20456A8FB4D9FE23486D92B7DC01264B7095BADF04294E7398BDE2072C51769BC0E50A2F54799EC3E80D32577CA1C6EB10355A7FA4C9EE13385D82A7CCF1163B6085AACFF4193E6388ADD2F71C4166"> : tensor<2x32x2xi8>
  %s = arith.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<6x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<6x2xf32>) -> tensor<6x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<6x2x32xi8>, tensor<2x32x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<6x2xf32>) {
  ^bb0(%a: i8, %b: i8, %c: f32, %o: f32):
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %i = arith.sitofp %a : i8 to f32
    %4 = arith.mulf %i, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<6x2xf32>
  return %p : tensor<6x2xf32>
}
