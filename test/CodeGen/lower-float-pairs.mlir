// RUN: quant-opt %s --quantc-lower-contractions=target-features=+avx512f,+avx512bw,+avx512bf16 | FileCheck %s --check-prefixes=CHECK,PAIRS
// RUN: quant-opt %s --quantc-lower-contractions=target-features=+avx512f,+avx512bw,+avx512vnni,+avx512bf16,+amx-bf16 | FileCheck %s --check-prefixes=CHECK,TILES
// RUN: quant-opt %s --quantc-lower-contractions=target-features=+avx2,+fma | FileCheck %s --check-prefix=STORED

// Constants are packed in words of two along k (3 rounded up to 4 elements,
// whole tiles of 32), as bf16.
// PAIRS: memref.global "private" constant @w_packed : memref<32xi32> = dense_resource<w_packed>
// TILES: memref.global "private" constant @w_packed : memref<256xi32> = dense_resource<w_packed>
// STORED: memref.global "private" constant @w_packed : memref<24xbf16> = dense_resource<w_packed>
memref.global "private" constant @w : memref<3x5xf32> = dense<[
  [0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5], [0.1, 0.2, 0.3, 0.4, 0.5]]>

// CHECK-LABEL: func.func private @layer
// CHECK-SAME: memref<{{.*}}xi32>
// Rows are rounded once, for all columns.
// CHECK: llvm.call_intrinsic "llvm.x86.avx512bf16.cvtne2ps2bf16.512"
// PAIRS: llvm.call_intrinsic "llvm.x86.avx512bf16.dpbf16ps.512"{{.*}} -> vector<16xf32>
// TILES: llvm.call_intrinsic "llvm.x86.tdpbf16ps.internal"

// STORED-LABEL: func.func private @layer
// STORED-SAME: memref<24xbf16>
// STORED: %[[W:.*]] = vector.load {{.*}} : memref<24xbf16>, vector<8xbf16>
// STORED: arith.extf %[[W]] : vector<8xbf16> to vector<8xf32>
// STORED: arith.truncf {{.*}} : f32 to bf16
func.func private @layer(%x: memref<16x3xf32>, %w: memref<3x5xf32>, %y: memref<16x5xf32>) {
  %z = arith.constant 0.0 : f32
  linalg.fill ins(%z : f32) outs(%y : memref<16x5xf32>)
  linalg.generic {
    indexing_maps = [affine_map<(m, n, k) -> (m, k)>, affine_map<(m, n, k) -> (k, n)>,
                     affine_map<(m, n, k) -> (m, n)>],
    iterator_types = ["parallel", "parallel", "reduction"]
  } ins(%x, %w : memref<16x3xf32>, memref<3x5xf32>) outs(%y : memref<16x5xf32>) {
  ^bb0(%a: f32, %b: f32, %sum: f32):
    %ar = arith.truncf %a : f32 to bf16
    %ae = arith.extf %ar : bf16 to f32
    %br = arith.truncf %b : f32 to bf16
    %be = arith.extf %br : bf16 to f32
    %p = arith.mulf %ae, %be : f32
    %s = arith.addf %sum, %p : f32
    linalg.yield %s : f32
  }
  return
}

func.func @main(%x: memref<16x3xf32>, %y: memref<16x5xf32>) {
  %w = memref.get_global @w : memref<3x5xf32>
  call @layer(%x, %w, %y) : (memref<16x3xf32>, memref<3x5xf32>, memref<16x5xf32>) -> ()
  return
}
