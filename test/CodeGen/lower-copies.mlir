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

// Images that are joined by channels: whether their lines follow each other, the
// run knows. Elements of a dimension of 1 make no line.
// CHECK-LABEL: func.func @images
func.func @images(%a: memref<?x8x?x?xf32>, %b: memref<?x8x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>,
                  %c: memref<?x8x?x1xf32>, %d: memref<?x8x?x1xf32, strided<[?, ?, ?, 1], offset: ?>>) {
  // CHECK: call @[[$IMAGES:.*]](%arg0, %arg1)
  memref.copy %a, %b : memref<?x8x?x?xf32> to memref<?x8x?x?xf32, strided<[?, ?, ?, 1], offset: ?>>
  // CHECK: call @[[$ELEMENTS:.*]](%arg2, %arg3)
  memref.copy %c, %d : memref<?x8x?x1xf32> to memref<?x8x?x1xf32, strided<[?, ?, ?, 1], offset: ?>>
  return
}

// CHECK: func.func private @[[$STATIC]](%{{.*}}: memref<16xf32>, %{{.*}}: memref<16xf32, strided<[2]>>)
// CHECK: linalg.generic
// CHECK: func.func private @[[$DYNAMIC]](%{{.*}}: memref<?xf32, strided<[?]>>, %{{.*}}: memref<?xf32>)
// CHECK: linalg.generic
// CHECK: func.func private @[[$IMAGES]](%[[A:.*]]: memref<?x8x?x?xf32>, %[[B:.*]]: memref<?x8x?x?xf32, strided
// CHECK-DAG: %{{.*}}, %{{.*}}, %{{.*}}:4, %[[FROM:.*]]:4 = memref.extract_strided_metadata %[[A]]
// CHECK-DAG: %{{.*}}, %{{.*}}, %[[SIZES:.*]]:4, %[[TO:.*]]:4 = memref.extract_strided_metadata %[[B]]
// CHECK: %[[FROM_NEXT:.*]] = arith.cmpi eq, %[[FROM]]#2, %[[SIZES]]#3
// CHECK: %[[TO_NEXT:.*]] = arith.cmpi eq, %[[TO]]#2, %[[SIZES]]#3
// CHECK: %[[JOINED:.*]] = arith.andi %[[FROM_NEXT]], %[[TO_NEXT]]
// CHECK: %[[LENGTH:.*]] = arith.muli %[[SIZES]]#3, %[[SIZES]]#2
// CHECK: %[[LINE:.*]] = arith.select %[[JOINED]], %[[LENGTH]], %[[SIZES]]#3
// CHECK: %[[LINES:.*]] = arith.select %[[JOINED]], %c1, %[[SIZES]]#2
// CHECK-COUNT-2: memref.reinterpret_cast {{.*}} sizes: [%[[SIZES]]#0, 8, %[[LINES]], %[[LINE]]]
// CHECK: linalg.generic
// CHECK: func.func private @[[$ELEMENTS]](
// CHECK-NOT: memref.reinterpret_cast
// CHECK: linalg.generic
