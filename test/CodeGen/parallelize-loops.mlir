// RUN: quant-opt %s --quantc-parallelize-loops | FileCheck %s
// RUN: quant-opt %s --quantc-parallelize-loops="threads=false" | FileCheck %s --check-prefix=ONE
// RUN: quant-opt %s --quantc-parallelize-loops="threads=false" --canonicalize | FileCheck %s --check-prefix=LINE

#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#row = affine_map<(d0, d1, d2) -> (d1)>
#sum = affine_map<(d0, d1, d2) -> (d0, d1)>

// CHECK: #[[$FOUR:.*]] = #llvm.loop_interleave<count = 4 : i32>
// CHECK: #[[$SIDE_BY_SIDE:.*]] = #llvm.loop_annotation<interleave = #[[$FOUR]]>

// Elementwise on whole buffers: one loop, in chunks, and in parallel if the size
// that only the call tells is large. A polynomial is computed for several
// vectors side by side.
// CHECK-LABEL: func.func private @flat
// CHECK:         memref.reinterpret_cast
// CHECK:         %[[LARGE:.*]] = arith.cmpi sgt
// CHECK:         omp.parallel if(%[[LARGE]])
// CHECK:           omp.wsloop
// CHECK:             scf.for
// CHECK-NOT:         scf.for
// CHECK:               math.exp
// CHECK:             } {loop_annotation = #[[$SIDE_BY_SIDE]]}
// ONE-LABEL:   func.func private @flat
// ONE-NOT:       omp
// ONE:           scf.for
// ONE-NOT:       scf.for
// ONE:           } {loop_annotation = #{{.*}}}
// ONE:           return
func.func private @flat(%x: memref<?x3x5xf32>, %out: memref<?x3x5xf32>) {
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : memref<?x3x5xf32>) outs(%out : memref<?x3x5xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = math.exp %a : f32
    linalg.yield %s : f32
  }
  return
}

// LLVM knows by itself what to do with a sum; few elements are one vector.
// CHECK-LABEL: func.func private @short
// CHECK-NOT:     loop_annotation
func.func private @short(%x: memref<256xf32>, %y: memref<32xf32>, %out: memref<256xf32>) {
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>, affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      ins(%x : memref<256xf32>) outs(%out : memref<256xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %a : f32
    linalg.yield %s : f32
  }
  linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      outs(%y : memref<32xf32>) {
  ^bb0(%o: f32):
    %s = math.exp %o : f32
    linalg.yield %s : f32
  }
  return
}

// Repeats elements twice: a task is a line of the result, not two elements of it,
// whose place would take divisions to find.
// CHECK-LABEL: func.func private @repeat
// CHECK:         omp.loop_nest ({{.*}}) : index = (%{{.*}}) to (%c7680{{.*}})
// CHECK:           scf.for %{{.*}} = %{{.*}} to %c2{{.*}} step
// CHECK:             scf.for %{{.*}} = %{{.*}} to %c80{{.*}} step
// CHECK:               scf.for %{{.*}} = %{{.*}} to %c2{{.*}} step
func.func private @repeat(%x: memref<96x80x80xf32>, %out: memref<96x80x2x80x2xf32>) {
  linalg.generic {
      indexing_maps = [affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d3)>,
                       affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>],
      iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%x : memref<96x80x80xf32>) outs(%out : memref<96x80x2x80x2xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  }
  return
}

// A reduction runs in parallel over what it does not reduce.
// CHECK-LABEL: func.func private @reduction
// CHECK:         omp.parallel {
// CHECK:           omp.loop_nest ({{.*}}) : index = (%{{.*}}) to (%{{.*}})
// CHECK:             arith.remui
// CHECK:             scf.for
// CHECK-NOT:         scf.for
// CHECK:               arith.addf
func.func private @reduction(%x: memref<64x64x1024xf32>, %out: memref<64x64xf32>) {
  linalg.generic {indexing_maps = [#id, #sum], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x : memref<64x64x1024xf32>) outs(%out : memref<64x64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %a, %o : f32
    linalg.yield %s : f32
  }
  return
}

// A small op stays on one thread, a broadcast keeps its loops.
// CHECK-LABEL: func.func private @small
// CHECK-NOT:     omp
// CHECK-COUNT-3: scf.for
func.func private @small(%x: memref<2x3x5xf32>, %y: memref<3xf32>, %out: memref<2x3x5xf32>) {
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x, %y : memref<2x3x5xf32>, memref<3xf32>) outs(%out : memref<2x3x5xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  }
  return
}

// Nothing that is not in a kernel runs in parallel: it may be in a loop.
// CHECK-LABEL: func.func @main
// CHECK:         linalg.fill
func.func @main(%out: memref<1024x1024xf32>) {
  %zero = arith.constant 0.0 : f32
  linalg.fill ins(%zero : f32) outs(%out : memref<1024x1024xf32>)
  return
}

#window = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1 * 2 + d3, d2 * 2 + d4)>
#size = affine_map<(d0, d1, d2, d3, d4) -> (d3, d4)>
#pooled = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2)>

// A pool goes along whole lines of its outputs, with all of a small window. The
// sums of these do not depend on what is added first, and stay in a register.
// LINE-LABEL:  func.func private @pool
// LINE-SAME:     %[[X:.*]]: memref<64x57x57xf32>
// LINE-SAME:     %[[OUT:[a-z0-9]+]]: memref<64x28x28xf32>
// LINE:          scf.for %[[CHANNEL:.*]] =
// LINE:            scf.for %[[ROW:.*]] =
// LINE:              scf.for %[[COLUMN:.*]] =
// LINE-NOT:            scf.for
// LINE:                %[[S0:.*]] = memref.load %[[OUT]]
// LINE:                %[[S1:.*]] = arith.addf %[[S0]],
// LINE:                %[[S2:.*]] = arith.addf %[[S1]],
// LINE:                %[[S3:.*]] = arith.addf %[[S2]],
// LINE:                %[[S4:.*]] = arith.addf %[[S3]],
// LINE:                %[[S5:.*]] = arith.addf %[[S4]],
// LINE:                %[[S6:.*]] = arith.addf %[[S5]],
// LINE:                %[[S7:.*]] = arith.addf %[[S6]],
// LINE:                %[[S8:.*]] = arith.addf %[[S7]],
// LINE:                %[[S9:.*]] = arith.addf %[[S8]],
// LINE:                memref.store %[[S9]], %[[OUT]][%[[CHANNEL]], %[[ROW]], %[[COLUMN]]]
// LINE-NOT:            memref.store
func.func private @pool(%x: memref<64x57x57xf32>, %w: memref<3x3xf32>, %out: memref<64x28x28xf32>) {
  linalg.generic {indexing_maps = [#window, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x57x57xf32>, memref<3x3xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.addf %o, %a : f32
    linalg.yield %m : f32
  }
  return
}

#dense = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1 + d3, d2 + d4)>

// Of a larger window, it takes a line at a time.
// LINE-LABEL:  func.func private @large_window
// LINE:          scf.for %[[CHANNEL:.*]] =
// LINE:            scf.for %[[ROW:.*]] =
// LINE:              scf.for %[[I:.*]] = %c0 to %c5
// LINE:                scf.for %[[COLUMN:.*]] = %c0 to %c28
// LINE-NOT:              scf.for
// LINE-COUNT-5:          arith.addf
// LINE:                  memref.store %{{.*}}, %{{.*}}[%[[CHANNEL]], %[[ROW]], %[[COLUMN]]]
func.func private @large_window(%x: memref<64x32x32xf32>, %w: memref<5x5xf32>, %out: memref<64x28x28xf32>) {
  linalg.generic {indexing_maps = [#dense, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x32x32xf32>, memref<5x5xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.addf %o, %a : f32
    linalg.yield %m : f32
  }
  return
}

// What its results are filled with, sums start from: it is written nowhere.
// LINE-LABEL:  func.func private @filled_pool
// LINE-SAME:     %[[OUT:[a-z0-9]+]]: memref<64x28x28xf32>, %[[START:[a-z0-9]+]]: f32
// LINE-NOT:      memref.store
// LINE-NOT:      memref.load %[[OUT]]
// LINE:          arith.addf %[[START]],
// LINE-COUNT-3:  arith.addf
// LINE:          memref.store %{{.*}}, %[[OUT]]
// LINE-NOT:      memref.store
func.func private @filled_pool(%x: memref<64x57x57xf32>, %w: memref<2x2xf32>, %out: memref<64x28x28xf32>,
                               %start: f32) {
  linalg.fill ins(%start : f32) outs(%out : memref<64x28x28xf32>)
  linalg.generic {indexing_maps = [#window, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x57x57xf32>, memref<2x2xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.addf %o, %a : f32
    linalg.yield %m : f32
  }
  return
}

// A larger window takes several passes, which start from the buffer.
// LINE-LABEL:  func.func private @filled_large_window
// LINE:          memref.store %cst
// LINE:          memref.load
func.func private @filled_large_window(%x: memref<64x32x32xf32>, %w: memref<5x5xf32>, %out: memref<64x28x28xf32>) {
  %start = arith.constant 3.0 : f32
  linalg.fill ins(%start : f32) outs(%out : memref<64x28x28xf32>)
  linalg.generic {indexing_maps = [#dense, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x32x32xf32>, memref<5x5xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.addf %o, %a : f32
    linalg.yield %m : f32
  }
  return
}

// Maxima of windows of several lines: columns first, 256 results of a line and
// what they overlap with at a time, then the elements of each window.
// LINE-LABEL:  func.func private @maxima
// LINE:          scf.for %[[TASK:.*]] = %c0 to %c1792
// LINE:            %[[COLUMNS:.*]] = memref.alloca() {{.*}} : memref<513xf32>
// LINE:            scf.for %[[I:.*]] = %c0 to %c57
// LINE-COUNT-3:      memref.load %{{.*}} : memref<64x57x57xf32>
// LINE:              memref.store %{{.*}}, %[[COLUMNS]][%[[I]]]
// LINE:            scf.for %[[J:.*]] = %c0 to %c28
// LINE-COUNT-3:      memref.load %[[COLUMNS]]
// LINE:              memref.store %{{.*}} : memref<64x28x28xf32>
func.func private @maxima(%x: memref<64x57x57xf32>, %w: memref<3x3xf32>, %out: memref<64x28x28xf32>) {
  linalg.generic {indexing_maps = [#window, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x57x57xf32>, memref<3x3xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.maximumf %o, %a : f32
    linalg.yield %m : f32
  }
  return
}

// Nothing is padded for maxima: lines and columns of an edge are left out. Nor
// is it written first what results start from.
// LINE-LABEL:  func.func private @padded
// LINE-SAME:     %[[X:.*]]: memref<64x56x56xf32>, %{{.*}}: memref<3x3xf32>, %[[OUT:.*]]: memref<64x56x56xf32>
// LINE-DAG:      %[[LEAST:.*]] = arith.constant 0xFF800000 : f32
// LINE-NOT:      memref.alloc(
// LINE:          scf.for %[[TASK:.*]] = %c0 to %c3584
// LINE:            %[[COLUMNS:.*]] = memref.alloca() {{.*}} : memref<258xf32>
// LINE-DAG:        memref.store %[[LEAST]], %[[COLUMNS]][%c0]
// LINE-DAG:        memref.store %[[LEAST]], %[[COLUMNS]][%c57]
// LINE-COUNT-3:    arith.cmpi ult, %{{.*}}, %c56
// LINE:            scf.if
// LINE-NEXT:         scf.for %{{.*}} = %c1 to %c57
// LINE-COUNT-3:        memref.load %[[X]]
// LINE:            } else {
// LINE:              memref.store %[[LEAST]], %[[COLUMNS]]
// LINE-COUNT-3:      scf.if
// LINE:            scf.for %{{.*}} = %c0 to %c56
// LINE-COUNT-3:      memref.load %[[COLUMNS]]
// LINE-NOT:          memref.load
// LINE:              memref.store %{{.*}}, %[[OUT]]
func.func private @padded(%x: memref<64x56x56xf32>, %w: memref<3x3xf32>, %out: memref<64x56x56xf32>) {
  %least = arith.constant 0xFF800000 : f32
  %padded = memref.alloc() : memref<64x58x58xf32>
  linalg.fill ins(%least : f32) outs(%padded : memref<64x58x58xf32>)
  %inside = memref.subview %padded[0, 1, 1] [64, 56, 56] [1, 1, 1] : memref<64x58x58xf32> to memref<64x56x56xf32, strided<[3364, 58, 1], offset: 59>>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : memref<64x56x56xf32>) outs(%inside : memref<64x56x56xf32, strided<[3364, 58, 1], offset: 59>>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  }
  linalg.fill ins(%least : f32) outs(%out : memref<64x56x56xf32>)
  linalg.generic {indexing_maps = [#dense, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%padded, %w : memref<64x58x58xf32>, memref<3x3xf32>) outs(%out : memref<64x56x56xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.maximumf %o, %a : f32
    linalg.yield %m : f32
  }
  memref.dealloc %padded : memref<64x58x58xf32>
  return
}

// Something else reads the padded copy.
// LINE-LABEL:  func.func private @padded_for_two
// LINE:          memref.alloc(
// LINE:          memref.alloca() {{.*}} : memref<513xf32>
// LINE-NOT:      scf.if
// LINE:          return
func.func private @padded_for_two(%x: memref<64x57x57xf32>, %w: memref<3x3xf32>, %out: memref<64x28x28xf32>, %copy: memref<64x59x59xf32>) {
  %least = arith.constant 0xFF800000 : f32
  %padded = memref.alloc() : memref<64x59x59xf32>
  linalg.fill ins(%least : f32) outs(%padded : memref<64x59x59xf32>)
  %inside = memref.subview %padded[0, 1, 1] [64, 57, 57] [1, 1, 1] : memref<64x59x59xf32> to memref<64x57x57xf32, strided<[3481, 59, 1], offset: 60>>
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%x : memref<64x57x57xf32>) outs(%inside : memref<64x57x57xf32, strided<[3481, 59, 1], offset: 60>>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  }
  linalg.generic {indexing_maps = [#window, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%padded, %w : memref<64x59x59xf32>, memref<3x3xf32>) outs(%out : memref<64x28x28xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %m = arith.maximumf %o, %a : f32
    linalg.yield %m : f32
  }
  linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%padded : memref<64x59x59xf32>) outs(%copy : memref<64x59x59xf32>) {
  ^bb0(%a: f32, %o: f32):
    linalg.yield %a : f32
  }
  memref.dealloc %padded : memref<64x59x59xf32>
  return
}

// Of sums of bytes that overlap in steps of two, an element at a time.
// LINE-LABEL:  func.func private @bytes
// LINE:          scf.for %[[CHANNEL:.*]] =
// LINE:            scf.for %[[ROW:.*]] =
// LINE:              scf.for %[[I:.*]] = %c0 to %c3
// LINE:                scf.for %[[J:.*]] = %c0 to %c3
// LINE:                  scf.for %[[COLUMN:.*]] = %c0 to %c28
// LINE:                    arith.addi
// LINE:                    memref.store %{{.*}}, %{{.*}}[%[[CHANNEL]], %[[ROW]], %[[COLUMN]]]
func.func private @bytes(%x: memref<64x57x57xi8>, %w: memref<3x3xi8>, %out: memref<64x28x28xi8>) {
  linalg.generic {indexing_maps = [#window, #size, #pooled],
                  iterator_types = ["parallel", "parallel", "parallel", "reduction", "reduction"]}
      ins(%x, %w : memref<64x57x57xi8>, memref<3x3xi8>) outs(%out : memref<64x28x28xi8>) {
  ^bb0(%a: i8, %b: i8, %o: i8):
    %m = arith.addi %o, %a : i8
    linalg.yield %m : i8
  }
  return
}

#columns = affine_map<(d0, d1, d2) -> (d0, d2, d1)>

// So does a sum of columns, and each column adds up from top to bottom.
// LINE-LABEL:  func.func private @columns
// LINE:          scf.for %[[BATCH:.*]] =
// LINE:            scf.for %[[ROW:.*]] =
// LINE:              scf.for %[[COLUMN:.*]] =
// LINE:                memref.load %{{.*}}[%[[BATCH]], %[[ROW]], %[[COLUMN]]]
// LINE:                memref.store %{{.*}}, %{{.*}}[%[[BATCH]], %[[COLUMN]]]
func.func private @columns(%x: memref<16x1000x64xf32>, %out: memref<16x64xf32>) {
  linalg.generic {indexing_maps = [#columns, #sum], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%x : memref<16x1000x64xf32>) outs(%out : memref<16x64xf32>) {
  ^bb0(%a: f32, %o: f32):
    %s = arith.addf %o, %a : f32
    linalg.yield %s : f32
  }
  return
}
