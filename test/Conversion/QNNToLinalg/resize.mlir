// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize | FileCheck %s

// Whole factors repeat elements.
// CHECK-LABEL: func @replicate
func.func @replicate(%x: tensor<1x8x?x?xf32>) -> tensor<1x8x?x?xf32> {
  %scales = qnn.constant dense<[1.0, 1.0, 2.0, 2.0]> : tensor<4xf32>
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x8x?x2x?x2xf32>)
  // CHECK: tensor.collapse_shape
  %0 = qnn.resize nearest %x scales %scales : tensor<4xf32> {
      axes = array<i64: 0, 1, 2, 3>, coordinates = #qnn<coordinates asymmetric>, rounding = #qnn<rounding floor>}
    : tensor<1x8x?x?xf32> -> tensor<1x8x?x?xf32>
  return %0 : tensor<1x8x?x?xf32>
}

// One pass for each axis, over two elements of its table each.
// CHECK-LABEL: func @linear
func.func @linear(%x: tensor<1x8x4x4xf32>) -> tensor<1x8x7x9xf32> {
  %sizes = qnn.constant dense<[7, 9]> : tensor<2xi64>
  // CHECK: ins(%{{.*}}, %{{.*}} : tensor<7x2xi64>, tensor<7x2xf32>) outs(%{{.*}} : tensor<1x8x7x4xf32>)
  // CHECK: ins(%{{.*}}, %{{.*}} : tensor<9x2xi64>, tensor<9x2xf32>) outs(%{{.*}} : tensor<1x8x7x9xf32>)
  %0 = qnn.resize linear %x sizes %sizes : tensor<2xi64> {axes = array<i64: 2, 3>}
    : tensor<1x8x4x4xf32> -> tensor<1x8x7x9xf32>
  return %0 : tensor<1x8x7x9xf32>
}

// What lies outside of the region is remembered as a byte each.
// CHECK-LABEL: func @crop
// CHECK: arith.extui %{{.*}} : i1 to i8
// CHECK: arith.trunci %{{.*}} : i8 to i1
// CHECK: arith.select
func.func @crop(%x: tensor<1x4xf32>, %roi: tensor<2xf32>) -> tensor<1x3xf32> {
  %sizes = qnn.constant dense<3> : tensor<1xi64>
  %0 = qnn.resize linear %x roi %roi : tensor<2xf32> sizes %sizes : tensor<1xi64> {axes = array<i64: 1>, coordinates = #qnn<coordinates tf_crop_and_resize>} : tensor<1x4xf32> -> tensor<1x3xf32>
  return %0 : tensor<1x3xf32>
}
