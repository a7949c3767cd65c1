// RUN: quant-opt %s --quantc-channels-last="target-features=+avx512f,+avx512bw,+avx512vnni" | FileCheck %s
// RUN: quant-opt %s --quantc-channels-last="target-features=+sse2,+ssse3,+avx2,+fma" | FileCheck %s --check-prefix=PAIRS

// Bytes stay channels first where their products are summed in pairs and
// registers are few, unless there are few positions.

#image = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d4, d2 + d5, d3 + d6)>
#filter = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d1, d4, d5, d6)>
#out = affine_map<(d0, d1, d2, d3, d4, d5, d6) -> (d0, d1, d2, d3)>

// CHECK-LABEL: func.func @bytes
// CHECK-COUNT-2: linalg.transpose
// PAIRS-LABEL: func.func @bytes
// PAIRS-NOT:     linalg.transpose
// PAIRS:         linalg.generic
// PAIRS-NOT:     linalg.transpose
func.func @bytes(%x: tensor<1x512x10x10xi8>) -> tensor<1x4096x8x8xi32> {
  %zero = arith.constant 0 : i32
  %w = arith.constant dense_resource<w> : tensor<4096x512x3x3xi8>
  %empty = tensor.empty() : tensor<1x4096x8x8xi32>
  %init = linalg.fill ins(%zero : i32) outs(%empty : tensor<1x4096x8x8xi32>) -> tensor<1x4096x8x8xi32>
  %0 = linalg.generic {indexing_maps = [#image, #filter, #out],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<1x512x10x10xi8>, tensor<4096x512x3x3xi8>) outs(%init : tensor<1x4096x8x8xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %1 = arith.extui %a : i8 to i32
    %2 = arith.extsi %b : i8 to i32
    %3 = arith.muli %1, %2 : i32
    %4 = arith.addi %o, %3 : i32
    linalg.yield %4 : i32
  } -> tensor<1x4096x8x8xi32>
  return %0 : tensor<1x4096x8x8xi32>
}

// CHECK-LABEL: func.func @few
// CHECK-COUNT-2: linalg.transpose
// PAIRS-LABEL: func.func @few
// PAIRS-COUNT-2: linalg.transpose
func.func @few(%x: tensor<1x512x6x6xi8>) -> tensor<1x4096x4x4xi32> {
  %zero = arith.constant 0 : i32
  %w = arith.constant dense_resource<w> : tensor<4096x512x3x3xi8>
  %empty = tensor.empty() : tensor<1x4096x4x4xi32>
  %init = linalg.fill ins(%zero : i32) outs(%empty : tensor<1x4096x4x4xi32>) -> tensor<1x4096x4x4xi32>
  %0 = linalg.generic {indexing_maps = [#image, #filter, #out],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction", "reduction", "reduction"]}
      ins(%x, %w : tensor<1x512x6x6xi8>, tensor<4096x512x3x3xi8>) outs(%init : tensor<1x4096x4x4xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %1 = arith.extui %a : i8 to i32
    %2 = arith.extsi %b : i8 to i32
    %3 = arith.muli %1, %2 : i32
    %4 = arith.addi %o, %3 : i32
    linalg.yield %4 : i32
  } -> tensor<1x4096x4x4xi32>
  return %0 : tensor<1x4096x4x4xi32>
}
