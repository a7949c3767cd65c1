// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-split-outliers{statistics=%t.none}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8a8-dynamic}))' 2>&1 | FileCheck %s --check-prefix=FLOAT
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8}))' 2>/dev/null | FileCheck %s --check-prefix=KEEP

// What the pass does to graphs is in test/python/test_transformations.py, which
// makes the statistics that it needs.
// MISSING: error: {{.*}}.none

// Products that belong to a transformation are not quantized.
// FLOAT: remark: stays in float: a transformation made it, for floats
// KEEP-LABEL: func.func @main
// KEEP:         %[[W:.*]] = qnn.constant
// KEEP:         qnn.matmul %{{.*}}, %[[W]] {qnn.keep_float}
func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  %w = qnn.constant dense<[[1.0, 2.0], [3.0, 4.0]]> : tensor<2x2xf32>
  %y = qnn.matmul %x, %w {qnn.keep_float} : tensor<4x2xf32>, tensor<2x2xf32> -> tensor<4x2xf32>
  return %y : tensor<4x2xf32>
}
