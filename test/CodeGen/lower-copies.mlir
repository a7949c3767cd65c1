// RUN: quant-opt %s --quantc-lower-copies | FileCheck %s

// CHECK-LABEL: func.func @copies
func.func @copies(%a: memref<4xf32>, %b: memref<4xf32>,
                  %c: memref<4xf32, strided<[2]>>) {
  // CHECK: memref.copy
  memref.copy %a, %b : memref<4xf32> to memref<4xf32>
  // CHECK: linalg.generic
  memref.copy %a, %c : memref<4xf32> to memref<4xf32, strided<[2]>>
  return
}
