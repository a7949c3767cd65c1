//===- QuantizationOps.td - Quantize, dequantize, requantize, observe ----===//
#ifndef QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS
#define QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_QuantizeOp : QNN_Op<"quantize", [
    QNN_ExtentOpInterface,
    DeclareOpInterfaceMethods<QNN_PointwiseOpInterface,
                              ["getParameterAxis"]>]> {
  let summary = "From real numbers to integers or small floats";
  let description = [{
    `y = saturate(roundeven(x / scale) + zero_point)` for integers, and
    `y = cast(x / scale)` for 8- and 4-bit floats, where `saturate` says what
    becomes of numbers that do not fit. NaN gives the smallest integer.

    The scale is one number (rank 0, or one element), one number for each index
    along `axis` (rank 1), or, with a `block_size`, has the input's shape with
    the dimension `axis` divided by it (rounded up). The zero point is one
    number, or has the scale's shape, and has the result's element type; it is 0
    without one.

    The division is done in the scale's element type, unless `precision` names
    another.

    ```mlir
    %y = qnn.quantize %x, %scale zero_point %zp : tensor<ui8>
        : tensor<4x8xf32>, tensor<f32> -> tensor<4x8xui8>
    %z = qnn.quantize %x, %scales {axis = 1 : i64}
        : tensor<4x8xf32>, tensor<8xf32> -> tensor<4x8xi8>
    ```
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_Float:$scale,
                       Optional<QNN_Tensor>:$zero_point,
                       OptionalAttr<I64Attr>:$axis,
                       DefaultValuedAttr<I64Attr, "0">:$block_size,
                       DefaultValuedAttr<BoolAttr, "true">:$saturate,
                       OptionalAttr<TypeAttr>:$precision);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $scale (`zero_point` $zero_point^ `:` type($zero_point))?
    attr-dict `:` type($input) `,` type($scale) `->` type($output)
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
}

def QNN_DequantizeOp : QNN_Op<"dequantize", [
    QNN_ExtentOpInterface,
    DeclareOpInterfaceMethods<QNN_PointwiseOpInterface,
                              ["getParameterAxis"]>]> {
  let summary = "From integers or small floats to real numbers";
  let description = [{
    `y = (x - zero_point) · scale`, with the subtraction in a wider integer.
    Scale and zero point have the shapes that `qnn.quantize` describes. The zero
    point may be of the scale's type: then the subtraction is one of floats.

    ```mlir
    %y = qnn.dequantize %w, %scales {axis = 0 : i64, block_size = 32 : i64}
        : tensor<64x8xi4>, tensor<2x8xf32> -> tensor<64x8xf32>
    ```
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_Float:$scale,
                       Optional<QNN_Tensor>:$zero_point,
                       OptionalAttr<I64Attr>:$axis,
                       DefaultValuedAttr<I64Attr, "0">:$block_size);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $scale (`zero_point` $zero_point^ `:` type($zero_point))?
    attr-dict `:` type($input) `,` type($scale) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_RequantizeOp : QNN_Op<"requantize", [
    QNN_ExtentOpInterface,
    DeclareOpInterfaceMethods<QNN_PointwiseOpInterface,
                              ["getParameterAxis"]>]> {
  let summary = "From an integer accumulator to a narrower integer";
  let description = [{
    `y = saturate(roundeven(float(x) · scale) + zero_point)`, with one f32
    multiplication: `scale` is the product of the operands' scales divided by
    the result's. It is one number, or one for each index along `axis`.

    ```mlir
    %y = qnn.requantize %acc, %scale zero_point %zp : tensor<i8>
        : tensor<4x8xi32>, tensor<f32> -> tensor<4x8xi8>
    ```
  }];
  let arguments = (ins RankedTensorOf<[I32]>:$input,
                       RankedTensorOf<[F32]>:$scale,
                       Optional<QNN_Tensor>:$zero_point,
                       OptionalAttr<I64Attr>:$axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $scale (`zero_point` $zero_point^ `:` type($zero_point))?
    attr-dict `:` type($input) `,` type($scale) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_DynamicQuantizeOp : QNN_InferredOp<"dynamic_quantize"> {
  let summary = "Quantizes to ui8 by the range of the data at run time";
  let description = [{
    The scale and the zero point spread the range of the input, widened to hold
    0, over 0...255 (ONNX DynamicQuantizeLinear). The scale is 1 when all
    elements are 0.
  }];
  let arguments = (ins RankedTensorOf<[F32]>:$input);
  let results = (outs QNN_Tensor:$output, RankedTensorOf<[F32]>:$scale,
                      QNN_Tensor:$zero_point);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($output) `,` type($scale) `,`
    type($zero_point)
  }];
}

def QNN_ObserveOp : QNN_InferredOp<"observe", [QNN_ExtentOpInterface]> {
  let summary = "Gives its input; calibration records the values";
  let description = [{
    Marks a value whose statistics calibration collects under the name `id`,
    the value's name in the ONNX model. Without calibration it does nothing.
    Each index of `channel_axis`, if there is one, has statistics of its own.

    ```mlir
    %y = qnn.observe %x as "layer1/output" {channel_axis = 1 : i64}
      : tensor<4x8xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins QNN_Float:$input, StrAttr:$id,
                       OptionalAttr<I64Attr>:$channel_axis);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `as` $id attr-dict `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_UnpackOp : QNN_InferredOp<"unpack"> {
  let summary = "Takes integers of 2, 4 or 8 bits out of bytes";
  let description = [{
    The last dimension of the input holds packed integers, the first in the low
    bits of a byte (in the high ones with `high_first`); the result has the
    first `size` of them.

    ```mlir
    %q = qnn.unpack %bytes {bits = 4 : i64, size = 30 : i64}
        : tensor<8x16xui8> -> tensor<8x30xui4>
    ```
  }];
  let arguments = (ins RankedTensorOf<[UI8]>:$input, I64Attr:$bits,
                       I64Attr:$size, UnitAttr:$high_first);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def QNN_LookupOp : QNN_InferredOp<"lookup", [
    DeclareOpInterfaceMethods<QNN_PointwiseOpInterface,
                              ["getParameterOperands"]>]> {
  let summary = "Replaces each small integer by an element of a table";
  let description = [{
    `y[i] = table[x[i]]`: decodes codebooks such as NF4, and is any function of
    a small integer. The table has an element for every number that the input's
    type can hold; a signed number counts by its bits, so that -1 is the last.
  }];
  let arguments = (ins RankedTensorOf<[UI<2>, UI<4>, UI8, I<2>, I<4>, I8]>:$input,
                       QNN_Tensor:$table);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $table attr-dict `:` type($input) `,` type($table) `->`
    type($output)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_QUANTIZATIONOPS
