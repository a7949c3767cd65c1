// RUN: quant-opt %s --quantc-isolate-kernels | FileCheck %s

// CHECK: llvm.func internal @kernel(%{{.*}}: !llvm.ptr {llvm.noalias}, %{{.*}}: i64)
llvm.func @kernel(%x: !llvm.ptr, %n: i64) {
  llvm.return
}

// Of a function whose address is known, not all calls are.
// CHECK: llvm.func @callback(%{{.*}}: !llvm.ptr) {
llvm.func @callback(%x: !llvm.ptr) {
  llvm.return
}

// CHECK: llvm.func @declared(!llvm.ptr)
llvm.func @declared(!llvm.ptr)

// CHECK: llvm.func @main(%{{.*}}: !llvm.ptr)
llvm.func @main(%x: !llvm.ptr) -> !llvm.ptr {
  %c4 = llvm.mlir.constant(4 : i64) : i64
  llvm.call @kernel(%x, %c4) : (!llvm.ptr, i64) -> ()
  llvm.call @callback(%x) : (!llvm.ptr) -> ()
  llvm.call @declared(%x) : (!llvm.ptr) -> ()
  %address = llvm.mlir.addressof @callback : !llvm.ptr
  llvm.return %address : !llvm.ptr
}
