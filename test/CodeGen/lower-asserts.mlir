// RUN: quant-opt %s --quantc-lower-asserts | FileCheck %s

// CHECK: llvm.mlir.global private constant @[[$MESSAGE:.*]]("node a: bad index\00")
// CHECK: llvm.func @quantc_rt_fail(!llvm.ptr)

// CHECK-LABEL: func.func @main
func.func @main(%ok: i1) {
  // CHECK: cf.cond_br %{{.*}}, ^[[OK:.*]], ^[[FAIL:.*]]
  // CHECK: ^[[OK]]:
  // CHECK: return
  // CHECK: ^[[FAIL]]:
  // CHECK: llvm.mlir.addressof @[[$MESSAGE]]
  // CHECK: llvm.call @quantc_rt_fail
  // CHECK: llvm.unreachable
  cf.assert %ok, "node a: bad index"
  return
}
