// RUN: quant-opt %s --linalg-to-llvm | mlir-translate --mlir-to-llvmir \
// RUN:   | FileCheck %s

// The whole way down, with dynamic shapes, control flow and an assertion.
// CHECK-DAG: declare void @quantc_rt_fail(ptr)
// CHECK-DAG: declare ptr @_mlir_memref_to_llvm_alloc(i64)
// CHECK-LABEL: define {{.*}} @main(
func.func @main(%x: tensor<?x64xf32>, %w: tensor<64x8xf32>, %again: tensor<i8>)
    -> (tensor<?x8xf32>, tensor<?x64xf32>) {
  %c0 = arith.constant 0 : index
  %zero = arith.constant 0.0 : f32
  %rows = tensor.dim %x, %c0 : tensor<?x64xf32>
  %ok = arith.cmpi sgt, %rows, %c0 : index
  cf.assert %ok, "node a: no rows"
  %empty = tensor.empty(%rows) : tensor<?x8xf32>
  %init = linalg.fill ins(%zero : f32) outs(%empty : tensor<?x8xf32>) -> tensor<?x8xf32>
  %y = linalg.matmul ins(%x, %w : tensor<?x64xf32>, tensor<64x8xf32>)
                     outs(%init : tensor<?x8xf32>) -> tensor<?x8xf32>
  %byte = tensor.extract %again[] : tensor<i8>
  %flag = arith.trunci %byte : i8 to i1
  %z = scf.if %flag -> tensor<?x64xf32> {
    %e = tensor.empty(%rows) : tensor<?x64xf32>
    %t = linalg.tanh ins(%x : tensor<?x64xf32>) outs(%e : tensor<?x64xf32>) -> tensor<?x64xf32>
    scf.yield %t : tensor<?x64xf32>
  } else {
    scf.yield %x : tensor<?x64xf32>
  }
  return %y, %z : tensor<?x8xf32>, tensor<?x64xf32>
}
