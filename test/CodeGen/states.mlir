// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-cache-in-place,qnn-optimize,qnn-to-linalg,quantc-fold-movement,canonicalize,cse,quantc-outline-kernels)' | FileCheck %s --check-prefix=KERNEL
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-cache-in-place,qnn-optimize,qnn-to-linalg,linalg-to-llvm{print-memory-plan=true})' | FileCheck %s --check-prefix=PLAN

// Attention reads a part of the caller's buffer where it is: neither a copy of
// it nor memory of its size is allocated. The plan has no buffer apart but the
// result, whose size only the run knows.
// KERNEL-LABEL: func.func @keys(
// KERNEL:         %[[UPDATED:.*]] = tensor.insert_slice
// KERNEL:         %[[ALL:.*]] = tensor.extract_slice %[[UPDATED]]
// KERNEL:         kernel.call @[[KERNEL:.*]] ins(%{{.*}}, %[[ALL]] :
// KERNEL:       func.func private @[[KERNEL]](%{{.*}}: memref<1x2x1x4xf32>, %{{.*}}: memref<1x2x?x4xf32, strided<[?, ?, 4, 1], offset: ?>>

// PLAN: memory plan: {{.*}}, 2 allocated apart
func.func @keys(%new: tensor<1x2x1x4xf32> {qnn.name = "x"}, %q: tensor<1x2x1x4xf32> {qnn.name = "q"},
                %past: tensor<1x2x?x4xf32> {qnn.name = "past.k", qnn.dims = ["", "", "past", ""]})
    -> (tensor<1x2x1x?xf32> {qnn.name = "y"}, tensor<1x2x?x4xf32> {qnn.name = "present.k"}) {
  %present = qnn.concat 2, %past, %new : tensor<1x2x?x4xf32>, tensor<1x2x1x4xf32> -> tensor<1x2x?x4xf32>
  %t = qnn.transpose %present [0, 1, 3, 2] : tensor<1x2x?x4xf32> -> tensor<1x2x4x?xf32>
  %y = qnn.matmul %q, %t : tensor<1x2x1x4xf32>, tensor<1x2x4x?xf32> -> tensor<1x2x1x?xf32>
  return %y, %present : tensor<1x2x1x?xf32>, tensor<1x2x?x4xf32>
}
