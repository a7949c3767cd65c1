// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-cache-in-place)' | FileCheck %s
// RUN: quant-opt %s --split-input-file --pass-pipeline='builtin.module(qnn-cache-in-place,quantc-record-interface,qnn-optimize,qnn-to-linalg)' | FileCheck %s --check-prefix=LINALG

// LINALG: qnn.inputs = [{{.*}}{dims = ["", "", "past.capacity", ""], name = "past.k", state, type = tensor<1x2x?x4xf32>}
// LINALG-SAME: qnn.outputs = [{{{.*}}name = "y"{{.*}}}, {{{.*}}name = "n"{{.*}}}, {{{.*}}name = "past.length", type = tensor<1xi64>}]

// CHECK-LABEL: func.func @main(
// CHECK-SAME:      %[[NEW:[a-z0-9]+]]: tensor<1x2x1x4xf32>
// CHECK-SAME:      %[[BUFFER:[a-z0-9]+]]: tensor<1x2x?x4xf32> {qnn.dims = ["", "", "past.capacity", ""], qnn.name = "past.k", qnn.state = "[[KEY:[a-z0-9]+]]"}
// CHECK-SAME:      %[[LENGTH:[a-z0-9]+]]: tensor<1xi64> {qnn.dims = [""], qnn.name = "past.length"})
// CHECK-SAME:      -> (tensor<1x2x1x?xf32> {qnn.name = "y"}, tensor<1x2x?x4xf32> {qnn.name = "present.k", qnn.state = "[[KEY]]"}, tensor<4xi64> {qnn.name = "n"}, tensor<1xi64> {qnn.dims = [""], qnn.name = "past.length"})
// The shape of what was held.
// CHECK:         %[[SHAPE:.*]] = qnn.concat 0, %{{.*}}, %{{.*}}, %[[LENGTH]], %{{.*}}
// CHECK:         %[[UPDATED:.*]], %[[ALL:.*]] = qnn.append %[[NEW]] to %[[BUFFER]] at %[[LENGTH]] {axis = 2 : i64}
// CHECK:         qnn.transpose %[[ALL]]
// CHECK:         %[[HELD:.*]] = qnn.shape %[[ALL]][2, 3]
// CHECK:         return %{{.*}}, %[[UPDATED]], %[[SHAPE]], %[[HELD]]

// LINALG-LABEL: func.func @main(
// LINALG-SAME:      %[[NEW:[a-z0-9]+]]: tensor<1x2x1x4xf32>
// LINALG-SAME:      %[[BUFFER:[a-z0-9]+]]: tensor<1x2x?x4xf32> {{{.*}}qnn.state
// LINALG:         cf.assert %{{.*}}, "{{.*}}the length of the cache is negative"
// LINALG:         cf.assert %{{.*}}, "{{.*}}the cache is full"
// LINALG:         %[[UPDATED:.*]] = tensor.insert_slice %[[NEW]] into %[[BUFFER]][0, 0, %{{.*}}, 0] [1, 2, 1, 4] [1, 1, 1, 1]
// LINALG:         tensor.extract_slice %[[UPDATED]][0, 0, 0, 0] [1, 2, %{{.*}}, 4] [1, 1, 1, 1]
func.func @main(%new: tensor<1x2x1x4xf32> {qnn.name = "x"}, %q: tensor<1x2x1x4xf32> {qnn.name = "q"},
                %past: tensor<1x2x?x4xf32> {qnn.name = "past.k", qnn.dims = ["", "", "past", ""]})
    -> (tensor<1x2x1x?xf32> {qnn.name = "y"}, tensor<1x2x?x4xf32> {qnn.name = "present.k"}, tensor<4xi64> {qnn.name = "n"}) {
  %shape = qnn.shape %past[0, 4] : tensor<1x2x?x4xf32> -> tensor<4xi64>
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  %t = qnn.transpose %present [0, 1, 3, 2] : tensor<1x2x?x4xf32> -> tensor<1x2x4x?xf32>
  %y = qnn.matmul %q, %t : tensor<1x2x1x4xf32>, tensor<1x2x4x?xf32> -> tensor<1x2x1x?xf32>
  return %y, %present, %shape : tensor<1x2x1x?xf32>, tensor<1x2x?x4xf32>, tensor<4xi64>
}
