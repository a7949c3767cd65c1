// RUN: quant-opt %s -quantc-emit-dispatch="prefix=net variants=net_v0,net_v1" | FileCheck %s
// RUN: not quant-opt %s -quantc-emit-dispatch="prefix=net" 2>&1 | FileCheck %s -check-prefix=NONE

// The library's exports know every variant, in the order of preference; their
// descriptions and entries are in other objects.
// CHECK: llvm.mlir.global external hidden constant @net_v0_model_info()
// CHECK-NEXT: llvm.func hidden @net_v0_entry(!llvm.ptr, !llvm.ptr)
// CHECK-NEXT: llvm.mlir.global external hidden constant @net_v1_model_info()
// CHECK-NEXT: llvm.func hidden @net_v1_entry(!llvm.ptr, !llvm.ptr)
// CHECK: llvm.mlir.global internal @[[MODEL:__quantc_model.*]]()
// CHECK: llvm.mlir.constant(2 : i64)
// CHECK: addressof @net_v0_model_info
// CHECK: addressof @net_v0_entry
// CHECK: addressof @net_v1_model_info
// CHECK: addressof @net_v1_entry
// CHECK: llvm.func @net_run(
// CHECK: llvm.call @quantc_rt_run
// CHECK: llvm.func @net_info()
// CHECK: weak_odr constant @quantc_interface
// NONE: error: a model must have variants
module {
}
