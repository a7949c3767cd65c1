// RUN: quant-opt %s --quantc-multiply-reciprocals=target-features=+avx2,+fma | FileCheck %s
// RUN: quant-opt %s --quantc-multiply-reciprocals | FileCheck %s --check-prefix=PLAIN

// Without fma, a division is cheaper.
// PLAIN-COUNT-13: arith.divf
// PLAIN-NOT: math.fma

// CHECK-LABEL: func.func @scale
// CHECK-SAME: %[[X:.*]]: f32
// CHECK-DAG: %[[HIGH:.*]] = arith.constant 33.33{{.*}} : f32
// CHECK-DAG: %[[LOW:.*]] = arith.constant {{.*}}E-6 : f32
// CHECK: %[[L:.*]] = arith.mulf %[[X]], %[[LOW]]
// CHECK: %[[Q:.*]] = math.fma %[[X]], %[[HIGH]], %[[L]]
// CHECK: math.roundeven %[[Q]]
func.func @scale(%x: f32) -> f32 {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

// The zero point moves the range.
// CHECK-LABEL: func.func @zero_point
// CHECK: math.fma
func.func @zero_point(%x: f32) -> f32 {
  %s = arith.constant 0.1 : f32
  %z = arith.constant 12.0 : f32
  %lo = arith.constant -128.0 : f32
  %hi = arith.constant 127.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %t = arith.addf %r, %z : f32
  %a = arith.minnumf %t, %hi : f32
  %b = arith.maxnumf %a, %lo : f32
  return %b : f32
}

// As QuantizeLinear is lowered: the clamp comes first.
// CHECK-LABEL: func.func @clamped_first
// CHECK: math.fma
func.func @clamped_first(%x: f32) -> i32 {
  %s = arith.constant 0.1 : f32
  %z = arith.constant 12 : i32
  %lo = arith.constant -140.0 : f32
  %hi = arith.constant 115.0 : f32
  %q = arith.divf %x, %s : f32
  %a = arith.maxnumf %q, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  %r = math.roundeven %b : f32
  %i = arith.fptosi %r : f32 to i32
  %t = arith.addi %i, %z : i32
  return %t : i32
}

// CHECK-LABEL: func.func @power_of_two
// CHECK: %[[F:.*]] = arith.constant 8.0{{.*}} : f32
// CHECK: arith.mulf %{{.*}}, %[[F]]
// CHECK-NOT: math.fma
func.func @power_of_two(%x: f32) -> f32 {
  %s = arith.constant 0.125 : f32
  %lo = arith.constant -32768.0 : f32
  %hi = arith.constant 32767.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

// Nothing bounds the integers, so that each bit of the quotient counts.
// CHECK-LABEL: func.func @not_clamped
// CHECK: arith.divf
func.func @not_clamped(%x: f32) -> f32 {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant 0.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  return %a : f32
}

// CHECK-LABEL: func.func @wide_range
// CHECK: arith.divf
func.func @wide_range(%x: f32) -> f32 {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant -2147483648.0 : f32
  %hi = arith.constant 2147483520.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

// CHECK-LABEL: func.func @used_twice
// CHECK: arith.divf
func.func @used_twice(%x: f32) -> (f32, f32) {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b, %q : f32, f32
}

// CHECK-LABEL: func.func @scale_at_run_time
// CHECK: arith.divf
func.func @scale_at_run_time(%x: f32, %s: f32) -> f32 {
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

// CHECK-LABEL: func.func @no_scale
// CHECK: arith.divf
func.func @no_scale(%x: f32) -> f32 {
  %s = arith.constant -0.03 : f32
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %q = arith.divf %x, %s : f32
  %r = math.roundeven %q : f32
  %a = arith.maxnumf %r, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

// CHECK-LABEL: func.func @not_rounded
// CHECK: arith.divf
func.func @not_rounded(%x: f32) -> f32 {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %q = arith.divf %x, %s : f32
  %a = arith.maxnumf %q, %lo : f32
  %b = arith.minnumf %a, %hi : f32
  return %b : f32
}

#id = affine_map<(d0, d1) -> (d0, d1)>
#row = affine_map<(d0, d1) -> (d0)>
#column = affine_map<(d0, d1) -> (d1)>

// The reciprocal of a row's sum, and what its product lacks of the quotient.
// CHECK-LABEL: func.func @by_row
// CHECK:       ^bb0(%[[A:.*]]: f32, %[[B:.*]]: f32,
// CHECK:         %[[WIDE:.*]] = arith.extf %[[A]]
// CHECK:         %[[X:.*]] = arith.mulf %[[WIDE]]
// CHECK:         %[[D:.*]] = arith.extf %[[B]]
// CHECK:         %[[Y:.*]] = arith.divf %{{.*}}, %[[D]] : f64
// CHECK:         %[[Q:.*]] = arith.mulf %[[X]], %[[Y]]
// CHECK:         %[[N:.*]] = arith.negf %[[Q]]
// CHECK:         %[[R:.*]] = math.fma %[[N]], %[[D]], %[[X]]
// CHECK:         %[[BETTER:.*]] = math.fma %[[R]], %[[Y]], %[[Q]]
// CHECK:         %[[DONE:.*]] = arith.cmpf ueq, %[[R]]
// CHECK:         arith.select %[[DONE]], %[[Q]], %[[BETTER]]
func.func @by_row(%x: tensor<4x8xf32>, %s: tensor<4xf32>, %e: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %c = arith.constant 255.0 : f64
  %0 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<4x8xf32>, tensor<4xf32>) outs(%e : tensor<4x8xf64>) {
  ^bb0(%a: f32, %b: f32, %o: f64):
    %w = arith.extf %a : f32 to f64
    %n = arith.mulf %w, %c : f64
    %d = arith.extf %b : f32 to f64
    %q = arith.divf %n, %d : f64
    linalg.yield %q : f64
  } -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// Each element of a row has a divisor of its own.
// CHECK-LABEL: func.func @by_column
// CHECK-NOT:     math.fma
func.func @by_column(%x: tensor<4x8xf32>, %s: tensor<8xf32>, %e: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = linalg.generic {indexing_maps = [#id, #column, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<4x8xf32>, tensor<8xf32>) outs(%e : tensor<4x8xf64>) {
  ^bb0(%a: f32, %b: f32, %o: f64):
    %n = arith.extf %a : f32 to f64
    %d = arith.extf %b : f32 to f64
    %q = arith.divf %n, %d : f64
    linalg.yield %q : f64
  } -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// What f64 holds may be too small for a remainder.
// CHECK-LABEL: func.func @any_f64
// CHECK-NOT:     math.fma
func.func @any_f64(%x: tensor<4x8xf64>, %s: tensor<4xf32>, %e: tensor<4x8xf64>) -> tensor<4x8xf64> {
  %0 = linalg.generic {indexing_maps = [#id, #row, #id], iterator_types = ["parallel", "parallel"]}
      ins(%x, %s : tensor<4x8xf64>, tensor<4xf32>) outs(%e : tensor<4x8xf64>) {
  ^bb0(%a: f64, %b: f32, %o: f64):
    %d = arith.extf %b : f32 to f64
    %q = arith.divf %a, %d : f64
    linalg.yield %q : f64
  } -> tensor<4x8xf64>
  return %0 : tensor<4x8xf64>
}

// Kernels of one form may differ in numbers that stand in front of them.
// CHECK-LABEL: func.func @elements
// CHECK-DAG: arith.constant 33.33{{.*}} : f32
// CHECK-DAG: arith.constant {{.*}}E-6 : f32
// CHECK: linalg.generic
// CHECK-NOT: arith.constant
// CHECK: math.fma
func.func @elements(%x: tensor<8xf32>) -> tensor<8xf32> {
  %s = arith.constant 0.03 : f32
  %lo = arith.constant 0.0 : f32
  %hi = arith.constant 255.0 : f32
  %0 = linalg.generic {indexing_maps = [affine_map<(d0) -> (d0)>], iterator_types = ["parallel"]} outs(%x : tensor<8xf32>) {
  ^bb0(%e: f32):
    %q = arith.divf %e, %s : f32
    %r = math.roundeven %q : f32
    %a = arith.maxnumf %r, %lo : f32
    %b = arith.minnumf %a, %hi : f32
    linalg.yield %b : f32
  } -> tensor<8xf32>
  return %0 : tensor<8xf32>
}
