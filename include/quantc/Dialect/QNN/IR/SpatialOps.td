//===- SpatialOps.td - Resampling images, and signals ---------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_SPATIALOPS
#define QUANTC_DIALECT_QNN_IR_SPATIALOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_Interpolation : QNN_Kind<"Interpolation", "how values in between are found", [
    "nearest", "linear", "cubic"]>;
def QNN_InterpolationAttr : QNN_KindAttr<QNN_Interpolation, "interpolation">;

def QNN_ResizeCoordinates : QNN_Kind<"ResizeCoordinates", "where elements of the result lie in the input", [
    "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners",
    "asymmetric", "tf_crop_and_resize"]>;
def QNN_ResizeCoordinatesAttr : QNN_KindAttr<QNN_ResizeCoordinates, "coordinates">;

def QNN_ResizeRounding : QNN_Kind<"ResizeRounding", "which element is nearest to a place in between", [
    "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"]>;
def QNN_ResizeRoundingAttr : QNN_KindAttr<QNN_ResizeRounding, "rounding">;

def QNN_ResizePolicy : QNN_Kind<"ResizePolicy", "whether the ratio of the sizes is kept", [
    "stretch", "not_larger", "not_smaller"]>;
def QNN_ResizePolicyAttr : QNN_KindAttr<QNN_ResizePolicy, "policy">;

def QNN_ResizeOp : QNN_InferredOp<"resize",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_SameScaleOpInterface,
                               ["getDataOperands"]>]> {
  let summary = "Resamples dimensions to other sizes (ONNX Resize)";
  let description = [{
    Either `scales` or `sizes` holds one number for each of `axes`; the sizes
    are `floor(input · scale)` with `scales`. `coordinates`, `rounding` (of
    `nearest`), `policy` and the rest are ONNX's attributes, by ONNX's names of
    their values. `roi` holds all starts, then all ends, for
    `tf_crop_and_resize`; places outside of the input give
    `extrapolation_value` there.

    Coordinates are computed in f32.
  }];
  let arguments = (ins QNN_InterpolationAttr:$kind, QNN_Tensor:$input,
                       Optional<QNN_Tensor>:$roi,
                       Optional<QNN_Tensor>:$scales,
                       Optional<QNN_IntList>:$sizes,
                       DenseI64ArrayAttr:$axes,
                       DefaultValuedAttr<QNN_ResizeCoordinatesAttr,
                           "::quantc::qnn::ResizeCoordinates::half_pixel">:$coordinates,
                       DefaultValuedAttr<QNN_ResizeRoundingAttr,
                           "::quantc::qnn::ResizeRounding::round_prefer_floor">:$rounding,
                       DefaultValuedAttr<QNN_ResizePolicyAttr,
                           "::quantc::qnn::ResizePolicy::stretch">:$policy,
                       DefaultValuedAttr<F64Attr, "-0.75">:$cubic_coeff_a,
                       DefaultValuedAttr<F64Attr, "0.0">:$extrapolation_value,
                       UnitAttr:$exclude_outside, UnitAttr:$antialias);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $kind $input (`roi` $roi^ `:` type($roi))? (`scales` $scales^ `:`
    type($scales))? (`sizes` $sizes^ `:` type($sizes))? attr-dict `:`
    type($input) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_GridPadding : QNN_Kind<"GridPadding", "what lies outside of an image", [
    "zeros", "border", "reflection"]>;
def QNN_GridPaddingAttr : QNN_KindAttr<QNN_GridPadding, "padding">;

def QNN_GridSampleOp : QNN_InferredOp<"grid_sample"> {
  let summary = "Samples an image at given places (ONNX GridSample)";
  let description = [{
    `grid` is (N, result's spatial..., spatial rank): normalized coordinates,
    the last spatial dimension first, where -1 and 1 are the centers
    (`align_corners`) or the outer edges of the first and last elements.
    `padding` says what lies outside: zeros, border or reflection.
  }];
  let arguments = (ins QNN_InterpolationAttr:$kind, QNN_Float:$input,
                       QNN_Float:$grid,
                       DefaultValuedAttr<QNN_GridPaddingAttr,
                           "::quantc::qnn::GridPadding::zeros">:$padding,
                       UnitAttr:$align_corners);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    `` $kind $input `,` $grid attr-dict `:` type($input) `,` type($grid) `->`
    type($output)
  }];
  let hasVerifier = 1;
}

def QNN_Col2ImOp : QNN_InferredOp<"col2im"> {
  let summary = "Adds up the blocks that windows were copied to (ONNX Col2Im)";
  let description = [{
    `input` is (N, C · block elements, windows), the result (N, C, image...).
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$image_shape,
                       QNN_IntList:$block_shape,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $image_shape `,` $block_shape attr-dict `:` type($input) `,`
    type($image_shape) `,` type($block_shape) `->` type($output)
  }];
}

def QNN_DftOp : QNN_InferredOp<"dft", [AttrSizedOperandSegments]> {
  let summary = "Discrete Fourier transform along one axis (ONNX DFT)";
  let description = [{
    The last dimension holds real and imaginary part, or the real part alone;
    the result's holds both (the real part alone for `inverse` with
    `onesided`). The signal is cut or padded with zeros to `length`. `onesided`
    gives the first `length / 2 + 1` bins only; of an inverse transform, it
    says that the input has only those. `axis` is a scalar.
  }];
  let arguments = (ins QNN_Float:$input, Optional<QNN_IntList>:$length,
                       Optional<QNN_IntList>:$axis, UnitAttr:$inverse,
                       UnitAttr:$onesided);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input (`length` $length^ `:` type($length))? (`axis` $axis^ `:`
    type($axis))? attr-dict `:` type($input) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_StftOp : QNN_InferredOp<"stft", [AttrSizedOperandSegments]> {
  let summary = "Fourier transforms of overlapping frames (ONNX STFT)";
  let description = [{
    `signal` is (N, length, 1 or 2), the result (N, frames, bins, 2).
    `frame_length` defaults to the window's length.
  }];
  let arguments = (ins QNN_Float:$signal, QNN_IntList:$frame_step,
                       Optional<QNN_Float>:$window,
                       Optional<QNN_IntList>:$frame_length, UnitAttr:$onesided);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $signal `,` $frame_step (`window` $window^ `:` type($window))?
    (`frame_length` $frame_length^ `:` type($frame_length))? attr-dict `:`
    type($signal) `,` type($frame_step) `->` type($output)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_SPATIALOPS
