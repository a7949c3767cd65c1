// RUN: quant-opt %s --canonicalize --cse \
// RUN:   --quantc-lower-contractions="target-features=+avx512f,+avx512bw,+avx512vnni,+avx2 threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

// While a panel of constant weights is multiplied, the next one is asked for,
// a share of it by each tile of rows: here each of four tiles asks for 12 of 48
// columns, three cache lines of words for four steps along k.

memref.global "private" constant @w : memref<16x48xi8> = dense<[[-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8],[-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1],[3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6],[10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10],[-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3],[1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4],[8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11],[-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5],[-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2],[6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9],[-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7],[-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0],[4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7],[11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9],[-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2],[2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5,8,11,-9,-6,-3,0,3,6,9,-11,-8,-5,-2,1,4,7,10,-10,-7,-4,-1,2,5]]>

func.func @main(%x: memref<36x16xi8>, %few: memref<4x16xi8>,
                %out: memref<36x48xi32>, %fewOut: memref<4x48xi32>) {
  %w = memref.get_global @w : memref<16x48xi8>
  call @rows(%x, %w, %out) : (memref<36x16xi8>, memref<16x48xi8>, memref<36x48xi32>) -> ()
  call @few(%few, %w, %fewOut) : (memref<4x16xi8>, memref<16x48xi8>, memref<4x48xi32>) -> ()
  return
}

#lhs = affine_map<(d0, d1, d2) -> (d0, d2)>
#rhs = affine_map<(d0, d1, d2) -> (d2, d1)>
#out = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK-LABEL: func.func private @rows
// CHECK-SAME:    %[[W:[a-z0-9]+]]: memref<240xi32>
// CHECK-COUNT-3: memref.prefetch %[[W]]{{.*}}, read, locality<2>, data : memref<240xi32>
// CHECK-NOT:     memref.prefetch
func.func private @rows(%x: memref<36x16xi8>, %w: memref<16x48xi8>, %out: memref<36x48xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<36x48xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<36x16xi8>, memref<16x48xi8>) outs(%out : memref<36x48xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// A single tile reads all weights from memory in any case.
// CHECK-LABEL: func.func private @few
// CHECK-NOT:     memref.prefetch
func.func private @few(%x: memref<4x16xi8>, %w: memref<16x48xi8>, %out: memref<4x48xi32>) {
  %zero = arith.constant 0 : i32
  linalg.fill ins(%zero : i32) outs(%out : memref<4x48xi32>)
  linalg.generic {indexing_maps = [#lhs, #rhs, #out], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x, %w : memref<4x16xi8>, memref<16x48xi8>) outs(%out : memref<4x48xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}
