// RUN: quant-opt %s -split-input-file -verify-diagnostics -quantc-record-interface | FileCheck %s

// CHECK: module attributes
// CHECK-SAME: qnn.inputs = [{dims = ["n", ""], name = "mask", type = tensor<?x4xi1>},
// CHECK-SAME: {dims = [], name = "input1", type = tensor<ui8>}, {dims = [""], name = "input2"
// CHECK-SAME: qnn.outputs = [{dims = [""], name = "y", type = tensor<?xf32>}]
func.func @main(%a: tensor<?x4xi1> {qnn.name = "mask", qnn.dims = ["n", ""]},
                %b: tensor<ui8>, %c: tensor<?xf32>) -> (tensor<?xf32> {qnn.name = "y"}) {
  return %c : tensor<?xf32>
}

// -----

// What is there stays, whatever the types have become.
// CHECK: module attributes {qnn.inputs = [], qnn.outputs = []}
module attributes {qnn.inputs = [], qnn.outputs = []} {
  func.func @main(%a: tensor<4xi8>) { return }
}

// -----

// expected-error @below {{inputs and outputs of a model must be ranked tensors}}
func.func @main(%a: tensor<*xf32>) { return }
