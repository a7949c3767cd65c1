// RUN: quant-opt %s --quantc-lower-contractions="target-features=+avx2,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s

// The padded input is never stored: packing the windows looks at the bounds.
// CHECK-LABEL: func.func private @padded
// CHECK-SAME:    %[[X:.*]]: memref<1x3x10x10xf32>
// CHECK-NOT: memref.alloc()
// CHECK: memref.reinterpret_cast %[[X]]
// CHECK: arith.cmpi ult
// CHECK: vector.fma
// CHECK-NOT: linalg
func.func private @padded(%x: memref<1x3x10x10xf32>, %w: memref<8x3x3x3xf32>,
                          %out: memref<1x8x10x10xf32>) {
  %zero = arith.constant 0.0 : f32
  %p = memref.alloc() : memref<1x3x12x12xf32>
  linalg.fill ins(%zero : f32) outs(%p : memref<1x3x12x12xf32>)
  %s = memref.subview %p[0, 0, 1, 1] [1, 3, 10, 10] [1, 1, 1, 1]
      : memref<1x3x12x12xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  memref.copy %x, %s : memref<1x3x10x10xf32> to memref<1x3x10x10xf32, strided<[432, 144, 12, 1], offset: 13>>
  linalg.fill ins(%zero : f32) outs(%out : memref<1x8x10x10xf32>)
  linalg.conv_2d_nchw_fchw ins(%p, %w : memref<1x3x12x12xf32>, memref<8x3x3x3xf32>)
                           outs(%out : memref<1x8x10x10xf32>)
  memref.dealloc %p : memref<1x3x12x12xf32>
  return
}
