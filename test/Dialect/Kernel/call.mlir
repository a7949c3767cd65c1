// RUN: quant-opt %s | quant-opt | FileCheck %s
// RUN: quant-opt %s --one-shot-bufferize=bufferize-function-boundaries \
// RUN:   | FileCheck %s --check-prefix=BUFFER

func.func private @k(%a: memref<4xf32>, %o: memref<4xf32>) {
  return
}

// CHECK-LABEL: func.func @call
// BUFFER-LABEL: func.func @call
func.func @call(%a: tensor<4xf32>) -> tensor<4xf32> {
  // CHECK: kernel.call @k ins(%{{.*}} : tensor<4xf32>) outs(%{{.*}} : tensor<4xf32>) -> tensor<4xf32>
  // BUFFER: %[[OUT:.*]] = memref.alloc
  // BUFFER: call @k(%{{.*}}, %[[OUT]])
  %e = tensor.empty() : tensor<4xf32>
  %0 = kernel.call @k ins(%a : tensor<4xf32>) outs(%e : tensor<4xf32>) -> tensor<4xf32>
  return %0 : tensor<4xf32>
}
