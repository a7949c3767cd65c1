// RUN: quant-opt %s --quantc-isolate-kernels | FileCheck %s

// CHECK-DAG: #[[$DOMAIN:.*]] = #llvm.alias_scope_domain<id = {{.*}}, description = "add">
// CHECK-DAG: #[[$X:.*]] = #llvm.alias_scope<id = distinct[1]<>, domain = #[[$DOMAIN]]>
// CHECK-DAG: #[[$OUT:.*]] = #llvm.alias_scope<id = distinct[2]<>, domain = #[[$DOMAIN]]>

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

// What is read or written through one pointer is in its scope, and in none of
// the others.
// CHECK-LABEL: llvm.func internal @add
// CHECK: llvm.load %{{.*}} {alias_scopes = [#[[$X]]], noalias_scopes = [#[[$OUT]]]}
// CHECK: llvm.store %{{.*}} {alias_scopes = [#[[$OUT]]], noalias_scopes = [#[[$X]]]}
// Nothing is known of memory that no argument points to.
// CHECK: llvm.store %{{[^{]*$}}
llvm.func @add(%x: !llvm.ptr, %out: !llvm.ptr, %i: i64) {
  %from = llvm.getelementptr %x[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  %value = llvm.load %from : !llvm.ptr -> f32
  %to = llvm.getelementptr %out[%i] : (!llvm.ptr, i64) -> !llvm.ptr, f32
  llvm.store %value, %to : f32, !llvm.ptr
  %one = llvm.mlir.constant(1 : i64) : i64
  %own = llvm.alloca %one x f32 : (i64) -> !llvm.ptr
  llvm.store %value, %own : f32, !llvm.ptr
  llvm.return
}

llvm.func @caller(%x: !llvm.ptr, %out: !llvm.ptr, %i: i64) {
  llvm.call @add(%x, %out, %i) : (!llvm.ptr, !llvm.ptr, i64) -> ()
  llvm.return
}
