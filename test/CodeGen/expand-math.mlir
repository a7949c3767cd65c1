// RUN: quant-opt %s --quantc-expand-math | FileCheck %s
// RUN: quant-opt %s --quantc-expand-math=target-features=+sse2 | FileCheck %s --check-prefix=X86

// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// CHECK-LABEL: func.func @exp64
// CHECK: math.exp
func.func @exp64(%x: f64) -> f64 {
  %0 = math.exp %x : f64
  return %0 : f64
}

// ONNX Runtime's coefficients, on vectors, too; no branch, so that loops
// vectorize.
// CHECK-LABEL: func.func @erf
// CHECK-NOT:     math.erf
// CHECK-NOT:     math.exp
// CHECK:         math.fma {{.*}} : vector<8xf32>
// CHECK:         math.copysign {{.*}} : vector<8xf32>
func.func @erf(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.erf %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// One instruction rounds and converts on x86.
// CHECK-LABEL: func.func @nearest
// CHECK: math.roundeven
// CHECK: arith.fptosi
// X86-LABEL: func.func @nearest
// X86-SAME: %[[X:.*]]: vector<16xf32>
// X86-NEXT: llvm.call_intrinsic "llvm.lrint"(%[[X]]) : (vector<16xf32>) -> vector<16xi32>
func.func @nearest(%x: vector<16xf32>) -> vector<16xi32> {
  %0 = math.roundeven %x : vector<16xf32>
  %1 = arith.fptosi %0 : vector<16xf32> to vector<16xi32>
  return %1 : vector<16xi32>
}

// Not for 64 bits, and not without the rounding.
// X86-LABEL: func.func @others
// X86-NOT: lrint
func.func @others(%x: f32) -> (i64, i32) {
  %0 = math.roundeven %x : f32
  %1 = arith.fptosi %0 : f32 to i64
  %2 = arith.fptosi %x : f32 to i32
  return %1, %2 : i64, i32
}

// A clamp at a number is one comparison; NaN becomes the number. Where both
// sides may be NaN, that is not enough.
// CHECK-LABEL: func.func @clamp
// CHECK-SAME:    %[[X:.*]]: vector<8xf32>, %[[Y:.*]]: vector<8xf32>, %[[I:.*]]: i32
// CHECK:         %[[LOW:.*]] = arith.cmpf ogt, %[[X]], %[[C:.*]] : vector<8xf32>
// CHECK:         %[[A:.*]] = arith.select %[[LOW]], %[[X]], %[[C]]
// CHECK:         %[[F:.*]] = arith.sitofp %[[I]]
// CHECK:         %[[B:.*]] = vector.broadcast %[[F]]
// CHECK:         %[[HIGH:.*]] = arith.cmpf olt, %[[A]], %[[B]] : vector<8xf32>
// CHECK:         %[[D:.*]] = arith.select %[[HIGH]], %[[A]], %[[B]]
// CHECK:         arith.maxnumf %[[D]], %[[Y]]
func.func @clamp(%x: vector<8xf32>, %y: vector<8xf32>, %i: i32) -> vector<8xf32> {
  %c = arith.constant dense<-15.0> : vector<8xf32>
  %0 = arith.maxnumf %x, %c : vector<8xf32>
  %f = arith.sitofp %i : i32 to f32
  %b = vector.broadcast %f : f32 to vector<8xf32>
  %1 = arith.minnumf %b, %0 : vector<8xf32>
  %2 = arith.maxnumf %1, %y : vector<8xf32>
  return %2 : vector<8xf32>
}

// The same at a number of the kernel's, which the caller never passes as NaN;
// a signaling NaN alone (1) would not be enough to exclude.
// CHECK-LABEL: func.func private @number
// CHECK-SAME:    %[[X:.*]]: f32, %[[C:.*]]: f32 {llvm.nofpclass = 3 : i64}, %[[Y:.*]]: f32 {
// CHECK:         %[[LOW:.*]] = arith.cmpf ogt, %[[X]], %[[C]]
// CHECK:         %[[A:.*]] = arith.select %[[LOW]], %[[X]], %[[C]]
// CHECK:         arith.minnumf %[[A]], %[[Y]]
func.func private @number(%x: f32, %c: f32 {llvm.nofpclass = 3 : i64}, %y: f32 {llvm.nofpclass = 1 : i64}) -> f32 {
  %0 = arith.maxnumf %c, %x : f32
  %1 = arith.minnumf %0, %y : f32
  return %1 : f32
}
