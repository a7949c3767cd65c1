// RUN: quant-opt %s --quantc-lower-copies | FileCheck %s

// CHECK-LABEL: func.func @copies
func.func @copies(%a: memref<16xf32>, %b: memref<16xf32>, %c: memref<16xf32, strided<[2]>>,
                  %d: memref<16xf32, strided<[2]>>, %e: memref<?xf32, strided<[?]>>, %f: memref<?xf32>) {
  // CHECK: memref.copy
  memref.copy %a, %b : memref<16xf32> to memref<16xf32>
  // CHECK: call @[[$STATIC:.*]](%arg0, %arg2)
  memref.copy %a, %c : memref<16xf32> to memref<16xf32, strided<[2]>>
  // CHECK: call @[[$STATIC]](%arg1, %arg3)
  memref.copy %b, %d : memref<16xf32> to memref<16xf32, strided<[2]>>
  // CHECK: call @[[$DYNAMIC:.*]](%arg4, %arg5)
  memref.copy %e, %f : memref<?xf32, strided<[?]>> to memref<?xf32>
  return
}

// Less than a call takes.
// CHECK-LABEL: func.func @small
func.func @small(%a: memref<4xf32>, %c: memref<4xf32, strided<[2]>>) {
  // CHECK: linalg.generic
  memref.copy %a, %c : memref<4xf32> to memref<4xf32, strided<[2]>>
  return
}

// Of a kernel itself.
// CHECK-LABEL: func.func private @kernel
func.func private @kernel(%a: memref<16xf32>, %c: memref<16xf32, strided<[2]>>) {
  // CHECK: linalg.generic
  memref.copy %a, %c : memref<16xf32> to memref<16xf32, strided<[2]>>
  return
}

// CHECK: func.func private @[[$STATIC]](%{{.*}}: memref<16xf32>, %{{.*}}: memref<16xf32, strided<[2]>>)
// CHECK: linalg.generic
// CHECK: func.func private @[[$DYNAMIC]](%{{.*}}: memref<?xf32, strided<[?]>>, %{{.*}}: memref<?xf32>)
// CHECK: linalg.generic
