// RUN: quant-opt %s --quantc-outline-kernels --split-input-file | FileCheck %s --check-prefix=OUTLINE
// RUN: quant-opt %s --linalg-to-llvm="target-features=+avx2,+fma threads=false" \
// RUN:   --split-input-file | FileCheck %s

#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>

// The product is a root, and takes the elementwise op after it along.
// OUTLINE-LABEL: func.func @main
// OUTLINE-COUNT-1: kernel.call
// OUTLINE-NOT: kernel.call

// 8 codes a word, 2 blocks of 1 word, and 32 columns a panel, of which 2 exist.
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}_bits4sx8blocks2({{.*}} : !llvm.array<64 x i32>
// The scales are powers of two, of which the exponents are stored.
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}_bits4sx8blocks2scales1({{.*}} : !llvm.array<64 x i8>
// CHECK-NOT: tensor<2x8x2xi8>
// The codes are masked where they lie in the word.
// CHECK: llvm.and %{{.*}}, %{{.*}} : vector<8xi32>
// CHECK: llvm.sitofp %{{.*}} : vector<8xi32> to vector<8xf32>
// CHECK: llvm.intr.fmuladd
func.func @main(%x: tensor<1x2x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[
    [[1, 2], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [7, -8]],
    [[0, 2], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [0, 0], [2, -8]]]> : tensor<2x8x2xi8>
  %s = arith.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x2x8xf32>, tensor<2x8x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  %y = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%p : tensor<1x2xf32>) outs(%e : tensor<1x2xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %a, %zero : f32
    linalg.yield %0 : f32
  } -> tensor<1x2xf32>
  return %y : tensor<1x2xf32>
}

// -----

#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>

// Weights that are an argument cannot be packed: loops.
// OUTLINE-LABEL: func.func @argument
// OUTLINE: kernel.call
// CHECK-LABEL: @argument
// CHECK-NOT: vector<
func.func @argument(%x: tensor<1x2x8xf32>, %w: tensor<2x8x2xi8>) -> tensor<1x2xf32> {
  %s = arith.constant dense<[[1.0, 2.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x2x8xf32>, tensor<2x8x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %0 = arith.trunci %b : i8 to i4
    %1 = arith.extsi %0 : i4 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}

// -----

#x = affine_map<(d0, d1, d2) -> (d0, d2)>
#w = affine_map<(d0, d1, d2) -> (d2, d1)>
#s = affine_map<(d0, d1, d2) -> (d2 floordiv 64, d1)>
#y = affine_map<(d0, d1, d2) -> (d0, d1)>

// A block of 64 and one of 8: 16 words and 4 rows of 32 columns, and scales of two blocks.
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}_bits8sx8blocks2({{.*}} : !llvm.array<768 x i32>
// CHECK-DAG: llvm.mlir.global private constant @{{.*}}_bits8sx8blocks2scales0({{.*}} : !llvm.array<64 x f32>
// OUTLINE-LABEL: func.func @short_block
// OUTLINE: kernel.call
func.func @short_block(%x: tensor<1x72xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<"0x010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102010201020102"> : tensor<72x2xi8>
  %s = arith.constant dense<[[1.0, 3.0], [0.5, 0.25]]> : tensor<2x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w, %s : tensor<1x72xf32>, tensor<72x2xi8>, tensor<2x2xf32>)
      outs(%f : tensor<1x2xf32>) {
  ^bb0(%a: f32, %b: i8, %c: f32, %o: f32):
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.sitofp %1 : i32 to f32
    %3 = arith.mulf %2, %c : f32
    %4 = arith.mulf %a, %3 : f32
    %5 = arith.addf %o, %4 : f32
    linalg.yield %5 : f32
  } -> tensor<1x2xf32>
  return %p : tensor<1x2xf32>
}
