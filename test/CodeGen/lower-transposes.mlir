// RUN: quant-opt %s --quantc-lower-transposes='target-features=+avx2' --canonicalize --cse | FileCheck %s

#identity = affine_map<(d0, d1) -> (d0, d1)>
#swapped = affine_map<(d0, d1) -> (d1, d0)>

// Height and width are one dimension of 36 positions: 4 whole squares of 8 and
// 4 elements in each row of 16 channels.
// CHECK-LABEL: func.func private @to_channels_first(
//       CHECK:   memref.collapse_shape {{.*}} : memref<1x6x6x16xf32> into memref<1x36x16xf32>
//       CHECK:   scf.for %[[ROW:.*]] = %c0 to %c16 step %c8
//       CHECK:     scf.for %[[COLUMN:.*]] = %c0 to %c32 step %c8
// CHECK-COUNT-8:       vector.load {{.*}} : memref<1x36x16xf32>, vector<8xf32>
//   CHECK-NEXT:        vector.shuffle %{{.*}}, %{{.*}} [0, 8, 1, 9, 2, 10, 3, 11]
//   CHECK-NEXT:        vector.shuffle %{{.*}}, %{{.*}} [4, 12, 5, 13, 6, 14, 7, 15]
// CHECK-COUNT-22:      vector.shuffle
//   CHECK-NOT:         vector.shuffle
// CHECK-COUNT-8:       vector.store {{.*}} : memref<1x16x36xf32>, vector<8xf32>
//       CHECK:       scf.for
//       CHECK:         scf.for
//       CHECK:           memref.load
//  CHECK-NEXT:           memref.store
//       CHECK:   return
func.func private @to_channels_first(%in: memref<1x6x6x16xf32>, %out: memref<1x16x6x6xf32>) {
  linalg.transpose ins(%in : memref<1x6x6x16xf32>) outs(%out : memref<1x16x6x6xf32>) permutation = [0, 3, 1, 2]
  return
}

// Squares of bytes have 16 rows; what is computed is vectors, and what lies
// along the rows is one number for each of them. Strips have 256 columns.
// CHECK-LABEL: func.func private @fused(
//       CHECK:   omp.loop_nest
//       CHECK:     arith.muli {{.*}}, %c256
// CHECK-COUNT-16:  vector.load %arg0{{.*}} : memref<?x32xi8>, vector<16xi8>
// CHECK-COUNT-64:  vector.shuffle
//       CHECK:     %[[SCALAR:.*]] = memref.load %arg1
//       CHECK:     %[[ROW:.*]] = vector.broadcast %[[SCALAR]] : i8 to vector<16xi8>
//       CHECK:     %[[OTHER:.*]] = vector.load %arg2{{.*}} : memref<32x?xi8>, vector<16xi8>
//       CHECK:     %[[SUM:.*]] = arith.addi {{.*}}, %[[ROW]] : vector<16xi8>
//       CHECK:     arith.xori %[[SUM]], %[[OTHER]] : vector<16xi8>
//       CHECK:     vector.store
func.func private @fused(%in: memref<?x32xi8>, %rows: memref<32xi8>, %other: memref<32x?xi8>, %out: memref<32x?xi8>) {
  linalg.generic {indexing_maps = [#swapped, affine_map<(d0, d1) -> (d0)>, #identity, #identity], iterator_types = ["parallel", "parallel"]}
      ins(%in, %rows, %other : memref<?x32xi8>, memref<32xi8>, memref<32x?xi8>) outs(%out : memref<32x?xi8>) {
  ^bb0(%x: i8, %row: i8, %y: i8, %_: i8):
    %sum = arith.addi %x, %row : i8
    %result = arith.xori %sum, %y : i8
    linalg.yield %result : i8
  }
  return
}

// The output's order of dimensions is that of the loops, whatever it was.
// CHECK-LABEL: func.func private @other_order(
//       CHECK:   scf.for %[[COLUMN:.*]] = %c0 to %c64 step %c8
//       CHECK:     vector.load %arg0[%[[COLUMN]], %c0] : memref<64x8xf16>, vector<8xf16>
// CHECK-COUNT-24:  vector.shuffle
//       CHECK:     vector.store {{.*}}, %arg1[%c0, %[[COLUMN]]] : memref<8x64xf16>, vector<8xf16>
func.func private @other_order(%in: memref<64x8xf16>, %out: memref<8x64xf16>) {
  linalg.generic {indexing_maps = [#identity, #swapped], iterator_types = ["parallel", "parallel"]}
      ins(%in : memref<64x8xf16>) outs(%out : memref<8x64xf16>) {
  ^bb0(%x: f16, %_: f16):
    linalg.yield %x : f16
  }
  return
}

// Only kernels run on several threads.
// CHECK-LABEL: func.func @no_kernel(
//   CHECK-NOT:   omp.parallel
//       CHECK:   vector.shuffle
//   CHECK-NOT:   omp.parallel
//       CHECK:   return
func.func @no_kernel(%in: memref<2048x2048xf32>, %out: memref<2048x2048xf32>) {
  linalg.transpose ins(%in : memref<2048x2048xf32>) outs(%out : memref<2048x2048xf32>) permutation = [1, 0]
  return
}

// CHECK-LABEL: func.func private @kept(
//       CHECK:   linalg.transpose {{.*}} permutation = [0, 3, 1, 2]
//       CHECK:   linalg.transpose {{.*}} permutation = [1, 0, 2]
//       CHECK:   linalg.transpose {{.*}} permutation = [1, 0]
func.func private @kept(%few: memref<1x8x8x3xf32>, %few_out: memref<1x3x8x8xf32>,
                        %lines: memref<8x9x16xf32>, %lines_out: memref<9x8x16xf32>,
                        %wide: memref<64x64xi64>, %wide_out: memref<64x64xi64>) {
  linalg.transpose ins(%few : memref<1x8x8x3xf32>) outs(%few_out : memref<1x3x8x8xf32>) permutation = [0, 3, 1, 2]
  linalg.transpose ins(%lines : memref<8x9x16xf32>) outs(%lines_out : memref<9x8x16xf32>) permutation = [1, 0, 2]
  linalg.transpose ins(%wide : memref<64x64xi64>) outs(%wide_out : memref<64x64xi64>) permutation = [1, 0]
  return
}
