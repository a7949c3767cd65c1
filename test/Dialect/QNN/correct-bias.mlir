// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-correct-bias{statistics=%t.none}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-correct-bias{recipe=w9}))' 2>&1 | FileCheck %s --check-prefix=RECIPE

// Transformations are other passes, which this one does not run.
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8-equalize}))' 2>&1 | FileCheck %s --check-prefix=ALONE
// RUN: quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8-equalize})' 2>&1 | FileCheck %s --check-prefix=GRAPH
// RUN: not quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w8-biascorrection})' 2>&1 | FileCheck %s --check-prefix=NONE
// RUN: not quant-opt %s --pass-pipeline='builtin.module(qnn-quantize-graph{recipe=w9})' 2>&1 | FileCheck %s --check-prefix=RECIPE

// What qnn-correct-bias does to graphs is in test/python/test_preparation.py,
// which makes the statistics that it needs.
// MISSING: error: {{.*}}.none
// RECIPE: error: recipe 'w9': weights.bits is 9
// ALONE: warning: this pass does not apply the recipe's transformations: the pipeline qnn-quantize-graph does
// GRAPH-NOT: warning
// GRAPH-LABEL: func.func @main(
// NONE: error: the recipe needs statistics of the model's values: calibrate
func.func @main(%x: tensor<5x1xf32>) -> tensor<5x3xf32> {
  // Equalized: both have a range of 2 then, and of 0.5.
  // GRAPH-DAG: qnn.constant dense<{{.*}}> : tensor<1x2xi8>
  // GRAPH-DAG: qnn.constant dense<{{.*}}0.0157480314{{.*}}> : tensor<2xf32>
  %w1 = qnn.constant dense<[[4.0, 0.25]]> : tensor<1x2xf32>
  %w2 = qnn.constant dense<1.0> : tensor<2x3xf32>
  %m = qnn.matmul %x, %w1 : tensor<5x1xf32>, tensor<1x2xf32> -> tensor<5x2xf32>
  %y = qnn.matmul %m, %w2 : tensor<5x2xf32>, tensor<2x3xf32> -> tensor<5x3xf32>
  return %y : tensor<5x3xf32>
}
