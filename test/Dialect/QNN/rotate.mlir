// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-rotate{online=false}))' --split-input-file | FileCheck %s
// RUN: quant-opt %s --pass-pipeline='builtin.module(func.func(qnn-rotate))' --split-input-file | FileCheck %s --check-prefix=ONLINE

// The table and the matrix that write the stream, and the one that reads it;
// the factor of the normalization goes into the latter.
module attributes {qnn.model_hash = "h"} {
// CHECK:       module attributes {qnn.model_hash = "h-rotated1"}
// CHECK-LABEL: func.func @main
// CHECK:         %[[T:.*]] = qnn.matmul %{{.*}}, %{{.*}} : tensor<8x4xf32>, tensor<4x4xf32>
// CHECK:         %[[E:.*]] = qnn.gather %[[T]]
// CHECK:         %[[N:.*]], %{{.*}}, %{{.*}} = qnn.normalize rms %[[E]] {
// CHECK:         qnn.binary mul {{.*}} : tensor<4x6xf32>, tensor<4x1xf32>
// CHECK:         %[[R:.*]] = qnn.matmul %{{.*}}, %{{.*}} : tensor<4x4xf32>, tensor<4x6xf32>
// CHECK:         %[[Y:.*]] = qnn.matmul %[[N]], %[[R]]
// CHECK:         %[[W:.*]] = qnn.matmul %{{.*}}, %{{.*}} : tensor<6x4xf32>, tensor<4x4xf32>
// CHECK:         qnn.matmul %[[Y]], %[[W]]

// The input of the last product is rotated at run time.
// ONLINE:      module attributes {qnn.model_hash = "h-rotated1-online"}
// ONLINE:        qnn.matmul {{.*}} {qnn.keep_float} : tensor<3x2x3xf32>, tensor<3x3xf32>
// ONLINE:        qnn.matmul {{.*}} {qnn.keep_float} : tensor<2x2xf32>, tensor<3x2x3xf32>
func.func @main(%ids: tensor<3xi64>) -> tensor<3x6xf32> {
  %table = qnn.constant dense<1.5> : tensor<8x4xf32>
  %g = qnn.constant dense<[1.0, 2.0, 3.0, 4.0]> : tensor<4xf32>
  %a = qnn.constant dense<0.5> : tensor<4x6xf32>
  %b = qnn.constant dense<0.25> : tensor<6x4xf32>
  %x = qnn.gather %table[%ids] axis 0 : tensor<8x4xf32>, tensor<3xi64> -> tensor<3x4xf32>
  %n, %m, %i = qnn.normalize rms %x scale %g : tensor<4xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<3x4xf32> -> tensor<3x4xf32>, tensor<3x1xf32>, tensor<3x1xf32>
  %y = qnn.matmul %n, %a : tensor<3x4xf32>, tensor<4x6xf32> -> tensor<3x6xf32>
  %z = qnn.matmul %y, %b : tensor<3x6xf32>, tensor<6x4xf32> -> tensor<3x4xf32>
  %s = qnn.binary add %x, %z : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %n2, %m2, %i2 = qnn.normalize rms %s scale %g : tensor<4xf32> {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<3x4xf32> -> tensor<3x4xf32>, tensor<3x1xf32>, tensor<3x1xf32>
  %r = qnn.matmul %n2, %a : tensor<3x4xf32>, tensor<4x6xf32> -> tensor<3x6xf32>
  return %r : tensor<3x6xf32>
}
}

// -----

// A function of single channels would not be the same: nothing is rotated.
// CHECK-LABEL: func.func @single_channels
// CHECK-NOT:     qnn.matmul {{.*}} : tensor<8x4xf32>
func.func @single_channels(%ids: tensor<3xi64>) -> tensor<3x6xf32> {
  %table = qnn.constant dense<1.5> : tensor<8x4xf32>
  %a = qnn.constant dense<0.5> : tensor<4x6xf32>
  %x = qnn.gather %table[%ids] axis 0 : tensor<8x4xf32>, tensor<3xi64> -> tensor<3x4xf32>
  %t = qnn.unary tanh %x : tensor<3x4xf32> -> tensor<3x4xf32>
  %s = qnn.binary add %x, %t : tensor<3x4xf32>, tensor<3x4xf32> -> tensor<3x4xf32>
  %n, %m, %i = qnn.normalize rms %s {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<3x4xf32> -> tensor<3x4xf32>, tensor<3x1xf32>, tensor<3x1xf32>
  %y = qnn.matmul %n, %a : tensor<3x4xf32>, tensor<4x6xf32> -> tensor<3x6xf32>
  return %y : tensor<3x6xf32>
}
