// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false defer-weights" | FileCheck %s
// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" | FileCheck %s --check-prefix=PACKED

// The module names weights that are packed when they are written, but has no
// bytes of theirs.
// CHECK-LABEL: module
// CHECK:         memref.global "private" constant @w_packed : memref<32xf32> = dense_resource<w_packed>
// CHECK-NOT:     "0x
// PACKED-LABEL: module
// PACKED:         memref.global "private" constant @w_packed : memref<32xf32> = dense_resource<w_packed>
// PACKED:         w_packed: "0x
memref.global "private" constant @w : memref<4x8xf32> = dense_resource<w>

func.func @main(%x: memref<12x4xf32>, %out: memref<12x8xf32>) {
  %w = memref.get_global @w : memref<4x8xf32>
  call @multiply(%x, %w, %out) : (memref<12x4xf32>, memref<4x8xf32>, memref<12x8xf32>) -> ()
  return
}

func.func private @multiply(%x: memref<12x4xf32>, %w: memref<4x8xf32>, %out: memref<12x8xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<12x8xf32>)
  linalg.matmul ins(%x, %w : memref<12x4xf32>, memref<4x8xf32>) outs(%out : memref<12x8xf32>)
  return
}

{-#
  dialect_resources: {
    builtin: {
      w: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F"
    }
  }
#-}
