// RUN: quant-opt %s --quantc-print-allocations -o /dev/null | FileCheck %s

// The most that a kernel takes: 4 * 30000 bytes of @panels, 80000 a thread of it.
// CHECK:      run-time allocations: 6, 3 of them of dynamic size; the others of a kernel take at most 120000 bytes, and 80000 bytes a thread
// CHECK-NEXT: for function node bytes

// Views of the arena are in the plan's first part.
// CHECK-NEXT: call main result 4 * batch * 16{{$}}
func.func private @use(memref<10000xf64>)
func.func private @use_all(memref<?x?xf16>, memref<?xi8>, memref<3xf32>)
func.func @main(%x: memref<?x16xf32> {qnn.dims = ["batch", ""], qnn.name = "x"}) -> memref<?x?xf32> {
  %c0 = arith.constant 0 : index
  %c16 = arith.constant 16 : index
  %n = memref.dim %x, %c0 : memref<?x16xf32>
  %arena = memref.alloc() : memref<64xi8>
  %small = memref.view %arena[%c0][] : memref<64xi8> to memref<16xf32>
  %y = memref.alloc(%n, %c16) : memref<?x?xf32> loc("result")
  call @panels(%small) : (memref<16xf32>) -> () loc("first")
  call @panels(%small) : (memref<16xf32>) -> () loc("second")
  call @padded(%y) : (memref<?x?xf32>) -> () loc("third")
  memref.dealloc %arena : memref<64xi8>
  return %y : memref<?x?xf32>
}

// CHECK-NEXT: call   panels first and 1 more 120000{{$}}
// CHECK-NEXT: thread panels first and 1 more 80000{{$}}
func.func private @panels(%a: memref<16xf32>) {
  %zero = arith.constant 0.0 : f32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %shared = memref.alloc() : memref<30000xf32>
  memref.store %zero, %shared[%c0] : memref<30000xf32>
  omp.parallel {
    omp.wsloop {
      omp.loop_nest (%i) : index = (%c0) to (%c1) step (%c1) {
        %own = memref.alloc() : memref<10000xf64>
        func.call @use(%own) : (memref<10000xf64>) -> ()
        memref.dealloc %own : memref<10000xf64>
        omp.yield
      }
    }
    omp.terminator
  }
  memref.dealloc %shared : memref<30000xf32>
  return
}

// Sizes of the kernel's arguments are those of the call, as far as they are known.
// CHECK-NEXT: call   padded third 2 * (batch + 2) * max(ceil(16 / 8), 1){{$}}
// CHECK-NEXT: call   padded third 1 * ?{{$}}
// CHECK-NEXT: call   padded third 12{{$}}
func.func private @padded(%a: memref<?x?xf32>) {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c2 = arith.constant 2 : index
  %c8 = arith.constant 8 : index
  %rows = memref.dim %a, %c0 : memref<?x?xf32>
  %columns = memref.dim %a, %c1 : memref<?x?xf32>
  %padded = arith.addi %rows, %c2 : index
  %vectors = arith.ceildivsi %columns, %c8 : index
  %some = arith.maxsi %vectors, %c1 : index
  %odd = arith.xori %rows, %columns : index
  %b = memref.alloc(%padded, %some) : memref<?x?xf16>
  %c = memref.alloc(%odd) : memref<?xi8>
  %d = memref.alloc() : memref<3xf32>
  call @use_all(%b, %c, %d) : (memref<?x?xf16>, memref<?xi8>, memref<3xf32>) -> ()
  memref.dealloc %b : memref<?x?xf16>
  memref.dealloc %c : memref<?xi8>
  memref.dealloc %d : memref<3xf32>
  return
}

// What no op reads or writes will be erased.
// CHECK-NOT: call
func.func private @unused(%i: index) {
  %dead = memref.alloc() : memref<50000xf32>
  %view = memref.reinterpret_cast %dead to offset: [0], sizes: [100, 500], strides: [500, 1] : memref<50000xf32> to memref<100x500xf32>
  memref.dealloc %dead : memref<50000xf32>
  return
}
