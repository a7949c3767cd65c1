// RUN: split-file %s %t
// RUN: quant-opt %t/a.mlir --qnn-hash-model | FileCheck %s --check-prefix=ATTR
// RUN: quant-opt %t/a.mlir --qnn-hash-model | grep -o 'model_hash = "[0-9a-f]*"' > %t/a.hash
// RUN: quant-opt %t/pinned.mlir --qnn-hash-model | grep -o 'model_hash = "[0-9a-f]*"' > %t/pinned.hash
// RUN: quant-opt %t/other.mlir --qnn-hash-model | grep -o 'model_hash = "[0-9a-f]*"' > %t/other.hash
// RUN: cmp %t/a.hash %t/pinned.hash
// RUN: not cmp %t/a.hash %t/other.hash

// ATTR: module attributes {qnn.model_hash = "{{[0-9a-f]+}}"}

//--- a.mlir
func.func @main(%x: tensor<?xf32> {qnn.name = "x"}) -> (tensor<?xf32> {qnn.name = "y"}) {
  %w = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32> loc(fused<["w"]>["w"])
  %0 = qnn.binary add %x, %w : tensor<?xf32>, tensor<2xf32> -> tensor<?xf32>
  return %0 : tensor<?xf32>
}

//--- pinned.mlir
func.func @main(%x: tensor<2xf32> {qnn.name = "x"}) -> (tensor<2xf32> {qnn.name = "y"}) {
  %w = qnn.constant dense<[1.0, 2.0]> : tensor<2xf32> loc(fused<["w"]>["w"])
  %0 = qnn.binary add %x, %w : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %0 : tensor<2xf32>
}

//--- other.mlir
func.func @main(%x: tensor<2xf32> {qnn.name = "x"}) -> (tensor<2xf32> {qnn.name = "y"}) {
  %w = qnn.constant dense<[1.0, 2.5]> : tensor<2xf32> loc(fused<["w"]>["w"])
  %0 = qnn.binary add %x, %w : tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return %0 : tensor<2xf32>
}
