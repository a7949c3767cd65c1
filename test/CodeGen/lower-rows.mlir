// RUN: quant-opt %s --quantc-lower-rows="target-features=+avx2,+fma threads=false" --canonicalize --cse | FileCheck %s
// RUN: quant-opt %s --quantc-lower-rows="target-features=+avx512f threads=false" --canonicalize --cse | FileCheck %s --check-prefix=WIDE
// RUN: quant-opt %s --quantc-lower-rows="target-features=+avx2 threads=false" --canonicalize --cse | FileCheck %s --check-prefix=TWICE
// RUN: quant-opt %s --quantc-lower-rows="target-features=+avx2,+fma" --canonicalize --cse | FileCheck %s --check-prefix=THREADS

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#column = affine_map<(d0, d1) -> (d1)>
#one = affine_map<(d0) -> (d0)>

// Softmax is three sweeps over four rows side by side. Its powers wait in the
// row of the result, so that nothing is allocated, and a sum has eight partial
// sums that no flag lets anybody reorder.
// CHECK-LABEL: func.func private @softmax
// CHECK-NOT:     memref.alloc
// CHECK-NOT:     linalg
// CHECK:         scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK-COUNT-4:   arith.maximumf {{.*}} : vector<8xf32>
// CHECK:         vector.shuffle %{{.*}} [0, 1, 2, 3]
// CHECK:         vector.shuffle %{{.*}} [4, 5, 6, 7]
// CHECK:         scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK:           %[[POWER:.*]] = math.exp
// CHECK:           vector.store %[[POWER]], %{{.*}} : memref<6400xf32>
// CHECK:           arith.addf %{{.*}}, %[[POWER]] fastmath<contract> : vector<8xf32>
// CHECK:         vector.shuffle %{{.*}} [0, 2, 4, 6]
// CHECK:         vector.shuffle %{{.*}} [1, 3, 5, 7]
// CHECK:         scf.for
// CHECK:           %[[AGAIN:.*]] = vector.load %{{.*}} : memref<6400xf32>
// CHECK:           arith.divf %[[AGAIN]]
// CHECK:         return
// Sums do not depend on the vector unit.
// WIDE-LABEL:  func.func private @softmax
// WIDE:          math.exp {{.*}} : vector<16xf32>
// WIDE:          arith.addf {{.*}} : vector<8xf32>
// WIDE:          arith.addf {{.*}} : vector<8xf32>
// THREADS-LABEL: func.func private @softmax
// THREADS-NOT:   omp
// THREADS-LABEL: func.func private @layer_norm
// THREADS:       %[[LARGE:.*]] = arith.cmpi sgt
// THREADS:       omp.parallel if(%[[LARGE]])
func.func private @softmax(%x: memref<64x100xf32>, %y: memref<64x100xf32>) {
  %least = arith.constant 0xFF800000 : f32
  %zero = arith.constant 0.0 : f32
  %max = memref.alloc() : memref<64xf32>
  linalg.fill ins(%least : f32) outs(%max : memref<64xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<64x100xf32>) outs(%max : memref<64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.maximumf %o, %a : f32
    linalg.yield %r : f32
  }
  %powers = memref.alloc() : memref<64x100xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %max : memref<64x100xf32>, memref<64xf32>) outs(%powers : memref<64x100xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.subf %a, %b : f32
    %r = math.exp %s : f32
    linalg.yield %r : f32
  }
  %sum = memref.alloc() : memref<64xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<64xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%powers : memref<64x100xf32>) outs(%sum : memref<64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a fastmath<reassoc,contract> : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%powers, %sum : memref<64x100xf32>, memref<64xf32>) outs(%y : memref<64x100xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  }
  memref.dealloc %max : memref<64xf32>
  memref.dealloc %powers : memref<64x100xf32>
  memref.dealloc %sum : memref<64xf32>
  return
}

// Rows of an unknown number: four at a time, and what is left one by one. A
// value per row is a scalar; what all rows share is loaded once for four rows.
// The product goes into the sum in one step if the target has one, in halves
// where vectors are wide.
// CHECK-LABEL: func.func private @layer_norm
// CHECK:         scf.if
// CHECK:           scf.for {{.*}} -> (vector<8xf32>, vector<8xf32>, vector<8xf32>, vector<8xf32>)
// CHECK:             %[[D:.*]] = arith.subf {{.*}} : vector<8xf32>
// CHECK:             math.fma %[[D]], %[[D]], %{{.*}} : vector<8xf32>
// CHECK:           math.sqrt %{{.*}} : f32
// CHECK:           scf.for
// CHECK-COUNT-5:     vector.load
// CHECK-NOT:         vector.load
// CHECK:         } else {
// CHECK:           scf.for
// CHECK:             scf.for {{.*}} -> (vector<8xf32>)
// TWICE-LABEL: func.func private @layer_norm
// TWICE-NOT:     math.fma
// TWICE:         %[[SQUARE:.*]] = arith.mulf %[[D:.*]], %[[D]] fastmath<contract>
// TWICE-NEXT:    arith.addf %{{.*}}, %[[SQUARE]] fastmath<contract>
// WIDE-LABEL:  func.func private @layer_norm
// WIDE:          arith.subf {{.*}} : vector<16xf32>
// WIDE:          %[[LOW:.*]] = math.fma {{.*}} : vector<8xf32>
// WIDE:          math.fma %{{.*}}, %{{.*}}, %[[LOW]] : vector<8xf32>
func.func private @layer_norm(%x: memref<?x384xf32>, %w: memref<384xf32>, %y: memref<?x384xi8>) {
  %c0 = arith.constant 0 : index
  %two = arith.constant 2.0 : f32
  %zero = arith.constant 0.0 : f32
  %n = memref.dim %x, %c0 : memref<?x384xf32>
  %squares = memref.alloc(%n) : memref<?xf32>
  linalg.fill ins(%zero : f32) outs(%squares : memref<?xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<?x384xf32>) outs(%squares : memref<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %d = arith.subf %a, %two : f32
    %s = arith.mulf %d, %d fastmath<contract> : f32
    %r = arith.addf %o, %s fastmath<reassoc,contract> : f32
    linalg.yield %r : f32
  }
  %root = memref.alloc(%n) : memref<?xf32>
  linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%squares : memref<?xf32>) outs(%root : memref<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.sqrt %a : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %root, %w : memref<?x384xf32>, memref<?xf32>, memref<384xf32>) outs(%y : memref<?x384xi8>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: i8):
    %q = arith.divf %a, %b : f32
    %p = arith.mulf %q, %c : f32
    %r = arith.fptosi %p : f32 to i8
    linalg.yield %r : i8
  }
  memref.dealloc %squares : memref<?xf32>
  memref.dealloc %root : memref<?xf32>
  return
}

// Bytes for which the result has no room wait on the stack.
// CHECK-LABEL: func.func private @lines
// CHECK:         memref.alloca() {alignment = 64 : i64} : memref<64xf32>
// CHECK:         vector.store {{.*}} : memref<64xf32>, vector<8xf32>
// CHECK:         vector.load {{.*}} : memref<64xf32>, vector<8xf32>
func.func private @lines(%x: memref<4x16xf32>, %y: memref<4x16xi8>) {
  %zero = arith.constant 0.0 : f32
  %e = memref.alloc() : memref<4x16xf32>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<4x16xf32>) outs(%e : memref<4x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.exp %a : f32
    linalg.yield %r : f32
  }
  %sum = memref.alloc() : memref<4xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<4xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%e : memref<4x16xf32>) outs(%sum : memref<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%e, %sum : memref<4x16xf32>, memref<4xf32>) outs(%y : memref<4x16xi8>) {
  ^bb0(%a: f32, %b: f32, %o: i8):
    %q = arith.divf %a, %b : f32
    %r = arith.fptosi %q : f32 to i8
    linalg.yield %r : i8
  }
  memref.dealloc %e : memref<4x16xf32>
  memref.dealloc %sum : memref<4xf32>
  return
}

// Nothing allows to reorder this sum: it goes from element to element.
// CHECK-LABEL: func.func private @ordered
// CHECK:         scf.for {{.*}} iter_args({{.*}}) -> (f32
// CHECK:           %[[FIRST:.*]] = vector.extract %{{.*}}[0] : f32 from vector<8xf32>
// CHECK:           %[[SUM:.*]] = arith.addf %{{.*}}, %[[FIRST]] : f32
// CHECK:           %[[SECOND:.*]] = vector.extract %{{.*}}[1] : f32 from vector<8xf32>
// CHECK:           arith.addf %[[SUM]], %[[SECOND]] : f32
// The elements that a row's last vector lacks are zeros.
// CHECK:           arith.select %{{.*}}, %{{.*}}, %{{.*}} : vector<8xi1>, vector<8xf32>
func.func private @ordered(%x: memref<4x20xf32>, %y: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%y : memref<4xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x20xf32>) outs(%y : memref<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  return
}

// Numbers that a table holds for bytes: of 16 registers with 512 bits.
// CHECK-LABEL: func.func private @table
// CHECK:         vector.gather %{{.*}} : memref<256xf32>, vector<8xi32>
// WIDE-LABEL:  func.func private @table
// WIDE-COUNT-16: vector.load %{{.*}} : memref<256xf32>, vector<16xf32>
// WIDE-COUNT-8:  llvm.x86.avx512.vpermi2var.ps.512
// WIDE-COUNT-7:  arith.select {{.*}} vector<16xf32>
func.func private @table(%x: memref<4x16xi8>, %table: memref<256xf32>, %y: memref<4xf32>) {
  %zero = arith.constant 0.0 : f32
  %e = memref.alloc() : memref<4x16xf32>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<4x16xi8>) outs(%e : memref<4x16xf32>) {
  ^bb0(%a: i8, %o: f32):
    %i = arith.index_castui %a : i8 to index
    %v = memref.load %table[%i] : memref<256xf32>
    linalg.yield %v : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<4xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%e : memref<4x16xf32>) outs(%y : memref<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  memref.dealloc %e : memref<4x16xf32>
  return
}

// The position of an element in its row is its number.
// CHECK-LABEL: func.func private @position
// CHECK-NOT:     linalg.generic
// CHECK:         %[[STEPS:.*]] = vector.step : vector<8xindex>
// CHECK:         %[[AT:.*]] = arith.addi %{{.*}}, %[[STEPS]] : vector<8xindex>
// CHECK:         %[[I:.*]] = arith.index_cast %[[AT]] : vector<8xindex> to vector<8xi64>
// CHECK:         arith.maxsi %{{.*}}, %[[I]] : vector<8xi64>
func.func private @position(%x: memref<4x16xf32>, %y: memref<4xi64>) {
  %zero = arith.constant 0 : i64
  linalg.fill ins(%zero : i64) outs(%y : memref<4xi64>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x16xf32>) outs(%y : memref<4xi64>) {
  ^bb0(%a: f32, %o: i64):
    %i = linalg.index 1 : index
    %v = arith.index_cast %i : index to i64
    %r = arith.maxsi %o, %v : i64
    linalg.yield %r : i64
  }
  return
}

// The number of a row, and buffers that the kernel reads otherwise than it writes
// them, are left to the loops.
// CHECK-LABEL: func.func private @number_of_row
// CHECK:         linalg.generic
func.func private @number_of_row(%x: memref<4x16xf32>, %y: memref<4xi64>) {
  %zero = arith.constant 0 : i64
  linalg.fill ins(%zero : i64) outs(%y : memref<4xi64>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x16xf32>) outs(%y : memref<4xi64>) {
  ^bb0(%a: f32, %o: i64):
    %i = linalg.index 0 : index
    %v = arith.index_cast %i : index to i64
    %r = arith.maxsi %o, %v : i64
    linalg.yield %r : i64
  }
  return
}

// So are buffers that are written behind an op that reads them: the scaling
// waits for the sum, and by then the first sweep would have stored the squares.
// CHECK-LABEL: func.func private @overwritten
// CHECK-COUNT-3: linalg.generic
func.func private @overwritten(%x: memref<4x16xf32>, %bias: memref<4x16xf32>, %sum: memref<4xf32>, %y: memref<4x16xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%sum : memref<4xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x16xf32>) outs(%sum : memref<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%bias, %sum : memref<4x16xf32>, memref<4xf32>) outs(%y : memref<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : memref<4x16xf32>) outs(%bias : memref<4x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.mulf %a, %a : f32
    linalg.yield %r : f32
  }
  return
}

// What is filled and read before anything is added to it is no sum's start.
// CHECK-LABEL: func.func private @filled
// CHECK-COUNT-2: linalg.generic
func.func private @filled(%x: memref<4x16xf32>, %sum: memref<4xf32>, %y: memref<4x16xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%sum : memref<4xf32>)
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : memref<4x16xf32>, memref<4xf32>) outs(%y : memref<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.addf %a, %b : f32
    linalg.yield %r : f32
  }
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : memref<4x16xf32>) outs(%sum : memref<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  }
  return
}
