// RUN: quant-opt --convert-qnn-to-linalg --split-input-file %s | FileCheck %s

// No conversion sees what would make it poison.
// CHECK-LABEL: @float_to_int
// CHECK: %[[FITS:.*]] = arith.andi
// CHECK: %[[SAFE:.*]] = arith.select %[[FITS]], %{{.*}}, %{{.*}} : f32
// CHECK: arith.fptosi %[[SAFE]] : f32 to i32
// CHECK: arith.select %[[FITS]]
// CHECK: arith.trunci %{{.*}} : i32 to i8
func.func @float_to_int(%x: tensor<4xf32>) -> tensor<4xui8> {
  %0 = qnn.cast %x : tensor<4xf32> -> tensor<4xui8>
  return %0 : tensor<4xui8>
}

// -----

// Four bits, extended again.
// CHECK-LABEL: @int4
// CHECK: arith.trunci %{{.*}} : i32 to i4
// CHECK: arith.extsi %{{.*}} : i4 to i8
func.func @int4(%x: tensor<4xi32>) -> tensor<4xi4> {
  %0 = qnn.cast %x : tensor<4xi32> -> tensor<4xi4>
  return %0 : tensor<4xi4>
}

// -----

// Small floats are integer code.
// CHECK-LABEL: @small_float
// CHECK-NOT: arith.truncf
// CHECK: arith.bitcast %{{.*}} : f32 to i32
// CHECK: arith.trunci %{{.*}} : i32 to i8
func.func @small_float(%x: tensor<4xf32>) -> tensor<4xf8E4M3FN> {
  %0 = qnn.cast %x : tensor<4xf32> -> tensor<4xf8E4M3FN>
  return %0 : tensor<4xf8E4M3FN>
}

// -----

// Division by zero gives 0 and never traps.
// CHECK-LABEL: @divide
// CHECK: %[[D:.*]] = arith.select
// CHECK: arith.divsi %{{.*}}, %[[D]]
// CHECK: arith.select
func.func @divide(%x: tensor<4xi32>, %y: tensor<4xi32>) -> tensor<4xi32> {
  %0 = qnn.binary div %x, %y : tensor<4xi32>, tensor<4xi32> -> tensor<4xi32>
  return %0 : tensor<4xi32>
}
