// RUN: quant-opt %s --quantc-shrink-cold-code --split-input-file | FileCheck %s
// RUN: quant-opt %s --linalg-to-llvm --split-input-file | FileCheck %s --check-prefix=LLVM

// What takes little of a run is optimized for size, and the conversions to the
// LLVM dialect keep that. A short loop of what takes much stays as it is.
// CHECK-LABEL: func.func @main(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @large(
// CHECK-NOT:     passthrough
// CHECK:         scf.for
// CHECK:           scf.for
// CHECK:           }
// CHECK-NOT:       llvm.loop_annotation
// CHECK:         scf.for
// CHECK:         } {llvm.loop_annotation = #[[PLAIN:.*]]}
// CHECK:         return
// CHECK-LABEL: func.func private @small(
// CHECK-SAME:      passthrough = ["optsize"]

// LLVM-DAG:   #[[UNROLL:.*]] = #llvm.loop_unroll<disable = true>
// LLVM-DAG:   #[[VECTORIZE:.*]] = #llvm.loop_vectorize<disable = true>
// LLVM-DAG:   #[[$PLAIN:.*]] = #llvm.loop_annotation<vectorize = #[[VECTORIZE]], unroll = #[[UNROLL]]>
// LLVM-LABEL: llvm.func internal @large(
// LLVM-NOT:     passthrough
// LLVM:         llvm.br ^{{[a-z0-9]+}}(%{{.*}} : i64) {loop_annotation = #[[$PLAIN]]}
// LLVM-LABEL: llvm.func internal @small(
// LLVM-SAME:      passthrough = ["optsize"]
func.func @main(%x: memref<1000xf32>) {
  call @large(%x) : (memref<1000xf32>) -> ()
  call @small(%x) : (memref<1000xf32>) -> ()
  return
}
func.func private @large(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c1000 = arith.constant 1000 : index
  scf.for %i = %c0 to %c1000 step %c1 {
    scf.for %j = %c0 to %c1000 step %c1 {
      %a = memref.load %x[%j] : memref<1000xf32>
      %b = arith.addf %a, %a : f32
      memref.store %b, %x[%j] : memref<1000xf32>
    }
  }
  scf.for %j = %c0 to %c4 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    %b = arith.addf %a, %a : f32
    memref.store %b, %x[%j] : memref<1000xf32>
  }
  return
}
func.func private @small(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %j = %c0 to %c1000 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    %b = arith.addf %a, %a : f32
    memref.store %b, %x[%j] : memref<1000xf32>
  }
  return
}

// -----

// Cold are those that take little together, 1/256 of the run. A call in a loop
// counts as often as the loop is run.
// CHECK-LABEL: func.func private @large(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @first(
// CHECK-SAME:      passthrough
// CHECK-LABEL: func.func private @often(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @never(
// CHECK-SAME:      passthrough
func.func @main(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c4 = arith.constant 4 : index
  %c500 = arith.constant 500 : index
  scf.for %i = %c0 to %c500 step %c1 {
    func.call @large(%x) : (memref<1000xf32>) -> ()
  }
  call @first(%x) : (memref<1000xf32>) -> ()
  scf.for %i = %c0 to %c4 step %c1 {
    func.call @often(%x) : (memref<1000xf32>) -> ()
  }
  return
}
func.func private @large(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %j = %c0 to %c1000 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    memref.store %a, %x[%j] : memref<1000xf32>
  }
  return
}
func.func private @first(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %j = %c0 to %c1000 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    memref.store %a, %x[%j] : memref<1000xf32>
  }
  return
}
func.func private @often(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %j = %c0 to %c1000 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    memref.store %a, %x[%j] : memref<1000xf32>
  }
  return
}
func.func private @never(%x: memref<1000xf32>) {
  return
}

// -----

// A model that takes the short way does nothing else.
// CHECK-LABEL: func.func private @long_way(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @short_way(
// CHECK-NOT:     passthrough
// CHECK:         return
func.func @main(%x: memref<1000xf32>, %long: i1) {
  scf.if %long {
    func.call @long_way(%x) : (memref<1000xf32>) -> ()
  } else {
    func.call @short_way(%x) : (memref<1000xf32>) -> ()
  }
  return
}
func.func private @long_way(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %i = %c0 to %c1000 step %c1 {
    scf.for %j = %c0 to %c1000 step %c1 {
      %a = memref.load %x[%j] : memref<1000xf32>
      memref.store %a, %x[%j] : memref<1000xf32>
    }
  }
  return
}
func.func private @short_way(%x: memref<1000xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c1000 = arith.constant 1000 : index
  scf.for %j = %c0 to %c1000 step %c1 {
    %a = memref.load %x[%j] : memref<1000xf32>
    memref.store %a, %x[%j] : memref<1000xf32>
  }
  return
}

// -----

// A loop of unknown size may be long, but a block of one has at most its size.
// CHECK-LABEL: func.func private @large(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @unknown(
// CHECK-NOT:     passthrough
// CHECK-LABEL: func.func private @block(
// CHECK-SAME:      passthrough
func.func @main(%x: memref<?xf32>, %first: index, %size: index) {
  call @large(%x) : (memref<?xf32>) -> ()
  call @unknown(%x, %size) : (memref<?xf32>, index) -> ()
  call @block(%x, %first, %size) : (memref<?xf32>, index, index) -> ()
  return
}
func.func private @large(%x: memref<?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c10000 = arith.constant 10000 : index
  scf.for %j = %c0 to %c10000 step %c1 {
    %a = memref.load %x[%j] : memref<?xf32>
    memref.store %a, %x[%j] : memref<?xf32>
  }
  return
}
func.func private @unknown(%x: memref<?xf32>, %size: index) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  scf.for %j = %c0 to %size step %c1 {
    %a = memref.load %x[%j] : memref<?xf32>
    memref.store %a, %x[%j] : memref<?xf32>
  }
  return
}
func.func private @block(%x: memref<?xf32>, %first: index, %size: index) {
  %c1 = arith.constant 1 : index
  %c8 = arith.constant 8 : index
  %end = arith.addi %first, %c8 : index
  %last = arith.minsi %end, %size : index
  scf.for %j = %first to %last step %c1 {
    %a = memref.load %x[%j] : memref<?xf32>
    memref.store %a, %x[%j] : memref<?xf32>
  }
  return
}
