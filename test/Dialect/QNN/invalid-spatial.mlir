// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @no_sizes(%x: tensor<1x1x4x4xf32>) {
  // expected-error@+1 {{needs either scales or sizes}}
  %0 = qnn.resize linear %x {axes = array<i64: 2, 3>} : tensor<1x1x4x4xf32> -> tensor<1x1x?x?xf32>
  return
}

// -----

func.func @coordinates(%x: tensor<1x1x4x4xf32>, %s: tensor<2xi64>) {
  // expected-error@+1 {{attribute 'coordinates' failed to satisfy constraint}}
  %0 = qnn.resize linear %x sizes %s : tensor<2xi64> {axes = array<i64: 2, 3>, coordinates = "middle"} : tensor<1x1x4x4xf32> -> tensor<1x1x?x?xf32>
  return
}

// -----

func.func @grid(%x: tensor<1x1x4x4xf32>, %g: tensor<1x2x2x3xf32>) {
  // expected-error@+1 {{the grid's last dimension must hold 2 coordinates}}
  %0 = qnn.grid_sample linear %x, %g : tensor<1x1x4x4xf32>, tensor<1x2x2x3xf32> -> tensor<1x1x2x2xf32>
  return
}

// -----

func.func @dft(%x: tensor<1x8x3xf32>) {
  // expected-error@+1 {{the last dimension must be 1 (real) or 2 (complex)}}
  %0 = qnn.dft %x : tensor<1x8x3xf32> -> tensor<1x8x2xf32>
  return
}

// -----

func.func @list_of_sizes(%x: tensor<1x1x4x4xf32>, %s: tensor<1x2xi64>) {
  // expected-error@+1 {{roi, scales and sizes must be lists, got 'tensor<1x2xi64>'}}
  %0 = qnn.resize linear %x sizes %s : tensor<1x2xi64> {axes = array<i64: 2, 3>} : tensor<1x1x4x4xf32> -> tensor<1x1x?x?xf32>
  return
}

// -----

func.func @no_roi(%x: tensor<1x1x4x4xf32>, %s: tensor<2xi64>) {
  // expected-error@+1 {{tf_crop_and_resize needs a roi}}
  %0 = qnn.resize linear %x sizes %s : tensor<2xi64> {axes = array<i64: 2, 3>, coordinates = #qnn<coordinates tf_crop_and_resize>} : tensor<1x1x4x4xf32> -> tensor<1x1x?x?xf32>
  return
}

// -----

func.func @no_window(%x: tensor<2x16x1xf32>, %step: tensor<i64>) {
  // expected-error@+1 {{needs a window or a frame length}}
  %0 = qnn.stft %x, %step {onesided} : tensor<2x16x1xf32>, tensor<i64> -> tensor<2x?x?x2xf32>
  return
}
