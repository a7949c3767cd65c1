// RUN: quant-opt %s --quantc-outline-loops --split-input-file --verify-diagnostics | FileCheck %s

// The body becomes a function over a range of iterations; what it uses lies in a
// struct, and constants are made again.
// CHECK:       llvm.func @quantc_rt_parallel(!llvm.ptr, !llvm.ptr, i64, i32)
// CHECK-LABEL: llvm.func @fill(
// CHECK-SAME:      %[[OUT:.*]]: !llvm.ptr, %[[SIZE:.*]]: i64, %[[LARGE:.*]]: i1)
// CHECK:         %[[ROOM:.*]] = llvm.alloca %{{.*}} x !llvm.struct<(i64, ptr)>
// CHECK:         %[[TWICE:.*]] = llvm.add %[[SIZE]], %[[SIZE]]
// CHECK:         %[[FIRST:.*]] = llvm.getelementptr %[[ROOM]][0, 0]
// CHECK:         llvm.store %[[TWICE]], %[[FIRST]]
// CHECK:         %[[SECOND:.*]] = llvm.getelementptr %[[ROOM]][0, 1]
// CHECK:         llvm.store %[[OUT]], %[[SECOND]]
// CHECK:         %[[USE:.*]] = llvm.zext %[[LARGE]] : i1 to i32
// CHECK:         %[[BODY:.*]] = llvm.mlir.addressof @fill_loop
// CHECK:         llvm.call @quantc_rt_parallel(%[[BODY]], %[[ROOM]], %[[SIZE]], %[[USE]])
// CHECK-NOT:     omp
// CHECK:       llvm.func internal @fill_loop(
// CHECK-SAME:      %[[CONTEXT:.*]]: !llvm.ptr, %[[BEGIN:.*]]: i64, %[[END:.*]]: i64)
// CHECK-DAG:     %[[SEVEN:.*]] = llvm.mlir.constant(7 : i64)
// CHECK-DAG:     %[[VALUE:.*]] = llvm.load %{{.*}} : !llvm.ptr -> i64
// CHECK:         llvm.br ^[[HEADER:.*]](%[[BEGIN]] : i64)
// CHECK:       ^[[HEADER]](%[[I:.*]]: i64):
// CHECK:         %[[MORE:.*]] = llvm.icmp "slt" %[[I]], %[[END]]
// CHECK:         llvm.cond_br %[[MORE]], ^[[INSIDE:.*]], ^[[EXIT:.*]]
// CHECK:       ^[[INSIDE]]:
// CHECK:         %[[SUM:.*]] = llvm.add %[[VALUE]], %[[SEVEN]]
// CHECK:         llvm.getelementptr %{{.*}}[%[[I]]]
// CHECK:         %[[NEXT:.*]] = llvm.add %[[I]], %{{.*}}
// CHECK:         llvm.br ^[[HEADER]](%[[NEXT]] : i64)
// CHECK:       ^[[EXIT]]:
// CHECK:         llvm.return
llvm.func @fill(%out: !llvm.ptr, %size: i64, %large: i1) {
  %zero = llvm.mlir.constant(0 : i64) : i64
  %one = llvm.mlir.constant(1 : i64) : i64
  %seven = llvm.mlir.constant(7 : i64) : i64
  omp.parallel if(%large) {
    %twice = llvm.add %size, %size : i64
    omp.wsloop {
      omp.loop_nest (%i) : i64 = (%zero) to (%size) step (%one) {
        %sum = llvm.add %twice, %seven : i64
        %place = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, i64
        llvm.store %sum, %place : i64, !llvm.ptr
        omp.yield
      }
    }
    omp.terminator
  }
  llvm.return
}

// -----

// Two loops of a function: one function each. Without a condition threads are
// always worth it.
// CHECK-LABEL: llvm.func @twice(
// CHECK:         %[[ALWAYS:.*]] = llvm.mlir.constant(1 : i32)
// CHECK:         llvm.call @quantc_rt_parallel(%{{.*}}, %{{.*}}, %{{.*}}, %[[ALWAYS]])
// CHECK:         llvm.call @quantc_rt_parallel
// CHECK-COUNT-2: llvm.func internal @twice_loop
llvm.func @twice(%out: !llvm.ptr, %size: i64) {
  %zero = llvm.mlir.constant(0 : i64) : i64
  %one = llvm.mlir.constant(1 : i64) : i64
  omp.parallel {
    omp.wsloop {
      omp.loop_nest (%i) : i64 = (%zero) to (%size) step (%one) {
        llvm.store %i, %out : i64, !llvm.ptr
        omp.yield
      }
    }
    omp.terminator
  }
  omp.parallel {
    omp.wsloop {
      omp.loop_nest (%i) : i64 = (%zero) to (%size) step (%one) {
        llvm.store %i, %out : i64, !llvm.ptr
        omp.yield
      }
    }
    omp.terminator
  }
  llvm.return
}

// -----

// What each thread does by itself is no loop to share.
llvm.func @apart(%out: !llvm.ptr, %size: i64) {
  // expected-error@+1 {{is no loop that the runtime can share}}
  omp.parallel {
    llvm.store %size, %out : i64, !llvm.ptr
    omp.terminator
  }
  llvm.return
}
