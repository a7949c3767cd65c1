// RUN: quant-opt %s --convert-qnn-to-linalg --canonicalize | FileCheck %s

// Four channels share what is computed of a place.
// CHECK-DAG: #[[$FOUR:.*]] = affine_map<(d0, d1, d2, d3, d4) -> (d0, d1, d4, d2, d3)>
// CHECK-DAG: #[[$FOUR3D:.*]] = affine_map<(d0, d1, d2, d3, d4, d5) -> (d0, d1, d5, d2, d3, d4)>

// CHECK-LABEL: func @blocks
func.func @blocks(%x: tensor<?x8x?x?xf32>, %g: tensor<?x4x5x2xf32>) -> tensor<?x8x4x5xf32> {
  // CHECK: tensor.expand_shape %{{.*}} {{\[\[}}0], [1, 2], [3], [4]]{{.*}} into tensor<?x2x4x?x?xf32>
  // CHECK: linalg.generic {indexing_maps = [#[[$FOUR]]]
  // CHECK: tensor.collapse_shape %{{.*}} {{\[\[}}0], [1, 2], [3], [4]] : tensor<?x2x4x4x5xf32> into tensor<?x8x4x5xf32>
  %0 = qnn.grid_sample linear %x, %g : tensor<?x8x?x?xf32>, tensor<?x4x5x2xf32> -> tensor<?x8x4x5xf32>
  return %0 : tensor<?x8x4x5xf32>
}

// As many as divide the channels, of volumes too.
// CHECK-LABEL: func @volumes
func.func @volumes(%x: tensor<1x12x3x3x3xf32>, %g: tensor<1x4x5x6x3xf32>) -> tensor<1x12x4x5x6xf32> {
  // CHECK: linalg.generic {indexing_maps = [#[[$FOUR3D]]]{{.*}} outs(%{{.*}} : tensor<1x3x4x4x5x6xf32>)
  %0 = qnn.grid_sample nearest %x, %g : tensor<1x12x3x3x3xf32>, tensor<1x4x5x6x3xf32> -> tensor<1x12x4x5x6xf32>
  return %0 : tensor<1x12x4x5x6xf32>
}

// CHECK-LABEL: func @three
func.func @three(%x: tensor<1x9x3x3xf32>, %g: tensor<1x4x5x2xf32>) -> tensor<1x9x4x5xf32> {
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x3x3x4x5xf32>)
  %0 = qnn.grid_sample linear %x, %g : tensor<1x9x3x3xf32>, tensor<1x4x5x2xf32> -> tensor<1x9x4x5xf32>
  return %0 : tensor<1x9x4x5xf32>
}

// How many there are only the call knows.
// CHECK-LABEL: func @unknown
func.func @unknown(%x: tensor<1x?x3x3xf32>, %g: tensor<1x4x5x2xf32>) -> tensor<1x?x4x5xf32> {
  // CHECK: linalg.generic {{.*}} outs(%{{.*}} : tensor<1x?x{{(1x)?}}4x5xf32>)
  %0 = qnn.grid_sample linear %x, %g : tensor<1x?x3x3xf32>, tensor<1x4x5x2xf32> -> tensor<1x?x4x5xf32>
  return %0 : tensor<1x?x4x5xf32>
}
