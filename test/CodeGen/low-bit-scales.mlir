// RUN: quant-opt %s --linalg-to-llvm="target-features=+avx2,+fma threads=false" --split-input-file | FileCheck %s

// Multiples of one number a column: 32 factors of 4 bytes, and 3 blocks of 32 bytes.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales2({{.*}} : !llvm.array<224 x i8>
// CHECK: llvm.sitofp %{{.*}} : vector<8xi8> to vector<8xf32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @bytes(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[127.0, 254.0], [1.0, 6.0], [-5.0, 2.0]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
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

// Numbers of E4M3 times one number: 448, 1.125 and so on, times 0.5.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales3({{.*}} : !llvm.array<224 x i8>
// CHECK: llvm.zext %{{.*}} : vector<8xi8> to vector<8xi32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @small_floats(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[224.0, 0.5625], [0.0009765625, 3.25], [96.0, 0.8125]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
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

// Anything else stays as it is.
// CHECK: llvm.mlir.global private constant @{{.*}}blocks3scales0({{.*}} : !llvm.array<96 x f32>
#x = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#w = affine_map<(d0, d1, d2, d3) -> (d2, d3, d1)>
#s = affine_map<(d0, d1, d2, d3) -> (d2, d1)>
#y = affine_map<(d0, d1, d2, d3) -> (d0, d1)>
func.func @floats(%x: tensor<1x3x8xf32>) -> tensor<1x2xf32> {
  %w = arith.constant dense<[[[-7, -7], [-6, -2], [-5, 3], [-4, -7], [-3, -2], [-2, 3], [-1, -7], [0, -2]], [[1, -4], [2, 1], [3, 6], [4, -4], [5, 1], [6, 6], [7, -4], [-7, 1]], [[-6, -1], [-5, 4], [-4, -6], [-3, -1], [-2, 4], [-1, -6], [0, -1], [1, 4]]]> : tensor<3x8x2xi8>
  %s = arith.constant dense<[[224.3, 0.5625], [0.2, 3.25], [96.0, 0.8125]]> : tensor<3x2xf32>
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<1x2xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<1x2xf32>) -> tensor<1x2xf32>
  %p = linalg.generic {indexing_maps = [#x, #w, #s, #y],
      iterator_types = ["parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w, %s : tensor<1x3x8xf32>, tensor<3x8x2xi8>, tensor<3x2xf32>)
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
