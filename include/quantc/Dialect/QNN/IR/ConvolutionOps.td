//===- ConvolutionOps.td - Convolutions ----------------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS
#define QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS

include "quantc/Dialect/QNN/IR/Windows.td"

def QNN_ConvOp : QNN_InferredOp<"conv",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_QuantizableOpInterface,
                               ["getBiasOperand", "takesBias", "setBias",
                                "getInputAxis", "getNumGroups"]>]> {
  let summary = "Convolution, channels first (ONNX Conv, ConvInteger)";
  let description = [{
    `input` is (N, C, spatial...), `weights` (M, C / group, kernel...), `bias`
    (M), the result (N, M, spatial...). The numbers of `pads` are all beginnings
    followed by all ends; `auto_pad` replaces them by what the input's size
    asks for, which may be known at run time only.

    Floats accumulate in their own type (f16 and bf16 in f32). 8-bit integers
    give i32: `Σ (input - input_zero_point) · (weights - weights_zero_point)`,
    padded with the input's zero point. That of the weights is a scalar or one
    a channel of the result.

    ```mlir
    %y = qnn.conv %x, %w bias %b : tensor<8xf32> {
        strides = array<i64: 1, 1>, dilations = array<i64: 1, 1>,
        pads = array<i64: 1, 1, 1, 1>}
      : tensor<1x3x32x32xf32>, tensor<8x3x3x3xf32> -> tensor<1x8x32x32xf32>
    ```
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_Tensor:$weights,
                       Optional<QNN_Tensor>:$bias,
                       Optional<QNN_Tensor>:$input_zero_point,
                       Optional<QNN_Tensor>:$weights_zero_point,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads,
                       DefaultValuedAttr<I64Attr, "1">:$group,
                       QNN_AutoPad:$auto_pad);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $weights (`bias` $bias^ `:` type($bias))?
    (`input_zero_point` $input_zero_point^ `:` type($input_zero_point))?
    (`weights_zero_point` $weights_zero_point^ `:` type($weights_zero_point))?
    attr-dict `:` type($input) `,` type($weights) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def QNN_ConvTransposeOp : QNN_InferredOp<"conv_transpose",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_QuantizableOpInterface,
                               ["getBiasOperand", "takesBias", "setBias",
                                "getInputAxis"]>]> {
  let summary = "Transposed convolution (ONNX ConvTranspose)";
  let description = [{
    The gradient of `conv` with respect to its input: `weights` are
    (C, M / group, kernel...). Each spatial size of the result is
    `stride · (size - 1) + output_padding + (kernel - 1) · dilation + 1 - pads`;
    with `auto_pad`, `stride · size` or what the kernels reach without pads, if
    that is less, and the pads follow from it. A non-empty `output_shape` holds
    the spatial sizes of the result: the pads follow from them, too, with the odd
    element at the end only for `same_upper`.

    8-bit integers give i32, as `conv` does; the zero point of the weights is a
    scalar.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_Tensor:$weights,
                       Optional<QNN_Tensor>:$bias,
                       Optional<QNN_Tensor>:$input_zero_point,
                       Optional<QNN_Tensor>:$weights_zero_point,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads,
                       DenseI64ArrayAttr:$output_padding,
                       DefaultValuedAttr<DenseI64ArrayAttr, "{}">:$output_shape,
                       DefaultValuedAttr<I64Attr, "1">:$group,
                       QNN_AutoPad:$auto_pad);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $weights (`bias` $bias^ `:` type($bias))?
    (`input_zero_point` $input_zero_point^ `:` type($input_zero_point))?
    (`weights_zero_point` $weights_zero_point^ `:` type($weights_zero_point))?
    attr-dict `:` type($input) `,` type($weights) `->` type($output)
  }];
  let hasVerifier = 1;
  let hasCanonicalizeMethod = 1;
}

def QNN_DeformConvOp : QNN_InferredOp<"deform_conv",
    [AttrSizedOperandSegments]> {
  let summary = "Convolution that moves its samples (ONNX DeformConv)";
  let description = [{
    A two-dimensional `conv` that reads `input` with bilinear interpolation,
    zero outside, at places moved by `offset` (N, offset_group · kernel
    elements · 2 (y, x), spatial...) and scaled by `mask` (N, offset_group ·
    kernel elements, spatial...). Sizes of `weights`, and the channels of
    `input`, must be known when it is lowered.
  }];
  let arguments = (ins QNN_Float:$input, QNN_Float:$weights, QNN_Float:$offset,
                       Optional<QNN_Float>:$bias, Optional<QNN_Float>:$mask,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads,
                       DefaultValuedAttr<I64Attr, "1">:$group,
                       DefaultValuedAttr<I64Attr, "1">:$offset_group);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $weights `,` $offset (`bias` $bias^ `:` type($bias))?
    (`mask` $mask^ `:` type($mask))? attr-dict `:` type($input) `,`
    type($weights) `,` type($offset) `->` type($output)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_CONVOLUTIONOPS
