//===- NormalizationOps.td - Normalizations and attention ----------------===//
#ifndef QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS
#define QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_NormalizeKind : QNN_Kind<"NormalizeKind", "how to normalize", [
    "layer", "rms"]>;
def QNN_NormalizeKindAttr : QNN_KindAttr<QNN_NormalizeKind, "normalize_kind">;

def QNN_NormalizeOp : QNN_InferredOp<"normalize",
    [AttrSizedOperandSegments, QNN_ExtentOpInterface]> {
  let summary = "Layer or RMS normalization over the dimensions from an axis on";
  let description = [{
    `layer`: `(x - mean) / sqrt(variance + epsilon)`; `rms`:
    `x / sqrt(mean(x²) + epsilon)`, both over dimensions `axis` to the last,
    then times `scale` and plus `bias`, which broadcast to the input. Computed
    in f32 for narrower floats. The other results are the mean (0 for `rms`)
    and the factor `1 / sqrt(...)`, both in `stash_type`, with the normalized
    dimensions kept as 1.

    ```mlir
    %y, %mean, %inv = qnn.normalize layer %x scale %s : tensor<8xf32>
        {axis = 1 : i64, epsilon = 1.0e-5 : f64, stash_type = f32} : tensor<2x8xf32> -> tensor<2x8xf32>, tensor<2x1xf32>, tensor<2x1xf32>
    ```
  }];
  let arguments = (ins QNN_NormalizeKindAttr:$kind, QNN_Float:$input,
                       Optional<QNN_Float>:$scale, Optional<QNN_Float>:$bias,
                       I64Attr:$axis, F64Attr:$epsilon, TypeAttr:$stash_type);
  let results = (outs QNN_Float:$output, QNN_Float:$mean,
                      QNN_Float:$inv_std_dev);
  let assemblyFormat = [{
    `` $kind $input (`scale` $scale^ `:` type($scale))?
    (`bias` $bias^ `:` type($bias))? attr-dict `:` type($input) `->`
    type($output) `,` type($mean) `,` type($inv_std_dev)
  }];
  let hasVerifier = 1;
}

def QNN_BatchNormOp : QNN_InferredOp<"batch_norm"> {
  let summary = "Batch normalization with given statistics";
  let description = [{
    `(x - mean) / sqrt(variance + epsilon) * scale + bias`, with one parameter
    per channel (dimension 1). After a convolution with constant weights it
    folds into them.
  }];
  let arguments = (ins QNN_Float:$input, QNN_Float:$scale, QNN_Float:$bias,
                       QNN_Float:$mean, QNN_Float:$variance,
                       F64Attr:$epsilon);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $input `,` $scale `,` $bias `,` $mean `,` $variance attr-dict `:`
    type($input) `,` type($scale) `,` type($bias) `,` type($mean) `,`
    type($variance) `->` type($output)
  }];
  let hasVerifier = 1;
}

def QNN_LocalResponseNormOp : QNN_InferredOp<"local_response_norm"> {
  let summary = "Normalizes over neighbouring channels (ONNX LRN)";
  let description = [{
    `x / (bias + alpha / size * s)^beta`, where `s` is the sum of squares over
    the `size` channels around (dimension 1).
  }];
  let arguments = (ins QNN_Float:$input, I64Attr:$size, F64Attr:$alpha,
                       F64Attr:$beta, F64Attr:$bias);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_NORMALIZATIONOPS
