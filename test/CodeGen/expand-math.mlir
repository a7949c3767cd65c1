// RUN: quant-opt %s --quantc-expand-math | FileCheck %s
// RUN: quant-opt %s --quantc-expand-math=target-features=+sse2 | FileCheck %s --check-prefix=X86
// RUN: quant-opt %s --quantc-expand-math=target-features=+sse2,+avx2 | FileCheck %s --check-prefix=AVX2
// RUN: quant-opt %s --quantc-expand-math=target-features=+sse2,+avx2,+avx512f | FileCheck %s --check-prefix=AVX512

// CHECK-LABEL: func.func @exp
// CHECK-NOT: math.exp
// CHECK: return
func.func @exp(%x: f32) -> f32 {
  %0 = math.exp %x : f32
  return %0 : f32
}

// Subnormal results take two factors; where hardly more than 0 may as well be
// 0, or is added to 1, there is one. Nothing is divided or branches.
// CHECK-LABEL: func.func @factors
// CHECK:         arith.shrui
// CHECK-COUNT-2: arith.shli
// CHECK-NOT:     arith.sh
// CHECK:         return
func.func @factors(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: func.func @one_factor
// CHECK-NOT:     arith.shrui
// CHECK:         arith.shli
// CHECK-NOT:     arith.sh
// CHECK:         return
func.func @one_factor(%x: vector<8xf32>) -> vector<8xf32> {
  %0 = math.exp %x fastmath<afn> : vector<8xf32>
  return %0 : vector<8xf32>
}

// CHECK-LABEL: func.func @added_to_one
// CHECK-NOT:     arith.shrui
// CHECK:         arith.shli
// CHECK-NOT:     arith.sh
// CHECK:         return
func.func @added_to_one(%x: f32, %y: f32) -> f32 {
  %one = arith.constant 1.0 : f32
  %0 = math.exp %x : f32
  %1 = arith.addf %one, %0 : f32
  return %1 : f32
}

// Something else sees the result.
// CHECK-LABEL: func.func @added_and_returned
// CHECK:         arith.shrui
func.func @added_and_returned(%x: f32) -> (f32, f32) {
  %one = arith.constant 1.0 : f32
  %0 = math.exp %x : f32
  %1 = arith.addf %0, %one : f32
  return %0, %1 : f32, f32
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
// CHECK:         arith.ori {{.*}} : vector<8xi32>
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

// A clamp at a number is one comparison; NaN becomes the number, and so the
// result is one. Where both sides may be NaN, that is not enough.
// X86-LABEL: func.func @clamp
// CHECK-LABEL: func.func @clamp
// CHECK-SAME:    %[[X:.*]]: vector<8xf32>, %[[Y:.*]]: vector<8xf32>, %[[I:.*]]: i32
// CHECK:         %[[LOW:.*]] = arith.cmpf ogt, %[[X]], %[[C:.*]] : vector<8xf32>
// CHECK:         %[[A:.*]] = arith.select %[[LOW]], %[[X]], %[[C]]
// CHECK:         %[[F:.*]] = arith.sitofp %[[I]]
// CHECK:         %[[B:.*]] = vector.broadcast %[[F]]
// CHECK:         %[[HIGH:.*]] = arith.cmpf olt, %[[A]], %[[B]] : vector<8xf32>
// CHECK:         %[[D:.*]] = arith.select %[[HIGH]], %[[A]], %[[B]]
// CHECK:         %[[MORE:.*]] = arith.cmpf ogt, %[[Y]], %[[D]]
// CHECK:         arith.select %[[MORE]], %[[Y]], %[[D]]
// CHECK:         arith.maxnumf %[[X]], %[[Y]]
func.func @clamp(%x: vector<8xf32>, %y: vector<8xf32>, %i: i32) -> (vector<8xf32>, vector<8xf32>) {
  %c = arith.constant dense<-15.0> : vector<8xf32>
  %0 = arith.maxnumf %x, %c : vector<8xf32>
  %f = arith.sitofp %i : i32 to f32
  %b = vector.broadcast %f : f32 to vector<8xf32>
  %1 = arith.minnumf %b, %0 : vector<8xf32>
  %2 = arith.maxnumf %1, %y : vector<8xf32>
  %3 = arith.maxnumf %x, %y : vector<8xf32>
  return %2, %3 : vector<8xf32>, vector<8xf32>
}

// The same at a number of the kernel's, which the caller never passes as NaN;
// a signaling NaN alone (1) would not be enough to exclude.
// CHECK-LABEL: func.func private @number
// CHECK-SAME:    %[[X:.*]]: f32, %[[C:.*]]: f32 {llvm.nofpclass = 3 : i64}, %[[Y:.*]]: f32 {
// CHECK:         %[[LOW:.*]] = arith.cmpf ogt, %[[X]], %[[C]]
// CHECK:         %[[A:.*]] = arith.select %[[LOW]], %[[X]], %[[C]]
// CHECK:         arith.minnumf %[[X]], %[[Y]]
func.func private @number(%x: f32, %c: f32 {llvm.nofpclass = 3 : i64}, %y: f32 {llvm.nofpclass = 1 : i64}) -> (f32, f32) {
  %0 = arith.maxnumf %c, %x : f32
  %1 = arith.minnumf %x, %y : f32
  return %0, %1 : f32, f32
}

// The larger of two that may be NaN is one instruction, of one that is not a
// comparison. The reduction so far comes second.
// CHECK-LABEL: func.func @larger
// CHECK-SAME:    %[[X:.*]]: f32, %[[Y:.*]]: f32, %[[V:.*]]: vector<8xf32>, %[[W:.*]]: vector<8xf32>
// CHECK:         llvm.intr.maximum(%[[Y]], %[[X]]) {fastmathFlags = #llvm.fastmath<nsz>}
// CHECK:         llvm.intr.minimum(%[[W]], %[[V]])
// CHECK:         arith.maximumf
func.func @larger(%x: f32, %y: f32, %v: vector<8xf32>, %w: vector<8xf32>) -> (f32, vector<8xf32>, f32) {
  %zero = arith.constant 0.0 : f32
  %0 = arith.maximumf %x, %y : f32
  %1 = arith.minimumf %v, %w : vector<8xf32>
  %2 = arith.maximumf %x, %zero : f32
  return %0, %1, %2 : f32, vector<8xf32>, f32
}

// The largest of a row, in vectors: what starts as a number stays one, and NaN is
// passed over by one comparison, in the loop and behind it.
// CHECK-LABEL: func.func @most
// CHECK-NOT:     maxnumf
// CHECK-NOT:     cmpf uno
// CHECK:         scf.for {{.*}} iter_args(%[[MOST:.*]] = %{{.*}})
// CHECK:           %[[X:.*]] = vector.load
// CHECK:           %[[LARGER:.*]] = arith.cmpf ogt, %[[X]], %[[MOST]]
// CHECK-NEXT:      %[[NEXT:.*]] = arith.select %[[LARGER]], %[[X]], %[[MOST]]
// CHECK-NEXT:      scf.yield %[[NEXT]]
// CHECK:         vector.shuffle
// CHECK:         arith.cmpf ogt
// CHECK-NEXT:    arith.select
// CHECK-NOT:     cmpf
func.func @most(%x: memref<64xf32>) -> vector<4xf32> {
  %c0 = arith.constant 0 : index
  %c8 = arith.constant 8 : index
  %c64 = arith.constant 64 : index
  %least = arith.constant dense<0xFF800000> : vector<8xf32>
  %0 = scf.for %i = %c0 to %c64 step %c8 iter_args(%most = %least) -> vector<8xf32> {
    %v = vector.load %x[%i] : memref<64xf32>, vector<8xf32>
    %next = arith.maxnumf %most, %v : vector<8xf32>
    scf.yield %next : vector<8xf32>
  }
  %1 = vector.shuffle %0, %0 [0, 1, 2, 3] : vector<8xf32>, vector<8xf32>
  %2 = vector.shuffle %0, %0 [4, 5, 6, 7] : vector<8xf32>, vector<8xf32>
  %3 = arith.maxnumf %1, %2 : vector<4xf32>
  return %3 : vector<4xf32>
}

// Not where a loop takes up what may be NaN.
// CHECK-LABEL: func.func @carried
// CHECK:         arith.maxnumf
func.func @carried(%x: memref<64xf32>, %first: f32) -> f32 {
  %c0 = arith.constant 0 : index
  %c1 = arith.constant 1 : index
  %c64 = arith.constant 64 : index
  %least = arith.constant 0xFF800000 : f32
  %0:2 = scf.for %i = %c0 to %c64 step %c1 iter_args(%most = %least, %last = %first) -> (f32, f32) {
    %v = memref.load %x[%i] : memref<64xf32>
    %next = arith.maxnumf %last, %v : f32
    scf.yield %next, %v : f32, f32
  }
  return %0#0 : f32
}

// What narrows saturates on AVX2, so that only what no integer holds is clamped
// before; NaN becomes the least integer.
// AVX2-LABEL: func.func @quantize
// AVX2-SAME:    %[[X:.*]]: vector<16xf32>
// AVX2-DAG:     %[[HIGH:.*]] = arith.constant dense<1.350000e+02> : vector<16xf32>
// AVX2-DAG:     %[[ZERO:.*]] = arith.constant dense<120> : vector<16xi16>
// AVX2-NOT:     max
// AVX2:         %[[ABOVE:.*]] = arith.cmpf olt, %[[HIGH]], %[[X]]
// AVX2:         %[[CLAMPED:.*]] = arith.select %[[ABOVE]], %[[HIGH]], %[[X]]
// AVX2:         %[[PART:.*]] = vector.extract_strided_slice %[[CLAMPED]] {offsets = [0], sizes = [8]
// AVX2:         llvm.call_intrinsic "llvm.x86.avx.cvt.ps2dq.256"(%[[PART]]) : (vector<8xf32>) -> vector<8xi32>
// AVX2:         llvm.call_intrinsic "llvm.x86.avx.cvt.ps2dq.256"
// AVX2:         %[[NARROW:.*]] = llvm.call_intrinsic "llvm.x86.avx2.packssdw"({{.*}}) : (vector<8xi32>, vector<8xi32>) -> vector<16xi16>
// AVX2:         %[[MOVED:.*]] = llvm.intr.sadd.sat(%[[NARROW]], %[[ZERO]])
// AVX2:         %[[BYTES:.*]] = llvm.call_intrinsic "llvm.x86.avx2.packuswb"(%[[MOVED]], %[[MOVED]])
// AVX2:         %[[QUADS:.*]] = vector.bitcast %[[BYTES]] : vector<32xi8> to vector<8xi32>
// AVX2:         %[[ORDERED:.*]] = vector.shuffle %[[QUADS]], %[[QUADS]] [0, 4, 1, 5]
// AVX2:         vector.bitcast %[[ORDERED]] : vector<4xi32> to vector<16xi8>
// AVX512-LABEL: func.func @quantize
// AVX512-NOT:   ps2dq
// AVX512:       llvm.lrint
// AVX512:       arith.trunci {{.*}} : vector<16xi32> to vector<16xi8>
func.func @quantize(%x: vector<16xf32>) -> vector<16xi8> {
  %low = arith.constant dense<-120.0> : vector<16xf32>
  %high = arith.constant dense<135.0> : vector<16xf32>
  %zero = arith.constant dense<120> : vector<16xi32>
  %0 = arith.maxnumf %x, %low : vector<16xf32>
  %1 = arith.minnumf %0, %high : vector<16xf32>
  %2 = math.roundeven %1 : vector<16xf32>
  %3 = arith.fptosi %2 : vector<16xf32> to vector<16xi32>
  %4 = arith.addi %3, %zero : vector<16xi32>
  %5 = arith.trunci %4 : vector<16xi32> to vector<16xi8>
  return %5 : vector<16xi8>
}

// Nothing is clamped before where it is clamped as an integer. Four registers
// become one, and are put in order once.
// AVX2-LABEL: func.func @requantize
// AVX2-SAME:    %[[X:.*]]: vector<40xf32>
// AVX2-NOT:     cmpf
// AVX2-COUNT-4: llvm.call_intrinsic "llvm.x86.avx.cvt.ps2dq.256"
// AVX2:         %[[LOW:.*]] = llvm.call_intrinsic "llvm.x86.avx2.packssdw"
// AVX2:         %[[HIGH:.*]] = llvm.call_intrinsic "llvm.x86.avx2.packssdw"
// AVX2:         llvm.call_intrinsic "llvm.x86.avx2.packsswb"(%[[LOW]], %[[HIGH]])
// AVX2:         vector.shuffle {{.*}} [0, 4, 1, 5, 2, 6, 3, 7]
// AVX2:         llvm.call_intrinsic "llvm.x86.avx.cvt.ps2dq.256"
// AVX2:         vector.shuffle {{.*}} [0, 4] :
// AVX2-NOT:     arith.m
// AVX2:         return
// AVX512-LABEL: func.func @requantize
// AVX512-NOT:   packs
// AVX512:       arith.maxsi
// AVX512:       arith.minsi
func.func @requantize(%x: vector<40xf32>) -> vector<40xi8> {
  %low = arith.constant dense<-128> : vector<40xi32>
  %high = arith.constant dense<127> : vector<40xi32>
  %0 = math.roundeven %x : vector<40xf32>
  %1 = arith.fptosi %0 : vector<40xf32> to vector<40xi32>
  %2 = arith.maxsi %1, %low : vector<40xi32>
  %3 = arith.minsi %2, %high : vector<40xi32>
  %4 = arith.trunci %3 : vector<40xi32> to vector<40xi8>
  return %4 : vector<40xi8>
}

// Not to 7 bits.
// AVX2-LABEL: func.func @seven_bits
// AVX2-NOT:   ps2dq
func.func @seven_bits(%x: vector<8xf32>) -> vector<8xi8> {
  %low = arith.constant dense<-64.0> : vector<8xf32>
  %high = arith.constant dense<63.0> : vector<8xf32>
  %0 = arith.maxnumf %x, %low : vector<8xf32>
  %1 = arith.minnumf %0, %high : vector<8xf32>
  %2 = math.roundeven %1 : vector<8xf32>
  %3 = arith.fptosi %2 : vector<8xf32> to vector<8xi32>
  %4 = arith.trunci %3 : vector<8xi32> to vector<8xi8>
  return %4 : vector<8xi8>
}

// Signed bytes; the bound may be a scalar for all lanes.
// AVX2-LABEL: func.func @signed
// AVX2:       llvm.call_intrinsic "llvm.x86.avx2.packsswb"
// AVX2-NOT:   arith.m
// AVX2:       return
func.func @signed(%x: vector<8xf32>) -> vector<8xi8> {
  %low = arith.constant dense<-128.0> : vector<8xf32>
  %bound = arith.constant 127.0 : f32
  %high = vector.broadcast %bound : f32 to vector<8xf32>
  %0 = arith.maxnumf %x, %low : vector<8xf32>
  %1 = arith.minnumf %0, %high : vector<8xf32>
  %2 = math.roundeven %1 : vector<8xf32>
  %3 = arith.fptosi %2 : vector<8xf32> to vector<8xi32>
  %4 = arith.trunci %3 : vector<8xi32> to vector<8xi8>
  return %4 : vector<8xi8>
}

// 16 bits do not hold this zero point.
// AVX2-LABEL: func.func @far
// AVX2-NOT:   ps2dq
func.func @far(%x: vector<8xf32>) -> vector<8xi8> {
  %low = arith.constant dense<-100000.0> : vector<8xf32>
  %high = arith.constant dense<-99745.0> : vector<8xf32>
  %zero = arith.constant dense<100000> : vector<8xi32>
  %0 = arith.maxnumf %x, %low : vector<8xf32>
  %1 = arith.minnumf %0, %high : vector<8xf32>
  %2 = math.roundeven %1 : vector<8xf32>
  %3 = arith.fptosi %2 : vector<8xf32> to vector<8xi32>
  %4 = arith.addi %3, %zero : vector<8xi32>
  %5 = arith.trunci %4 : vector<8xi32> to vector<8xi8>
  return %5 : vector<8xi8>
}
