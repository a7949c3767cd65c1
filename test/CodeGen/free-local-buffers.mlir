// RUN: quant-opt %s --quantc-free-local-buffers --split-input-file | FileCheck %s

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
