// RUN: quant-opt %s -split-input-file -verify-diagnostics

func.func @no_broadcast(%a: tensor<2xf32>, %b: tensor<3xf32>) {
  // expected-error@+2 {{operand of type 'tensor<3xf32>' does not broadcast with shape [2]}}
  // expected-error@+1 {{failed to infer returned types}}
  %0 = qnn.binary add %a, %b : tensor<2xf32>, tensor<3xf32> -> tensor<2xf32>
  return
}

// -----

func.func @wrong_result(%a: tensor<2xf32>, %b: tensor<2xf32>) {
  // expected-error@+2 {{failed to infer returned types}}
  // expected-error@+1 {{inferred type(s) 'tensor<2xf32>' are incompatible with return type(s) of operation 'tensor<3xf32>'}}
  %0 = qnn.binary add %a, %b : tensor<2xf32>, tensor<2xf32> -> tensor<3xf32>
  return
}

// -----

func.func @mixed_types(%a: tensor<2xf32>, %b: tensor<2xi32>) {
  // expected-error@+1 {{operands have element types 'f32' and 'i32': cast one of them}}
  %0 = qnn.binary add %a, %b : tensor<2xf32>, tensor<2xi32> -> tensor<2xf32>
  return
}

// -----

func.func @condition_is_no_bool(%c: tensor<2xi8>, %a: tensor<2xf32>) {
  // expected-error@+1 {{operand #0 must be ranked tensor of 1-bit signless integer values}}
  %0 = qnn.select %c, %a, %a : tensor<2xi8>, tensor<2xf32>, tensor<2xf32> -> tensor<2xf32>
  return
}

// -----

func.func @cast_changes_shape(%x: tensor<4xf32>) {
  // expected-error@+1 {{changes the shape: 'tensor<4xf32>' to 'tensor<5xi8>'}}
  %0 = qnn.cast %x : tensor<4xf32> -> tensor<5xi8>
  return
}

// -----

func.func @unranked(%x: tensor<*xf32>) {
  // expected-error@+1 {{operand #0 must be ranked tensor}}
  %0 = "qnn.unary"(%x) {kind = #qnn<unary_kind relu>} : (tensor<*xf32>) -> tensor<4xf32>
  return
}

// -----

func.func @bitcast_width(%x: tensor<4xf32>) {
  // expected-error@+1 {{changes the number of bits: 'f32' to 'i16'}}
  %0 = qnn.bitcast %x : tensor<4xf32> -> tensor<4xi16>
  return
}
