// RUN: quant-opt %s --split-input-file --verify-diagnostics --quantc-return-states | FileCheck %s

// What lies in the argument already is not returned.
// CHECK-LABEL: func.func @in_place(
// CHECK-SAME:    %[[X:[a-z0-9]+]]: memref<4xf32>, %{{.*}}: memref<?xf32> {qnn.state = "a"}) -> memref<4xf32> {
// CHECK-NEXT:    return %[[X]] : memref<4xf32>
func.func @in_place(%x: memref<4xf32>, %s: memref<?xf32> {qnn.state = "a"}) -> (memref<?xf32> {qnn.state = "a"}, memref<4xf32>) {
  return %s, %x : memref<?xf32>, memref<4xf32>
}

// CHECK-LABEL: func.func @elsewhere(
// CHECK-SAME:    %[[S:[a-z0-9]+]]: memref<4xf32> {qnn.state = "a"}) {
// CHECK:         %[[NEW:.*]] = memref.alloc
// CHECK-NEXT:    memref.copy %[[NEW]], %[[S]]
// CHECK-NEXT:    return
func.func @elsewhere(%s: memref<4xf32> {qnn.state = "a"}) -> (memref<4xf32> {qnn.state = "a"}) {
  %new = memref.alloc() : memref<4xf32>
  return %new : memref<4xf32>
}

// -----

// expected-error @+1 {{result #0 is a state that no argument is}}
func.func @unknown(%s: memref<4xf32>) -> (memref<4xf32> {qnn.state = "a"}) {
  return %s : memref<4xf32>
}
