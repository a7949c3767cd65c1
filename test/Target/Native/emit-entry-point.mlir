// RUN: quant-opt %s -split-input-file -verify-diagnostics \
// RUN:   -quantc-emit-entry-point="prefix=net model-name=small features=avx,avx2" | FileCheck %s

// The exported functions pass the description and the entry to the runtime.
// CHECK-LABEL: llvm.func internal @main
// CHECK: internal constant @[[STRING:.*]]("small\00")
// CHECK: llvm.func internal @[[ENTRY:__quantc_entry.*]](%[[IN:.*]]: !llvm.ptr, %[[OUT:.*]]: !llvm.ptr)
// CHECK: %[[SLOT:.*]] = llvm.getelementptr %[[IN]][0]
// CHECK: %[[DESCRIPTOR:.*]] = llvm.load %[[SLOT]]
// CHECK: llvm.getelementptr %[[DESCRIPTOR]][4]
// CHECK: %[[RESULT:.*]] = llvm.call @main
// CHECK: llvm.store %[[RESULT]]
// CHECK: llvm.mlir.global internal @[[MODEL:__quantc_model.*]]()
// CHECK: llvm.mlir.addressof @[[ENTRY]]
// CHECK: llvm.func @net_run(
// CHECK: %[[M:.*]] = llvm.mlir.addressof @[[MODEL]]
// CHECK: llvm.call @quantc_rt_run(%[[M]],
// CHECK: llvm.func @net_info()
// CHECK: llvm.call @quantc_rt_info
// CHECK: llvm.func @net_profile()
// CHECK-NEXT: llvm.mlir.zero : !llvm.ptr
// CHECK: weak_odr constant @quantc_interface
module attributes {
  qnn.inputs = [{dims = ["n"], name = "x", type = tensor<?xi1>}],
  qnn.outputs = [{dims = [""], name = "y", type = tensor<?xi1>}]} {
  llvm.func @main(%a: !llvm.ptr {qnn.name = "x"}, %b: !llvm.ptr, %c: i64, %d: i64, %e: i64)
      -> !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> {
    %0 = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
    llvm.return %0 : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  }
}

// -----

// Pointers to names are relocated when the library is loaded: a tensor whose
// dimensions have the names of another's first ones has no table of its own.
// CHECK-LABEL: llvm.func internal @main
// CHECK: internal constant @[[NAMES:__quantc_dims.*]]() {{.*}} !llvm.struct<(ptr, ptr)>
// CHECK: internal constant @__quantc_inputs
// CHECK: llvm.mlir.addressof @[[NAMES]]
// CHECK-NOT: constant @__quantc_dims
// CHECK: internal constant @__quantc_outputs
// CHECK: llvm.mlir.addressof @[[NAMES]]
module attributes {
  qnn.inputs = [{dims = ["n", ""], name = "x", type = tensor<?x2xf32>}],
  qnn.outputs = [{dims = ["n"], name = "y", type = tensor<?xf32>}]} {
  llvm.func @main(%a: !llvm.ptr, %b: !llvm.ptr, %c: i64, %d: i64, %e: i64, %f: i64, %g: i64)
      -> !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)> {
    %0 = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
    llvm.return %0 : !llvm.struct<(ptr, ptr, i64, array<1 x i64>, array<1 x i64>)>
  }
}

// -----

// With counters, what each of them stands for is exported, too.
// CHECK: internal constant @[[NODES:.*]]("first + relu\00")
// CHECK: internal constant @[[KERNELS:__quantc_kernels.*]]()
// CHECK: weak_odr constant @quantc_profile()
// CHECK: llvm.mlir.constant(1 : i64)
// CHECK: llvm.mlir.addressof @[[KERNELS]]
// CHECK: llvm.mlir.addressof @__quantc_profile_counters
// CHECK: llvm.func @net_profile()
// CHECK-NEXT: llvm.mlir.addressof @quantc_profile
module attributes {
  qnn.inputs = [{dims = [], name = "x", type = tensor<f32>}],
  qnn.outputs = [{dims = [], name = "y", type = tensor<f32>}],
  qnn.profile = [{kernel = "kernel_0", nodes = "first + relu", operations = "f32"}]} {
  llvm.mlir.global internal @__quantc_profile_counters(dense<0> : tensor<4xi64>) : !llvm.array<1 x array<4 x i64>>
  llvm.func @main(%a: !llvm.ptr, %b: !llvm.ptr, %c: i64) -> !llvm.struct<(ptr, ptr, i64)> {
    %0 = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64)>
    llvm.return %0 : !llvm.struct<(ptr, ptr, i64)>
  }
}

// -----

// expected-error @below {{attribute 'qnn.inputs' is missing: run quantc-record-interface before lowering}}
module {
  llvm.func @main()
}

// -----

module attributes {
  qnn.inputs = [{dims = [], name = "x", type = tensor<f32>}],
  qnn.outputs = [{dims = [], name = "y", type = tensor<f32>}]} {
  // expected-error @below {{takes 1 arguments, but the descriptors of the model's inputs have 3 words}}
  llvm.func @main(%a: !llvm.ptr) -> !llvm.struct<(ptr, ptr, i64)> {
    %0 = llvm.mlir.undef : !llvm.struct<(ptr, ptr, i64)>
    llvm.return %0 : !llvm.struct<(ptr, ptr, i64)>
  }
}
