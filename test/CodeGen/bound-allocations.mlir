// RUN: quant-opt %s --quantc-bound-allocations | FileCheck %s

// CHECK-LABEL: func.func @two
// CHECK-SAME:    (%[[M:.*]]: index, %[[N:.*]]: index)
func.func @two(%m: index, %n: index) -> memref<?x3x?xf32> {
  // CHECK-DAG: %[[ZERO:.*]] = arith.constant 0 : index
  // CHECK-DAG: %[[ONE:.*]] = arith.constant 1 : index
  // CHECK: %[[A:.*]] = arith.maxui %[[M]], %[[ONE]]
  // CHECK: %[[NO_M:.*]] = arith.cmpi eq, %[[M]], %[[ZERO]]
  // CHECK: %[[B:.*]] = arith.maxui %[[N]], %[[ONE]]
  // CHECK: %[[NO_N:.*]] = arith.cmpi eq, %[[N]], %[[ZERO]]
  // CHECK: %[[EMPTY:.*]] = arith.ori %[[NO_M]], %[[NO_N]]
  // CHECK: %[[AB:.*]], %[[HIGH:.*]] = arith.mului_extended %[[A]], %[[B]]
  // CHECK: %[[LOST0:.*]] = arith.ori %[[ZERO]], %[[HIGH]]
  // CHECK: %[[TWELVE:.*]] = arith.constant 12 : index
  // CHECK: %[[LOW:.*]], %[[HIGHER:.*]] = arith.mului_extended %[[AB]], %[[TWELVE]]
  // CHECK: %[[LOST:.*]] = arith.ori %[[LOST0]], %[[HIGHER]]
  // CHECK: %[[MOST:.*]] = arith.constant 9223372036854775807 : index
  // CHECK: %[[IS_LOST:.*]] = arith.cmpi ne, %[[LOST]], %[[ZERO]]
  // CHECK: %[[SIZE:.*]] = arith.select %[[EMPTY]], %[[ZERO]], %[[LOW]]
  // CHECK: %[[SELECTED:.*]] = arith.select %[[IS_LOST]], %[[MOST]], %[[SIZE]]
  // CHECK: %[[BYTES:.*]] = arith.minui %[[SELECTED]], %[[MOST]]
  // CHECK: %[[BUFFER:.*]] = memref.alloc(%[[BYTES]]) {alignment = 64 : i64} : memref<?xi8>
  // CHECK: %[[VIEW:.*]] = memref.view %[[BUFFER]][%{{.*}}][%[[M]], %[[N]]] : memref<?xi8> to memref<?x3x?xf32>
  // CHECK: return %[[VIEW]]
  %0 = memref.alloc(%m, %n) {alignment = 64 : i64} : memref<?x3x?xf32>
  return %0 : memref<?x3x?xf32>
}

// No product of several sizes.
// CHECK-LABEL: func.func @bytes
func.func @bytes(%n: index) -> memref<?xi8> {
  // CHECK-NOT: arith.mului_extended
  // CHECK: arith.minui
  // CHECK: memref.alloc
  %0 = memref.alloc(%n) : memref<?xi8>
  return %0 : memref<?xi8>
}

// CHECK-LABEL: func.func @known
func.func @known() -> (memref<8x4xf32>, memref<1x4611686018427387904xf32>) {
  // CHECK: memref.alloc() : memref<8x4xf32>
  %0 = memref.alloc() : memref<8x4xf32>
  // 2^64 bytes.
  // CHECK: %[[MOST:.*]] = arith.constant 9223372036854775807 : index
  // CHECK: memref.alloc(%[[MOST]]) : memref<?xi8>
  %1 = memref.alloc() : memref<1x4611686018427387904xf32>
  return %0, %1 : memref<8x4xf32>, memref<1x4611686018427387904xf32>
}
