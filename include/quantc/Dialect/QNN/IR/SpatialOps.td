//===- SpatialOps.td - Resampling images, and signals ---------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_SPATIALOPS
#define QUANTC_DIALECT_QNN_IR_SPATIALOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_Interpolation : QNN_Kind<"Interpolation", "how values in between are found", [
    "nearest", "linear", "cubic"]>;
def QNN_InterpolationAttr : QNN_KindAttr<QNN_Interpolation, "interpolation">;

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
                       DefaultValuedStrAttr<StrAttr, "half_pixel">:$coordinates,
                       DefaultValuedStrAttr<StrAttr, "round_prefer_floor">:$rounding,
                       DefaultValuedStrAttr<StrAttr, "stretch">:$policy,
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
                       DefaultValuedStrAttr<StrAttr, "zeros">:$padding,
                       UnitAttr:$align_corners);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    `` $kind $input `,` $grid attr-dict `:` type($input) `,` type($grid) `->`
    type($output)
  }];
  let hasVerifier = 1;
}

def QNN_RoiAlignOp : QNN_InferredOp<"roi_align"> {
  let summary = "Pools regions of an image (ONNX RoiAlign, MaxRoiPool)";
  let description = [{
    `rois` are (count, 4): x1, y1, x2, y2 times `spatial_scale`;
    `batch_indices` say which image each is of. `mode` is avg or max over
    `sampling_ratio`² samples a bin, as many as the bin has elements if that is
    0. `coordinates` is half_pixel or output_half_pixel.
  }];
  let arguments = (ins QNN_Float:$input, QNN_Float:$rois,
                       QNN_IntList:$batch_indices, I64Attr:$height,
                       I64Attr:$width, I64Attr:$sampling_ratio,
                       F64Attr:$spatial_scale, StrAttr:$mode,
                       StrAttr:$coordinates);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $rois `,` $batch_indices attr-dict `:` type($input) `,`
    type($rois) `,` type($batch_indices) `->` type($output)
  }];
}

def QNN_MaxRoiPoolOp : QNN_InferredOp<"max_roi_pool"> {
  let summary = "The maxima of the bins of regions (ONNX MaxRoiPool)";
  let description = [{
    `rois` are (count, 5): image, x1, y1, x2, y2 times `spatial_scale`, rounded
    to whole elements.
  }];
  let arguments = (ins QNN_Float:$input, QNN_Float:$rois, I64Attr:$height,
                       I64Attr:$width, F64Attr:$spatial_scale);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $rois attr-dict `:` type($input) `,` type($rois) `->`
    type($output)
  }];
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
