// RUN: quant-opt %s --split-input-file --verify-diagnostics

func.func @type(%x: tensor<1x8xf32>, %w: tensor<8x4xi16>, %s: tensor<1x4xf32>) {
  // expected-error @+1 {{weights must be integers of 2 to 8 bits or floats of at most 8 bits, got 'i16'}}
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xi16>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @scales(%x: tensor<1x8xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>) {
  // expected-error @+1 {{scales 'tensor<1x4xf32>' do not match 'tensor<8x4xi4>' in blocks of 4}}
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 4 : i64}
      : tensor<1x8xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @inner(%x: tensor<1x9xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>) {
  // expected-error @+2 {{failed to infer returned types}}
  // expected-error @+1 {{inner dimensions differ: 'tensor<1x9xf32>' and 'tensor<8x4xi4>'}}
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 8 : i64}
      : tensor<1x9xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @block(%x: tensor<1x8xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>) {
  // expected-error @+1 {{block_size 0 is not positive}}
  %y = qnn.weight_only_matmul %x, %w, %s {block_size = 0 : i64}
      : tensor<1x8xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @codebook(%x: tensor<1x8xf32>, %w: tensor<8x4xui4>, %s: tensor<1x4xf32>, %c: tensor<8xf32>) {
  // expected-error @+1 {{codebook must be a list of 16 numbers, got 'tensor<8xf32>'}}
  %y = qnn.weight_only_matmul %x, %w, %s codebook %c : tensor<8xf32> {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xui4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @signed_index(%x: tensor<1x8xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>, %c: tensor<16xf32>) {
  // expected-error @+1 {{indices into a codebook must be unsigned integers, got 'i4'}}
  %y = qnn.weight_only_matmul %x, %w, %s codebook %c : tensor<16xf32> {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @zero_type(%x: tensor<1x8xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>, %z: tensor<1x4xi8>) {
  // expected-error @+1 {{zero points must be of the weights' or the scales' type, got 'i8'}}
  %y = qnn.weight_only_matmul %x, %w, %s zero_points %z : tensor<1x4xi8> {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @codebook_zero(%x: tensor<1x8xf32>, %w: tensor<8x4xui4>, %s: tensor<1x4xf32>, %c: tensor<16xf32>, %z: tensor<1x4xui4>) {
  // expected-error@+1 {{a codebook leaves no room for zero points}}
  %y = qnn.weight_only_matmul %x, %w, %s zero_points %z : tensor<1x4xui4> codebook %c : tensor<16xf32> {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xui4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}

// -----

func.func @zero_shape(%x: tensor<1x8xf32>, %w: tensor<8x4xi4>, %s: tensor<1x4xf32>, %z: tensor<2x4xi4>) {
  // expected-error@+1 {{zero points 'tensor<2x4xi4>' must be one number or have the shape of 'tensor<1x4xf32>'}}
  %y = qnn.weight_only_matmul %x, %w, %s zero_points %z : tensor<2x4xi4> {block_size = 8 : i64}
      : tensor<1x8xf32>, tensor<8x4xi4>, tensor<1x4xf32> -> tensor<1x4xf32>
  return
}
