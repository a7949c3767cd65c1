// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8a8-fast}))' 2>&1 | FileCheck %s --check-prefix=NAME
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=w8a8}))' 2>&1 | FileCheck %s --check-prefix=STATISTICS
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=%t.yaml}))' 2>&1 | FileCheck %s --check-prefix=FILE
// RUN: printf 'base: w8\nskip: ["/layer1/*"]\noverrides:\n  - {node: "[", skip: true}\n  - {op: qnn.pool, skip: true}\n' > %t.2.yaml
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=%t.2.yaml}))' 2>&1 | FileCheck %s --check-prefix=PATTERNS
// RUN: printf 'base: w8\nbits: 4\n' > %t.3.yaml
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-quantize{recipe=%t.3.yaml}))' 2>&1 | FileCheck %s --check-prefix=KEY

// NAME: error: recipe 'w8a8-fast': 'fast' is no part of a recipe's name
// STATISTICS: error: the recipe needs statistics of 1 values: calibrate the model first
// FILE: error: recipe '{{.*}}.yaml' cannot be read
// All that is wrong is told at once.
// PATTERNS: error: recipe: skip[0] matches nothing: no node is named '/layer1/*'
// PATTERNS: error: recipe: overrides[0]: '[' is no pattern
// PATTERNS: error: recipe: overrides[1] matches nothing: no op is a 'qnn.pool'
// KEY: error: {{.*}}.3.yaml:2: unknown key 'bits'
func.func @main(%x: tensor<3x4xf32> {qnn.name = "x"}) -> tensor<3x2xf32> {
  %w = qnn.constant dense<1.0> : tensor<4x2xf32>
  %0 = qnn.matmul %x, %w : tensor<3x4xf32>, tensor<4x2xf32> -> tensor<3x2xf32>
  return %0 : tensor<3x2xf32>
}
