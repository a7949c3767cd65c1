// RUN: quant-opt %s --quantc-plan-memory | FileCheck %s
// RUN: quant-opt %s --quantc-plan-memory="print-plan=true" -o /dev/null | FileCheck %s --check-prefix=PLAN

// CHECK: module attributes {qnn.arena_bytes = 320 : i64}

func.func private @kernel(%in: memref<16xf32>, %out: memref<16xf32>)
func.func private @large(%in: memref<16xf32>, %out: memref<32xf32>)

// The first and the third buffer are never live together. The large one is
// placed first, the first one behind it, and the third in the same place.
// PLAN: memory plan: 3 buffers of 256 bytes in an arena of 192 bytes, 1 allocated apart
// PLAN: 128 {{ *}}64 {{.*}} memref<16xf32>
// PLAN: 0 {{ *}}128 {{.*}} memref<32xf32>
// CHECK-LABEL: func.func @chain
// CHECK-DAG:     %[[ARENA:.*]] = memref.alloc() {alignment = 64 : i64} : memref<192xi8>
// CHECK-DAG:     %[[C0:.*]] = arith.constant 0 : index
// CHECK-DAG:     %[[C128:.*]] = arith.constant 128 : index
// CHECK:         %[[A:.*]] = memref.view %[[ARENA]][%[[C128]]][] : memref<192xi8> to memref<16xf32>
// CHECK:         %[[B:.*]] = memref.view %[[ARENA]][%[[C0]]][] : memref<192xi8> to memref<32xf32>
// CHECK:         call @large(%[[A]], %[[B]])
// CHECK:         %[[C:.*]] = memref.view %[[ARENA]][%[[C128]]][] : memref<192xi8> to memref<16xf32>
// CHECK:         %[[R:.*]] = memref.alloc() : memref<16xf32>
// CHECK:         memref.dealloc %[[ARENA]]
// CHECK-NOT:     memref.dealloc
// CHECK:         return %[[R]]
func.func @chain(%x: memref<16xf32>) -> memref<16xf32> {
  %a = memref.alloc() : memref<16xf32>
  call @kernel(%x, %a) : (memref<16xf32>, memref<16xf32>) -> ()
  %b = memref.alloc() : memref<32xf32>
  call @large(%a, %b) : (memref<16xf32>, memref<32xf32>) -> ()
  memref.dealloc %a : memref<16xf32>
  %c = memref.alloc() : memref<16xf32>
  %half = memref.subview %b[0] [16] [1] : memref<32xf32> to memref<16xf32, strided<[1]>>
  %cast = memref.cast %half : memref<16xf32, strided<[1]>> to memref<16xf32>
  call @kernel(%cast, %c) : (memref<16xf32>, memref<16xf32>) -> ()
  memref.dealloc %b : memref<32xf32>
  %result = memref.alloc() : memref<16xf32>
  call @kernel(%c, %result) : (memref<16xf32>, memref<16xf32>) -> ()
  memref.dealloc %c : memref<16xf32>
  return %result : memref<16xf32>
}

// A buffer of a loop's body lives as long as the loop, so the one before shares
// nothing with it; another loop may reuse it. What leaves its block, and what has
// a dynamic size, is left alone.
// CHECK-LABEL: func.func @loops
// CHECK:         %[[ARENA:.*]] = memref.alloc() {alignment = 64 : i64} : memref<128xi8>
// CHECK:         memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         scf.for
// CHECK:           memref.view %[[ARENA]][%[[FIRST:.*]]][]
// CHECK:         scf.for
// CHECK:           memref.view %[[ARENA]][%[[FIRST]]][]
// CHECK:         scf.if
// CHECK:           memref.alloc() : memref<16xf32>
func.func @loops(%x: memref<16xf32>, %n: index, %condition: i1) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %before = memref.alloc() : memref<16xf32>
  %dynamic = memref.alloc(%n) : memref<?xf32>
  scf.for %i = %c0 to %n step %c1 {
    %inside = memref.alloc() : memref<16xf32>
    func.call @kernel(%before, %inside) : (memref<16xf32>, memref<16xf32>) -> ()
    memref.dealloc %inside : memref<16xf32>
  }
  memref.dealloc %dynamic : memref<?xf32>
  scf.for %i = %c0 to %n step %c1 {
    %inside = memref.alloc() : memref<16xf32>
    func.call @kernel(%before, %inside) : (memref<16xf32>, memref<16xf32>) -> ()
    memref.dealloc %inside : memref<16xf32>
  }
  memref.dealloc %before : memref<16xf32>
  %either = scf.if %condition -> memref<16xf32> {
    %a = memref.alloc() : memref<16xf32>
    scf.yield %a : memref<16xf32>
  } else {
    %b = memref.alloc() : memref<16xf32>
    scf.yield %b : memref<16xf32>
  }
  func.call @kernel(%either, %x) : (memref<16xf32>, memref<16xf32>) -> ()
  memref.dealloc %either : memref<16xf32>
  return
}

// Deallocation leaves buffers of dynamic size until the end of their block; here
// they go behind their last use, through views as well. What is returned stays.
// CHECK-LABEL: func.func @dynamic
// CHECK:         %[[A:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         %[[B:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         call @any(%{{.*}}, %[[B]])
// CHECK-NEXT:    memref.dealloc %[[A]]
// CHECK:         %[[C:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         call @any(%[[B]], %[[C]])
// CHECK-NEXT:    memref.dealloc %[[B]]
// CHECK-NEXT:    call @any(%[[C]], %[[C]])
// CHECK-NOT:     memref.dealloc
// CHECK:         return %[[C]]
func.func private @any(memref<?xf32>, memref<?xf32>)
func.func @dynamic(%x: memref<?xf32>, %n: index) -> memref<?xf32> {
  %a = memref.alloc(%n) : memref<?xf32>
  call @any(%x, %a) : (memref<?xf32>, memref<?xf32>) -> ()
  %b = memref.alloc(%n) : memref<?xf32>
  %part = memref.subview %a[0] [%n] [1] : memref<?xf32> to memref<?xf32, strided<[1]>>
  %cast = memref.cast %part : memref<?xf32, strided<[1]>> to memref<?xf32>
  call @any(%cast, %b) : (memref<?xf32>, memref<?xf32>) -> ()
  %c = memref.alloc(%n) : memref<?xf32>
  call @any(%b, %c) : (memref<?xf32>, memref<?xf32>) -> ()
  call @any(%c, %c) : (memref<?xf32>, memref<?xf32>) -> ()
  memref.dealloc %a : memref<?xf32>
  memref.dealloc %b : memref<?xf32>
  return %c : memref<?xf32>
}
