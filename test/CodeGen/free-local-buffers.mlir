// RUN: quant-opt %s --quantc-free-local-buffers --split-input-file --allow-unregistered-dialect | FileCheck %s

func.func private @kernel(memref<16xf32>, memref<16xf32>)
func.func private @choose(memref<16xf32>) -> memref<16xf32>

// Views and kernels keep nothing of a buffer.
// CHECK-LABEL: func.func @local
// CHECK:         %[[A:.*]] = memref.alloc() : memref<16xf32>
// CHECK:         call @kernel
// CHECK:         memref.dealloc %[[A]] : memref<16xf32>
// CHECK-NEXT:    bufferization.dealloc
// CHECK-NEXT:    return
func.func @local(%x: memref<16xf32>) {
  %true = arith.constant true
  %a = memref.alloc() : memref<16xf32>
  %view = memref.expand_shape %a [[0, 1]] output_shape [4, 4] : memref<16xf32> into memref<4x4xf32>
  %flat = memref.collapse_shape %view [[0, 1]] : memref<4x4xf32> into memref<16xf32>
  call @kernel(%x, %flat) : (memref<16xf32>, memref<16xf32>) -> ()
  bufferization.dealloc (%a : memref<16xf32>) if (%true)
  return
}

// What is freed on a condition, what a call, a branch or a selection passes on,
// what is returned, and what has two owners, is for MLIR to compare.
// CHECK-LABEL: func.func @others
// CHECK-NOT:     memref.dealloc
// CHECK:         bufferization.dealloc (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : {{.*}}) if (%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}, %{{.*}}) retain (%{{.*}} : memref<16xf32>)
func.func @others(%x: memref<16xf32>, %condition: i1) -> memref<16xf32> {
  %true = arith.constant true
  %sometimes = memref.alloc() : memref<16xf32>
  %passed = memref.alloc() : memref<16xf32>
  %same = call @choose(%passed) : (memref<16xf32>) -> memref<16xf32>
  %selected = memref.alloc() : memref<16xf32>
  %either = arith.select %condition, %selected, %x : memref<16xf32>
  %yielded = memref.alloc() : memref<16xf32>
  %branch = scf.if %condition -> memref<16xf32> {
    scf.yield %yielded : memref<16xf32>
  } else {
    scf.yield %x : memref<16xf32>
  }
  %returned = memref.alloc() : memref<16xf32>
  %twice = memref.alloc() : memref<16xf32>
  call @kernel(%same, %either) : (memref<16xf32>, memref<16xf32>) -> ()
  call @kernel(%branch, %twice) : (memref<16xf32>, memref<16xf32>) -> ()
  bufferization.dealloc (%sometimes, %passed, %selected, %yielded, %returned, %twice : memref<16xf32>, memref<16xf32>, memref<16xf32>, memref<16xf32>, memref<16xf32>, memref<16xf32>) if (%condition, %true, %true, %true, %true, %true) retain (%returned : memref<16xf32>)
  bufferization.dealloc (%twice : memref<16xf32>) if (%true)
  return %returned : memref<16xf32>
}

// Ops that only read, write or measure a buffer say so by their effects.
// CHECK-LABEL: func.func @accessed
// CHECK:         memref.dealloc
// CHECK-NEXT:    bufferization.dealloc
// CHECK-NEXT:    return
func.func @accessed(%x: memref<16xf32>, %size: index, %value: f32) -> index {
  %true = arith.constant true
  %c0 = arith.constant 0 : index
  %a = memref.alloc(%size) : memref<?xf32>
  %dim = memref.dim %a, %c0 : memref<?xf32>
  linalg.fill ins(%value : f32) outs(%a : memref<?xf32>)
  memref.store %value, %a[%c0] : memref<?xf32>
  bufferization.dealloc (%a : memref<?xf32>) if (%true)
  return %dim : index
}

// What has a buffer's address, keeps the buffer elsewhere, or frees it, leaves
// it no longer local; nor does an op that says nothing of its effects.
// CHECK-LABEL: func.func @exposed
// CHECK-COUNT-3: memref.alloc()
// CHECK-NOT:     memref.dealloc
// CHECK:         bufferization.dealloc (%{{.*}}, %{{.*}}, %{{.*}} : {{.*}}) if
func.func @exposed(%kept: memref<1xmemref<16xf32>>) -> index {
  %true = arith.constant true
  %c0 = arith.constant 0 : index
  %a = memref.alloc() : memref<16xf32>
  %address = memref.extract_aligned_pointer_as_index %a : memref<16xf32> -> index
  %b = memref.alloc() : memref<16xf32>
  memref.store %b, %kept[%c0] : memref<1xmemref<16xf32>>
  %c = memref.alloc() : memref<16xf32>
  "test.unknown"(%c) : (memref<16xf32>) -> ()
  bufferization.dealloc (%a, %b, %c : memref<16xf32>, memref<16xf32>, memref<16xf32>) if (%true, %true, %true)
  return %address : index
}
