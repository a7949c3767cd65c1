// RUN: quant-opt %s -split-input-file --quantc-outline-kernels --canonicalize | FileCheck %s

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d1)>

// Two layers of one shape share a kernel, and their weights are arguments. All
// sizes are known, so that calls pass pointers alone.
// CHECK-LABEL: func.func @layers
// CHECK: kernel.call @[[K:kernel_0_matmul]] ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<8x16xf32>, tensor<16x16xf32>, tensor<16xf32>)
// CHECK: kernel.call @[[K]] ins
// CHECK-NOT: linalg
// CHECK: func.func private @[[K]](
// CHECK-SAME: %[[A:.*]]: memref<8x16xf32>, %[[B:.*]]: memref<16x16xf32>, %[[BIAS:.*]]: memref<16xf32>, %[[OUT:.*]]: memref<8x16xf32>) attributes {llvm.bareptr} {
// CHECK: linalg.fill ins(%{{.*}}) outs(%[[OUT]]
// CHECK: linalg.matmul ins(%[[A]], %[[B]] {{.*}}) outs(%[[OUT]]
// CHECK: linalg.generic {{.*}} ins(%[[OUT]], %[[BIAS]] {{.*}}) outs(%[[OUT]]
// CHECK-NOT: func.func
func.func @layers(%x: tensor<8x16xf32>, %bias: tensor<16xf32>,
                  %w0: tensor<16x16xf32>, %w1: tensor<16x16xf32>) -> tensor<8x16xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<8x16xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<8x16xf32>) -> tensor<8x16xf32>
  %0 = linalg.matmul ins(%x, %w0 : tensor<8x16xf32>, tensor<16x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0, %bias : tensor<8x16xf32>, tensor<16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  %2 = linalg.matmul ins(%1, %w1 : tensor<8x16xf32>, tensor<16x16xf32>) outs(%init : tensor<8x16xf32>) -> tensor<8x16xf32>
  %3 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%2, %bias : tensor<8x16xf32>, tensor<16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %s = arith.addf %a, %b : f32
    linalg.yield %s : f32
  } -> tensor<8x16xf32>
  return %3 : tensor<8x16xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>

// Numbers that two groups of one form differ in are arguments; a number that
// occurs twice is one, and what all calls agree on stays in the kernel.
// CHECK-LABEL: func.func @numbers
// CHECK-DAG: %[[S0:.*]] = arith.constant 2.500000e-01 : f32
// CHECK-DAG: %[[S1:.*]] = arith.constant 5.000000e-01 : f32
// CHECK: kernel.call @[[K:kernel_0_generic]] ins(%{{.*}}, %[[S0]] : tensor<8x16xf32>, f32)
// CHECK: kernel.call @[[K]] ins(%{{.*}}, %[[S1]] : tensor<8x16xf32>, f32)
// CHECK: func.func private @[[K]](%{{.*}}: memref<8x16xf32>, %[[S:.*]]: f32 {llvm.nofpclass = 3 : i64}, %{{.*}}: memref<8x16xf32>)
// CHECK: %[[BOUND:.*]] = arith.constant 1.270000e+02 : f32
// CHECK: arith.divf %{{.*}}, %[[S]]
// CHECK: arith.minnumf %{{.*}}, %[[BOUND]]
// CHECK: arith.mulf %{{.*}}, %[[S]]
// CHECK-NOT: func.func
func.func @numbers(%x: tensor<8x16xf32>) -> tensor<8x16xf32> {
  %s0 = arith.constant 0.25 : f32
  %s1 = arith.constant 0.5 : f32
  %bound = arith.constant 127.0 : f32
  %e = tensor.empty() : tensor<8x16xf32>
  %0 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %q = arith.divf %a, %s0 : f32
    %c = arith.minnumf %q, %bound : f32
    %d = arith.mulf %c, %s0 : f32
    linalg.yield %d : f32
  } -> tensor<8x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel"]}
      ins(%0 : tensor<8x16xf32>) outs(%e : tensor<8x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %q = arith.divf %a, %s1 : f32
    %c = arith.minnumf %q, %bound : f32
    %d = arith.mulf %c, %s1 : f32
    linalg.yield %d : f32
  } -> tensor<8x16xf32>
  return %1 : tensor<8x16xf32>
}

// -----

// Positions (numbers of type index) do not become arguments: code depends on
// them.
// CHECK-LABEL: func.func @positions
// CHECK: kernel.call @kernel_0_generic ins(%{{.*}} : tensor<8xf32>)
// CHECK: kernel.call @kernel_1_generic ins(%{{.*}} : tensor<8xf32>)
func.func @positions(%x: tensor<8xf32>) -> tensor<8xf32> {
  %c2 = arith.constant 2 : index
  %c3 = arith.constant 3 : index
  %e = tensor.empty() : tensor<8xf32>
  %0 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      outs(%e : tensor<8xf32>) {
  ^bb0(%o: f32):
    %a = tensor.extract %x[%c2] : tensor<8xf32>
    linalg.yield %a : f32
  } -> tensor<8xf32>
  %1 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]}
      outs(%e : tensor<8xf32>) {
  ^bb0(%o: f32):
    %a = tensor.extract %0[%c3] : tensor<8xf32>
    linalg.yield %a : f32
  } -> tensor<8xf32>
  return %1 : tensor<8xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#one = affine_map<(d0) -> (d0)>

// Ops over the same rows are one kernel, which has buffers of its own for what
// only they read. What others read of it is a second result, and an op that
// reads that before the last of them is not in between.
// CHECK-LABEL: func.func @rows
// CHECK-NOT:     linalg
// CHECK:         %[[R:.*]]:2 = kernel.call @[[K:.*]] ins(%{{.*}} : tensor<?x16xf32>) outs({{.*}} : tensor<?xf32>, tensor<?x16xf32>)
// CHECK:         return %[[R]]#1, %[[R]]#0
// CHECK:       func.func private @[[K]](
// CHECK-SAME:    memref<?x16xf32>, %[[ROOT:.*]]: memref<?xf32>, %[[Y:.*]]: memref<?x16xf32>) {
// CHECK:         %[[SUM:.*]] = memref.alloc(%{{.*}}) : memref<?xf32>
// CHECK:         linalg.fill ins(%{{.*}} : f32) outs(%[[SUM]] : memref<?xf32>)
// CHECK:         linalg.generic {{.*}} outs(%[[SUM]] : memref<?xf32>)
// CHECK:         linalg.generic {{.*}} ins(%[[SUM]] : memref<?xf32>) outs(%[[ROOT]] : memref<?xf32>)
// CHECK:         linalg.generic {{.*}} outs(%[[Y]] : memref<?x16xf32>)
func.func @rows(%x: tensor<?x16xf32>) -> (tensor<?x16xf32>, tensor<?xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %n = tensor.dim %x, %c0 : tensor<?x16xf32>
  %er = tensor.empty(%n) : tensor<?xf32>
  %e = tensor.empty(%n) : tensor<?x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%er : tensor<?xf32>) -> tensor<?xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<?x16xf32>) outs(%f : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<?xf32>
  %root = linalg.generic {indexing_maps = [#one, #one], iterator_types = ["parallel"]}
      ins(%sum : tensor<?xf32>) outs(%er : tensor<?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = math.sqrt %a : f32
    linalg.yield %r : f32
  } -> tensor<?xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %root : tensor<?x16xf32>, tensor<?xf32>) outs(%e : tensor<?x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.divf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<?x16xf32>
  return %y, %root : tensor<?x16xf32>, tensor<?xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#one = affine_map<(d0) -> (d0)>

// One loop goes along the rows of a kernel: those of another length, and those
// whose length is not known to be the same, have a kernel of their own.
// CHECK-LABEL: func.func @lengths
// CHECK:         %[[Q:.*]] = kernel.call {{.*}} ins(%arg1 : tensor<4x32xf32>)
// CHECK:         kernel.call {{.*}} ins(%arg0, %[[Q]] : tensor<4x16xf32>, tensor<4xf32>)
// CHECK:         return
// CHECK-LABEL: func.func @unknown_lengths
// CHECK:         %[[Q:.*]] = kernel.call {{.*}} ins(%arg1 : tensor<4x?xf32>)
// CHECK:         kernel.call {{.*}} ins(%arg0, %[[Q]] : tensor<4x?xf32>, tensor<4xf32>)
// CHECK:         return
// CHECK-LABEL: func.func @same_lengths
// CHECK:         kernel.call {{.*}} ins(%arg0, %arg1 : tensor<4x16xf32>, tensor<4x16xf32>)
// CHECK-NOT:     kernel.call
// CHECK:         return
func.func @lengths(%x: tensor<4x16xf32>, %w: tensor<4x32xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %er = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%er : tensor<4xf32>) -> tensor<4xf32>
  %p = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x16xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %q = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<4x32xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%p, %q : tensor<4xf32>, tensor<4xf32>) outs(%er : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @unknown_lengths(%x: tensor<4x?xf32>, %w: tensor<4x?xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %er = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%er : tensor<4xf32>) -> tensor<4xf32>
  %p = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x?xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %q = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<4x?xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%p, %q : tensor<4xf32>, tensor<4xf32>) outs(%er : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}
func.func @same_lengths(%x: tensor<4x16xf32>, %w: tensor<4x16xf32>) -> tensor<4xf32> {
  %zero = arith.constant 0.0 : f32
  %er = tensor.empty() : tensor<4xf32>
  %f = linalg.fill ins(%zero : f32) outs(%er : tensor<4xf32>) -> tensor<4xf32>
  %p = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x16xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %q = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%w : tensor<4x16xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#one, #one, #one], iterator_types = ["parallel"]}
      ins(%p, %q : tensor<4xf32>, tensor<4xf32>) outs(%er : tensor<4xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %r = arith.mulf %a, %b : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  return %y : tensor<4xf32>
}

// -----

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>

// An op between that is none of them would need a result of the kernel before
// its call: the op behind stays apart.
// CHECK-LABEL: func.func @between
// CHECK:         %[[SUM:.*]] = kernel.call
// CHECK:         %[[ONE:.*]] = tensor.extract %[[SUM]]
// CHECK:         kernel.call {{.*}} ins(%{{.*}}, %[[SUM]]
func.func @between(%x: tensor<4x16xf32>) -> (tensor<4x16xf32>, f32) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %er = tensor.empty() : tensor<4xf32>
  %e = tensor.empty() : tensor<4x16xf32>
  %f = linalg.fill ins(%zero : f32) outs(%er : tensor<4xf32>) -> tensor<4xf32>
  %sum = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "reduction"]}
      ins(%x : tensor<4x16xf32>) outs(%f : tensor<4xf32>) {
  ^bb0(%a: f32, %o: f32):
    %r = arith.addf %o, %a : f32
    linalg.yield %r : f32
  } -> tensor<4xf32>
  %one = tensor.extract %sum[%c0] : tensor<4xf32>
  %y = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %sum : tensor<4x16xf32>, tensor<4xf32>) outs(%e : tensor<4x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %p = arith.divf %a, %b : f32
    %r = arith.mulf %p, %one : f32
    linalg.yield %r : f32
  } -> tensor<4x16xf32>
  return %y, %one : tensor<4x16xf32>, f32
}

// -----

#q = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#k = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#s = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#v = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#row = affine_map<(d0, d1, d2) -> (d0, d1)>

// Two products and what happens to the rows between them are one kernel, whose
// scores and weights are no arguments.
// CHECK-LABEL: func.func @attention
// CHECK: kernel.call @[[K:kernel_0_generic]] ins(%{{.*}}, %{{.*}}, %{{.*}} : tensor<4x32x8xf32>, tensor<4x?x8xf32>, tensor<4x?x8xf32>) outs(%{{.*}} : tensor<4x32x8xf32>)
// CHECK-NOT: kernel.call
// CHECK: func.func private @[[K]](%{{.*}}: memref<4x32x8xf32>, %[[KEYS:.*]]: memref<4x?x8xf32>, %{{.*}}: memref<4x?x8xf32>, %[[OUT:.*]]: memref<4x32x8xf32>)
// CHECK: %[[N:.*]] = memref.dim %[[KEYS]], %c1
// CHECK: %[[SCORES:.*]] = memref.alloc(%[[N]]) : memref<4x32x?xf32>
// CHECK: linalg.generic {{.*}} outs(%[[SCORES]]
// CHECK: %[[SCALED:.*]] = memref.alloc(%{{.*}}) : memref<4x32x?xf32>
// CHECK: linalg.generic {{.*}} ins(%[[SCORES]] {{.*}} outs(%[[SCALED]]
// CHECK: %[[SUM:.*]] = memref.alloc() : memref<4x32xf32>
// CHECK: linalg.generic {{.*}} ins(%[[SCALED]] {{.*}} outs(%[[SUM]]
// CHECK: %[[WEIGHTS:.*]] = memref.alloc(%{{.*}}) : memref<4x32x?xf32>
// CHECK: linalg.generic {{.*}} ins(%[[SCALED]], %[[SUM]] {{.*}} outs(%[[WEIGHTS]]
// CHECK: linalg.generic {{.*}} ins(%[[WEIGHTS]], {{.*}} outs(%[[OUT]]
// CHECK-NOT: func.func
func.func @attention(%q: tensor<4x32x8xf32>, %k: tensor<4x?x8xf32>, %v: tensor<4x?x8xf32>, %n: index) -> tensor<4x32x8xf32> {
  %zero = arith.constant 0.0 : f32
  %scale = arith.constant 0.25 : f32
  %e = tensor.empty(%n) : tensor<4x32x?xf32>
  %e1 = tensor.empty() : tensor<4x32xf32>
  %e2 = tensor.empty() : tensor<4x32x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32x?xf32>) -> tensor<4x32x?xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<4x32xf32>) -> tensor<4x32xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<4x32x8xf32>) -> tensor<4x32x8xf32>
  %0 = linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<4x32x8xf32>, tensor<4x?x8xf32>) outs(%f : tensor<4x32x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<4x32x?xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<4x32x?xf32>) outs(%e : tensor<4x32x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %x = arith.mulf %a, %scale : f32
    linalg.yield %x : f32
  } -> tensor<4x32x?xf32>
  %2 = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%1 : tensor<4x32x?xf32>) outs(%f1 : tensor<4x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %x = arith.addf %o, %a : f32
    linalg.yield %x : f32
  } -> tensor<4x32xf32>
  %3 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%1, %2 : tensor<4x32x?xf32>, tensor<4x32xf32>) outs(%e : tensor<4x32x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.divf %a, %b : f32
    linalg.yield %x : f32
  } -> tensor<4x32x?xf32>
  %4 = linalg.generic {indexing_maps = [#q, #v, #s], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%3, %v : tensor<4x32x?xf32>, tensor<4x?x8xf32>) outs(%f2 : tensor<4x32x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<4x32x8xf32>
  return %4 : tensor<4x32x8xf32>
}

// -----

#q = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d4)>
#k = affine_map<(d0, d1, d2, d3, d4) -> (d0, d3, d4)>
#s = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d2, d3)>
#v = affine_map<(d0, d1, d2, d3, d4) -> (d0, d4, d3)>
#y = affine_map<(d0, d1, d2, d3, d4) -> (d2, d0, d1, d3)>
#id = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2, d3)>
#row = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#mask = affine_map<(d0, d1, d2, d3) -> (d2, d3)>

// Heads of queries that share keys and values are one kernel, too, which reads
// the mask.
// CHECK-LABEL: func.func @grouped_attention
// CHECK: kernel.call @[[K:kernel_0_generic]] ins(%{{.*}}, %{{.*}}, %{{.*}}, %{{.*}} : tensor<2x3x?x8xf32>, tensor<2x?x8xf32>, tensor<?x?xf32>, tensor<2x?x8xf32>) outs(%{{.*}} : tensor<?x2x3x8xf32>)
// CHECK-NOT: kernel.call
func.func @grouped_attention(%q: tensor<2x3x?x8xf32>, %k: tensor<2x?x8xf32>, %v: tensor<2x?x8xf32>, %mask: tensor<?x?xf32>, %m: index, %n: index) -> tensor<?x2x3x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty(%m, %n) : tensor<2x3x?x?xf32>
  %e1 = tensor.empty(%m) : tensor<2x3x?xf32>
  %e2 = tensor.empty(%m) : tensor<?x2x3x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<2x3x?x?xf32>) -> tensor<2x3x?x?xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<2x3x?xf32>) -> tensor<2x3x?xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<?x2x3x8xf32>) -> tensor<?x2x3x8xf32>
  %0 = linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<2x3x?x8xf32>, tensor<2x?x8xf32>) outs(%f : tensor<2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<2x3x?x?xf32>
  %1 = linalg.generic {indexing_maps = [#id, #mask, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%0, %mask : tensor<2x3x?x?xf32>, tensor<?x?xf32>) outs(%e : tensor<2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.addf %a, %b : f32
    linalg.yield %x : f32
  } -> tensor<2x3x?x?xf32>
  %2 = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%1 : tensor<2x3x?x?xf32>) outs(%f1 : tensor<2x3x?xf32>) {
  ^bb0(%a: f32, %o: f32):
    %x = arith.addf %o, %a : f32
    linalg.yield %x : f32
  } -> tensor<2x3x?xf32>
  %3 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel", "parallel"]}
      ins(%1, %2 : tensor<2x3x?x?xf32>, tensor<2x3x?xf32>) outs(%e : tensor<2x3x?x?xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.divf %a, %b : f32
    linalg.yield %x : f32
  } -> tensor<2x3x?x?xf32>
  %4 = linalg.generic {indexing_maps = [#q, #v, #y], iterator_types = ["parallel", "parallel", "parallel", "parallel", "reduction"]}
      ins(%3, %v : tensor<2x3x?x?xf32>, tensor<2x?x8xf32>) outs(%f2 : tensor<?x2x3x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<?x2x3x8xf32>
  return %4 : tensor<?x2x3x8xf32>
}

// -----

#q = affine_map<(d0, d1, d2, d3) -> (d0, d1, d3)>
#k = affine_map<(d0, d1, d2, d3) -> (d0, d2, d3)>
#s = affine_map<(d0, d1, d2, d3) -> (d0, d1, d2)>
#v = affine_map<(d0, d1, d2, d3) -> (d0, d3, d2)>
#id = affine_map<(d0, d1, d2) -> (d0, d1, d2)>
#row = affine_map<(d0, d1, d2) -> (d0, d1)>

// Weights of a layer are packed at compile time, by a kernel of its own.
// CHECK-LABEL: func.func @layers_around_rows
// CHECK-COUNT-3: kernel.call
func.func @layers_around_rows(%q: tensor<4x32x8xf32>, %v: tensor<4x16x8xf32>) -> tensor<4x32x8xf32> {
  %k = arith.constant dense<2.0> : tensor<4x16x8xf32>
  %zero = arith.constant 0.0 : f32
  %scale = arith.constant 0.25 : f32
  %e = tensor.empty() : tensor<4x32x16xf32>
  %e1 = tensor.empty() : tensor<4x32xf32>
  %e2 = tensor.empty() : tensor<4x32x8xf32>
  %f = linalg.fill ins(%zero : f32) outs(%e : tensor<4x32x16xf32>) -> tensor<4x32x16xf32>
  %f1 = linalg.fill ins(%zero : f32) outs(%e1 : tensor<4x32xf32>) -> tensor<4x32xf32>
  %f2 = linalg.fill ins(%zero : f32) outs(%e2 : tensor<4x32x8xf32>) -> tensor<4x32x8xf32>
  %0 = linalg.generic {indexing_maps = [#q, #k, #s], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%q, %k : tensor<4x32x8xf32>, tensor<4x16x8xf32>) outs(%f : tensor<4x32x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<4x32x16xf32>
  %1 = linalg.generic {indexing_maps = [#id, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%0 : tensor<4x32x16xf32>) outs(%e : tensor<4x32x16xf32>) {
  ^bb0(%a: f32, %o: f32):
    %x = arith.mulf %a, %scale : f32
    linalg.yield %x : f32
  } -> tensor<4x32x16xf32>
  %2 = linalg.generic {indexing_maps = [#id, #row], iterator_types = ["parallel", "parallel", "reduction"]}
      ins(%1 : tensor<4x32x16xf32>) outs(%f1 : tensor<4x32xf32>) {
  ^bb0(%a: f32, %o: f32):
    %x = arith.addf %o, %a : f32
    linalg.yield %x : f32
  } -> tensor<4x32xf32>
  %3 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel", "parallel"]}
      ins(%1, %2 : tensor<4x32x16xf32>, tensor<4x32xf32>) outs(%e : tensor<4x32x16xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.divf %a, %b : f32
    linalg.yield %x : f32
  } -> tensor<4x32x16xf32>
  %4 = linalg.generic {indexing_maps = [#q, #v, #s], iterator_types = ["parallel", "parallel", "parallel", "reduction"]}
      ins(%3, %v : tensor<4x32x16xf32>, tensor<4x16x8xf32>) outs(%f2 : tensor<4x32x8xf32>) {
  ^bb0(%a: f32, %b: f32, %o: f32):
    %x = arith.mulf %a, %b : f32
    %y = arith.addf %o, %x : f32
    linalg.yield %y : f32
  } -> tensor<4x32x8xf32>
  return %4 : tensor<4x32x8xf32>
}

// -----

// Strides of what holds no element are 0, with which no pointer stands alone.
// CHECK-LABEL: func.func @empty
// CHECK:         func.func private @kernel_0_matmul(
// CHECK-NOT:     llvm.bareptr
func.func @empty(%x: tensor<16x0xf32>, %y: tensor<0x8xf32>) -> tensor<16x8xf32> {
  %zero = arith.constant 0.0 : f32
  %e = tensor.empty() : tensor<16x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%e : tensor<16x8xf32>) -> tensor<16x8xf32>
  %0 = linalg.matmul ins(%x, %y : tensor<16x0xf32>, tensor<0x8xf32>) outs(%init : tensor<16x8xf32>) -> tensor<16x8xf32>
  return %0 : tensor<16x8xf32>
}
