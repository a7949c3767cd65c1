// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-smooth-quant{statistics=%t.none}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-awq{statistics=%t.none}))' 2>&1 | FileCheck %s --check-prefix=MISSING
// RUN: not quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-awq{recipe=w4-g0 statistics=%t.none}))' 2>&1 | FileCheck %s --check-prefix=RECIPE

// What the passes do to graphs is in test/python/test_weight_methods.py, which
// makes the statistics that they need.
// MISSING: error: {{.*}}.none
// RECIPE: error: recipe 'w4-g0': weights.group-size is 0: it must be positive
func.func @main(%x: tensor<4x2xf32>) -> tensor<4x2xf32> {
  return %x : tensor<4x2xf32>
}
