// RUN: quant-opt %s --split-input-file --quantc-lower-attention="target-features=+avx512f,+avx512bw,+avx512vnni,+fma threads=false" \
// RUN:   --canonicalize --cse | FileCheck %s
// RUN: quant-opt %s --split-input-file --quantc-lower-attention="target-features=+avx512f,+avx512bw,+avx512vnni,+fma" \
// RUN:   --canonicalize --cse | FileCheck %s --check-prefix=THREADS

#q = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d1, d4)>
#k = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d1, d4)>
#s = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>
#p = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>
#v = affine_map<(d0, d1, d2, d3, d4) -> (d0, d4, d1, d3)>
#y = affine_map<(d0, d1, d2, d3, d4) -> (d0, d2, d1, d3)>
#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#row = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#mask = affine_map<(d0, d1, d2, d3) -> (d0, d3)>

// Of two heads of 128 queries and 48 keys, a task has 64 queries. It packs the
// keys (16 rows of 48 columns) and the values (48 rows of 16), then computes
// scores, weights and the result of its rows.
// CHECK-LABEL: func.func private @attention
// CHECK-NOT:     memref<1x2x128x48xf32>
// CHECK:         scf.for %{{.*}} = %c0 to %c4 step %c1
// CHECK:           %[[KEYS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<768xf32>
// Keys are contiguous along k: blocks of 16 are transposed.
// CHECK-COUNT-64:  vector.shuffle {{.*}} : vector<16xf32>, vector<16xf32>
// CHECK:           vector.store %{{.*}}, %[[KEYS]][%c0]
// CHECK:           memref.alloca() {alignment = 64 : i64} : memref<768xf32>
// CHECK:           %[[INPUT:.*]] = memref.alloca() {alignment = 64 : i64} : memref<12288xi8>
// CHECK:           %[[WEIGHTS:.*]] = memref.alloca() {alignment = 64 : i64} : memref<12288xi8>
// CHECK:           scf.for %{{.*}} step %c64
// CHECK:             memref.view %[[INPUT]]{{.*}} to memref<1x1x64x48xf32>
// CHECK:             memref.view %[[WEIGHTS]]{{.*}} to memref<1x1x64x48xf32>
// CHECK:             vector.fma
// The scale and the mask, before scores are stored.
// CHECK:             arith.mulf
// CHECK:             arith.addf
// CHECK:             arith.maximumf
// CHECK:             math.exp
// CHECK:             arith.divf
// CHECK:             vector.fma
// CHECK-NOT:     linalg
// Too little work for threads.
// THREADS-LABEL: func.func private @attention
// THREADS-NOT:   omp.parallel
func.func private @attention(%q: memref<1x128x2x16xf32>, %k: memref<1x48x2x16xf32>, %mask: memref<1x48xf32>,
                             %v: memref<1x48x2x16xf32>, %y: memref<1x128x2x16xf32>) {
  %one = arith.constant 1.0 : f32
  %least = arith.constant 0xFF800000 : f32
  %scale = arith.constant 0.25 : f32
  %zero = arith.constant 0.0 : f32
  %scores = memref.alloc() : memref<1x2x128x48xf32>
  linalg.fill ins(%zero : f32) outs(%scores : memref<1x2x128x48xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<1x128x2x16xf32>, memref<1x48x2x16xf32>) outs(%scores : memref<1x2x128x48xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  %masked = memref.alloc() : memref<1x2x128x48xf32>
  linalg.generic {indexing_maps = [#id, #mask, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%scores, %mask : memref<1x2x128x48xf32>, memref<1x48xf32>) outs(%masked : memref<1x2x128x48xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %scale : f32
    %1 = arith.addf %0, %b : f32
    linalg.yield %1 : f32
  }
  %most = memref.alloc() : memref<1x2x128xf32>
  linalg.fill ins(%least : f32) outs(%most : memref<1x2x128xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%masked : memref<1x2x128x48xf32>) outs(%most : memref<1x2x128xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.maximumf %o, %a : f32
    linalg.yield %0 : f32
  }
  %powers = memref.alloc() : memref<1x2x128x48xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%masked, %most : memref<1x2x128x48xf32>, memref<1x2x128xf32>) outs(%powers : memref<1x2x128x48xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.subf %a, %b : f32
    %1 = math.exp %0 : f32
    linalg.yield %1 : f32
  }
  %sum = memref.alloc() : memref<1x2x128xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<1x2x128xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%powers : memref<1x2x128x48xf32>) outs(%sum : memref<1x2x128xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a fastmath<reassoc,contract> : f32
    linalg.yield %0 : f32
  }
  %weights = memref.alloc() : memref<1x2x128x48xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%powers, %sum : memref<1x2x128x48xf32>, memref<1x2x128xf32>) outs(%weights : memref<1x2x128x48xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.divf %a, %b : f32
    linalg.yield %0 : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<1x128x2x16xf32>)
  linalg.generic {indexing_maps = [#p, #v, #y], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<1x2x128x48xf32>, memref<1x48x2x16xf32>) outs(%y : memref<1x128x2x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

#q = affine_map<(d0, d1, d2) -> (d0, d2)>
#k = affine_map<(d0, d1, d2) -> (d2, d1)>
#s = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Bytes, sizes of the run: blocks have 16 rows at most, panels the words of dot
// products, and what a task packs is on the heap.
// CHECK-LABEL: func.func private @bytes
// CHECK:         scf.for
// CHECK:           %[[RAW:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xi8>
// CHECK:           %[[KEYS:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xi32>
// CHECK:           scf.for
// CHECK:             %[[ROWS:.*]] = arith.minsi
// CHECK:             memref.view %{{.*}}[%{{.*}}][%[[ROWS]], %{{.*}}] : memref<?xi8> to memref<?x?xi32>
// CHECK:             memref.view %{{.*}}[%{{.*}}][%[[ROWS]], %{{.*}}] : memref<?xi8> to memref<?x?xi8>
// CHECK:             llvm.x86.avx512.vpdpbusd.512
// CHECK:             arith.maxsi
// CHECK:             llvm.x86.avx512.vpdpbusd.512
// CHECK:           memref.dealloc %[[RAW]]
// CHECK:           memref.dealloc %[[KEYS]]
// CHECK-NOT:     linalg
// THREADS-LABEL: func.func private @bytes
// THREADS:       omp.parallel if
// THREADS-NOT:   omp.parallel
func.func private @bytes(%q: memref<?x16xi8>, %k: memref<16x?xi8>, %v: memref<?x16xi8>, %y: memref<?x16xi32>) {
  %zero = arith.constant 0 : i32
  %least = arith.constant -2147483648 : i32
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %rows = memref.dim %q, %c0 : memref<?x16xi8>
  %columns = memref.dim %k, %c1 : memref<16x?xi8>
  %scores = memref.alloc(%rows, %columns) : memref<?x?xi32>
  linalg.fill ins(%zero : i32) outs(%scores : memref<?x?xi32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<?x16xi8>, memref<16x?xi8>) outs(%scores : memref<?x?xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  %most = memref.alloc(%rows) : memref<?xi32>
  linalg.fill ins(%least : i32) outs(%most : memref<?xi32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%scores : memref<?x?xi32>) outs(%most : memref<?xi32>) {
  ^bb0(%a: i32, %o: i32):
    %0 = arith.maxsi %o, %a : i32
    linalg.yield %0 : i32
  }
  %weights = memref.alloc(%rows, %columns) : memref<?x?xi8>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%scores, %most : memref<?x?xi32>, memref<?xi32>) outs(%weights : memref<?x?xi8>) {
  ^bb0(%a: i32, %b: i32, %o: i8):
    %0 = arith.subi %b, %a : i32
    %1 = arith.trunci %0 : i32 to i8
    linalg.yield %1 : i8
  }
  linalg.fill ins(%zero : i32) outs(%y : memref<?x16xi32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<?x?xi8>, memref<?x16xi8>) outs(%y : memref<?x16xi32>) {
  ^bb0(%a: i8, %b: i8, %o: i32):
    %0 = arith.extui %a : i8 to i32
    %1 = arith.extsi %b : i8 to i32
    %2 = arith.muli %0, %1 : i32
    %3 = arith.addi %o, %2 : i32
    linalg.yield %3 : i32
  }
  return
}

// -----

#q = affine_map<(d0, d1, d2) -> (d0, d2)>
#k = affine_map<(d0, d1, d2) -> (d2, d1)>
#s = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#other = affine_map<(d0, d1) -> (d1)>

// What is divided by a value of the column is not computed row by row.
// CHECK-LABEL: func.func private @columns
// CHECK-COUNT-4: linalg.generic
// CHECK-NOT:     scf.for
func.func private @columns(%q: memref<32x16xf32>, %k: memref<16x32xf32>, %v: memref<32x16xf32>, %y: memref<32x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %scores = memref.alloc() : memref<32x32xf32>
  linalg.fill ins(%zero : f32) outs(%scores : memref<32x32xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<32x16xf32>, memref<16x32xf32>) outs(%scores : memref<32x32xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  %sum = memref.alloc() : memref<32xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<32xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%scores : memref<32x32xf32>) outs(%sum : memref<32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a : f32
    linalg.yield %0 : f32
  }
  %weights = memref.alloc() : memref<32x32xf32>
  linalg.generic {indexing_maps = [#id, #other, #id], iterator_types = ["parallel", "parallel"]}
      ins(%scores, %sum : memref<32x32xf32>, memref<32xf32>) outs(%weights : memref<32x32xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.divf %a, %b : f32
    linalg.yield %0 : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<32x16xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<32x32xf32>, memref<32x16xf32>) outs(%y : memref<32x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

#q = affine_map<(d0, d1, d2) -> (d0, d2)>
#k = affine_map<(d0, d1, d2) -> (d2, d1)>
#s = affine_map<(d0, d1, d2) -> (d0, d1)>
#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// Rows that read a buffer from outside, which has more of them than a block.
// CHECK-LABEL: func.func private @outside
// CHECK-COUNT-4: linalg.generic
// CHECK-NOT:     scf.for
func.func private @outside(%q: memref<32x16xf32>, %k: memref<16x32xf32>, %v: memref<32x16xf32>, %m: memref<32x32xf32>, %y: memref<32x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %scores = memref.alloc() : memref<32x32xf32>
  linalg.fill ins(%zero : f32) outs(%scores : memref<32x32xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<32x16xf32>, memref<16x32xf32>) outs(%scores : memref<32x32xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  %sum = memref.alloc() : memref<32xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<32xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%scores : memref<32x32xf32>) outs(%sum : memref<32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a : f32
    linalg.yield %0 : f32
  }
  %weights = memref.alloc() : memref<32x32xf32>
  linalg.generic {indexing_maps = [#id, #row, #id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%scores, %sum, %m : memref<32x32xf32>, memref<32xf32>, memref<32x32xf32>) outs(%weights : memref<32x32xf32>) {
  ^bb0(%a: f32, %b: f32, %c: f32, %o: f32):
    %0 = arith.divf %a, %b : f32
    %1 = arith.addf %0, %c : f32
    linalg.yield %1 : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<32x16xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<32x32xf32>, memref<32x16xf32>) outs(%y : memref<32x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}

// -----

#q = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d3, d5)>
#k = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d4, d5)>
#s = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d2, d3, d4)>
#v = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d5, d4)>
#y = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d3, d1, d2, d4)>
#id = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3, d4)>
#mask = affine_map<(d0, d1, d2, d3, d4) -> (d3, d4)>
#row = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>

// Three heads of queries share each of two heads of keys and values: a task
// packs those once, for blocks of whole tiles (two of 9 rows). Where there is
// one token, the queries of the three heads are rows.
// CHECK-LABEL: func.func private @grouped
// CHECK-NOT:     memref<1x2x3x?x?xf32>
// CHECK:         %[[N:.*]] = memref.dim %{{.*}}, %c2 : memref<1x2x?x16xf32>
// CHECK:         %[[M:.*]] = memref.dim %{{.*}}, %c3 : memref<1x2x3x?x16xf32>
// CHECK:         scf.for
// CHECK:           %[[KEYS:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xf32>
// CHECK:           %[[VALUES:.*]] = memref.alloc(%{{.*}}) {alignment = 64 : i64} : memref<?xf32>
// CHECK:           %[[ONE:.*]] = arith.cmpi eq, %[[M]], %c1
// CHECK:           scf.if %[[ONE]] {
// CHECK-NEXT:        memref.view %{{.*}}[%c0][%[[N]]] : memref<?xi8> to memref<1x1x1x3x?xf32>
// CHECK:             memref.view %{{.*}} to memref<1x1x1x3x?xf32>
// CHECK-NOT:         memref.view
// CHECK:             scf.for %[[ROW:.*]] = %{{.*}} to %[[END:.*]] step %c18
// CHECK-NEXT:          %[[LEFT:.*]] = arith.subi %[[END]], %[[ROW]]
// CHECK-NEXT:          %[[ROWS:.*]] = arith.minsi %[[LEFT]], %c18
// CHECK-NEXT:          scf.for %{{.*}} = %c0 to %c3 step %c1
// CHECK-NEXT:            memref.view %{{.*}}[%c0][%[[ROWS]], %[[N]]] : memref<?xi8> to memref<1x1x1x?x?xf32>
// CHECK-NOT:             memref.alloc(
// CHECK:           memref.dealloc %[[KEYS]]
// CHECK:           memref.dealloc %[[VALUES]]
// CHECK-NOT:     linalg
// THREADS-LABEL: func.func private @grouped
// THREADS:       omp.parallel if
func.func private @grouped(%q: memref<1x2x3x?x16xf32>, %k: memref<1x2x?x16xf32>, %mask: memref<?x?xf32>,
                           %v: memref<1x2x?x16xf32>, %y: memref<1x?x2x3x16xf32>) {
  %zero = arith.constant 0.0 : f32
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %n = memref.dim %k, %c2 : memref<1x2x?x16xf32>
  %m = memref.dim %q, %c3 : memref<1x2x3x?x16xf32>
  %scores = memref.alloc(%m, %n) : memref<1x2x3x?x?xf32>
  linalg.fill ins(%zero : f32) outs(%scores : memref<1x2x3x?x?xf32>)
  linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : memref<1x2x3x?x16xf32>, memref<1x2x?x16xf32>) outs(%scores : memref<1x2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  %masked = memref.alloc(%m, %n) : memref<1x2x3x?x?xf32>
  linalg.generic {indexing_maps = [#id, #mask, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%scores, %mask : memref<1x2x3x?x?xf32>, memref<?x?xf32>) outs(%masked : memref<1x2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.addf %a, %b : f32
    linalg.yield %0 : f32
  }
  %sum = memref.alloc(%m) : memref<1x2x3x?xf32>
  linalg.fill ins(%zero : f32) outs(%sum : memref<1x2x3x?xf32>)
  linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%masked : memref<1x2x3x?x?xf32>) outs(%sum : memref<1x2x3x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %0 = arith.addf %o, %a fastmath<reassoc,contract> : f32
    linalg.yield %0 : f32
  }
  %weights = memref.alloc(%m, %n) : memref<1x2x3x?x?xf32>
  linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel"]}
      ins(%masked, %sum : memref<1x2x3x?x?xf32>, memref<1x2x3x?xf32>) outs(%weights : memref<1x2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.divf %a, %b : f32
    linalg.yield %0 : f32
  }
  linalg.fill ins(%zero : f32) outs(%y : memref<1x?x2x3x16xf32>)
  linalg.generic {indexing_maps = [#q, #v, #y], iterator_types = ["parallel", "parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%weights, %v : memref<1x2x3x?x?xf32>, memref<1x2x?x16xf32>) outs(%y : memref<1x?x2x3x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %0 = arith.mulf %a, %b : f32
    %1 = arith.addf %o, %0 : f32
    linalg.yield %1 : f32
  }
  return
}
