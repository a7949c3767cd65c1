// RUN: quant-opt %s --quantc-speculate-roundings | FileCheck %s

// Both bounds are rounded. The function is left behind a branch.
// CHECK-LABEL: func.func @gelu(
// CHECK-SAME:    %[[A:.*]]: vector<8xf32>)
// CHECK-NOT:     math.erf
// CHECK-COUNT-2: arith.select
// CHECK:         %[[SUM:.*]] = llvm.intr.fmuladd
// CHECK-COUNT-8: llvm.intr.fmuladd
// CHECK:         %[[LOW:.*]] = llvm.intr.fmuladd(%[[X:.*]], %[[P:[0-9a-z]*]],
// CHECK:         %[[HIGH:.*]] = llvm.intr.fmuladd(%[[X]], %[[P]],
// CHECK:         %[[FACTORS:.*]] = arith.mulf %[[A]]
// CHECK:         arith.mulf %[[LOW]], %[[FACTORS]]
// CHECK:         %[[FIRST:.*]] = arith.trunci
// CHECK:         arith.mulf %[[HIGH]], %[[FACTORS]]
// CHECK:         %[[LAST:.*]] = arith.trunci
// CHECK:         %[[DIFFER:.*]] = arith.cmpi ne, %[[FIRST]], %[[LAST]]
// CHECK-NEXT:    %[[ANY:.*]] = vector.reduction <or>, %[[DIFFER]]
// CHECK-NOT:     arith.ori
// CHECK:         %[[OPEN:.*]] = llvm.intr.expect %[[ANY]], %false
// CHECK:         %[[Y:.*]] = scf.if %[[OPEN]]
// CHECK:           arith.divf %[[A]]
// CHECK:           math.erf
// CHECK:           arith.trunci
// CHECK:         } else {
// CHECK-NEXT:      scf.yield %[[FIRST]]
// CHECK:         return %[[Y]]
func.func @gelu(%a: vector<8xf32>) -> vector<8xi8> {
  %root = arith.constant dense<1.41421354> : vector<8xf32>
  %one = arith.constant dense<1.0> : vector<8xf32>
  %half = arith.constant dense<0.5> : vector<8xf32>
  %scale = arith.constant dense<32.0> : vector<8xf32>
  %least = arith.constant dense<-6.0> : vector<8xf32>
  %most = arith.constant dense<249.0> : vector<8xf32>
  %zero = arith.constant dense<6> : vector<8xi32>
  %0 = arith.divf %a, %root : vector<8xf32>
  %1 = math.erf %0 : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %4 = arith.mulf %3, %half : vector<8xf32>
  %5 = arith.mulf %4, %scale : vector<8xf32>
  %6 = arith.maxnumf %5, %least : vector<8xf32>
  %7 = arith.minnumf %6, %most : vector<8xf32>
  %8 = math.roundeven %7 : vector<8xf32>
  %9 = arith.fptosi %8 : vector<8xf32> to vector<8xi32>
  %10 = arith.addi %9, %zero : vector<8xi32>
  %11 = arith.trunci %10 : vector<8xi32> to vector<8xi8>
  return %11 : vector<8xi8>
}

// Factors of the run time are asked for their size.
// CHECK-LABEL: func.func @split_reciprocal(
// CHECK-SAME:    %[[HIGH:[a-z0-9]*]]: f32, %[[LOW:[a-z0-9]*]]: f32
// CHECK-COUNT-2: arith.trunci
// CHECK:         %[[SIZE:.*]] = math.absf %[[HIGH]] : f32
// CHECK:         arith.cmpf oge, %[[SIZE]]
// CHECK:         arith.cmpf ole, %[[SIZE]]
// CHECK:         %[[SHARE:.*]] = arith.divf %[[LOW]], %[[HIGH]]
// CHECK:         math.absf %[[SHARE]]
// CHECK:         arith.ori
// CHECK:         scf.if
// CHECK:           math.erf
func.func @split_reciprocal(%a: vector<8xf32>, %x: vector<8xf32>, %high: f32,
                            %low: f32, %least: vector<8xf32>,
                            %most: vector<8xf32>) -> vector<8xi8> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %h = vector.broadcast %high : f32 to vector<8xf32>
  %l = vector.broadcast %low : f32 to vector<8xf32>
  %1 = math.erf %x : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %4 = arith.mulf %3, %l : vector<8xf32>
  %5 = math.fma %3, %h, %4 : vector<8xf32>
  %6 = arith.maxnumf %5, %least : vector<8xf32>
  %7 = arith.minnumf %6, %most : vector<8xf32>
  %8 = math.roundeven %7 : vector<8xf32>
  %9 = arith.fptosi %8 : vector<8xf32> to vector<8xi32>
  %10 = arith.trunci %9 : vector<8xi32> to vector<8xi8>
  return %10 : vector<8xi8>
}

// Products could overflow on the way.
// CHECK-LABEL: func.func @large_factor(
// CHECK-NOT:     scf.if
func.func @large_factor(%a: vector<8xf32>, %least: vector<8xf32>,
                        %most: vector<8xf32>) -> vector<8xi8> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %scale = arith.constant dense<1.0e+30> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %4 = arith.mulf %3, %scale : vector<8xf32>
  %5 = arith.maxnumf %4, %least : vector<8xf32>
  %6 = arith.minnumf %5, %most : vector<8xf32>
  %7 = math.roundeven %6 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi8>
  return %9 : vector<8xi8>
}

// Two vectors: their product may overflow where another order does not.
// CHECK-LABEL: func.func @two_vectors(
// CHECK-NOT:     scf.if
func.func @two_vectors(%a: vector<8xf32>, %c: vector<8xf32>,
                       %least: vector<8xf32>, %most: vector<8xf32>)
    -> vector<8xi8> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %4 = arith.mulf %3, %c : vector<8xf32>
  %5 = arith.maxnumf %4, %least : vector<8xf32>
  %6 = arith.minnumf %5, %most : vector<8xf32>
  %7 = math.roundeven %6 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi8>
  return %9 : vector<8xi8>
}

// What is added behind the product may cancel it, and the error is left.
// CHECK-LABEL: func.func @residual(
// CHECK-NOT:     scf.if
func.func @residual(%a: vector<8xf32>, %r: vector<8xf32>,
                    %least: vector<8xf32>, %most: vector<8xf32>)
    -> vector<8xi8> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %4 = arith.addf %3, %r : vector<8xf32>
  %5 = arith.maxnumf %4, %least : vector<8xf32>
  %6 = arith.minnumf %5, %most : vector<8xf32>
  %7 = math.roundeven %6 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi8>
  return %9 : vector<8xi8>
}

// The result is used as it is, too.
// CHECK-LABEL: func.func @used_twice(
// CHECK-NOT:     scf.if
func.func @used_twice(%a: vector<8xf32>, %least: vector<8xf32>,
                      %most: vector<8xf32>)
    -> (vector<8xi8>, vector<8xf32>) {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %5 = arith.maxnumf %3, %least : vector<8xf32>
  %6 = arith.minnumf %5, %most : vector<8xf32>
  %7 = math.roundeven %6 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi8>
  return %9, %3 : vector<8xi8>, vector<8xf32>
}

// 16 bits are too many to be known by bounds.
// CHECK-LABEL: func.func @words(
// CHECK-NOT:     scf.if
func.func @words(%a: vector<8xf32>, %least: vector<8xf32>,
                 %most: vector<8xf32>) -> vector<8xi16> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %5 = arith.maxnumf %3, %least : vector<8xf32>
  %6 = arith.minnumf %5, %most : vector<8xf32>
  %7 = math.roundeven %6 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi16>
  return %9 : vector<8xi16>
}

// Not clamped, an integer could wrap.
// CHECK-LABEL: func.func @not_clamped(
// CHECK-NOT:     scf.if
func.func @not_clamped(%a: vector<8xf32>, %least: vector<8xf32>)
    -> vector<8xi8> {
  %one = arith.constant dense<1.0> : vector<8xf32>
  %1 = math.erf %a : vector<8xf32>
  %2 = arith.addf %1, %one : vector<8xf32>
  %3 = arith.mulf %a, %2 : vector<8xf32>
  %5 = arith.maxnumf %3, %least : vector<8xf32>
  %7 = math.roundeven %5 : vector<8xf32>
  %8 = arith.fptosi %7 : vector<8xf32> to vector<8xi32>
  %9 = arith.trunci %8 : vector<8xi32> to vector<8xi8>
  return %9 : vector<8xi8>
}
