//===- TensorOps.td - Constants, shapes and the movement of elements ------===//
#ifndef QUANTC_DIALECT_QNN_IR_TENSOROPS
#define QUANTC_DIALECT_QNN_IR_TENSOROPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_ConstantOp : QNN_Op<"constant", [ConstantLike, AllTypesMatch<["value", "output"]>]> {
  let summary = "A constant tensor";
  let description = [{
    Small values are `dense`; a weight is a `dense_resource` whose blob maps the
    model file, so that gigabytes are neither copied nor hashed.
  }];
  let arguments = (ins ElementsAttr:$value);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$value attr-dict";
  let hasFolder = 1;
}

def QNN_ReshapeOp : QNN_InferredOp<"reshape",
    [QNN_SameScaleOpInterface]> {
  let summary = "The same elements in another shape (ONNX Reshape)";
  let description = [{
    `shape` holds one dimension each; -1 (one at most) is computed, 0 copies
    the input's dimension unless `allowzero`.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$shape, UnitAttr:$allowzero);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $shape attr-dict `:` type($input) `,` type($shape) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_TransposeOp : QNN_InferredOp<"transpose",
    [QNN_SameScaleOpInterface]> {
  let summary = "Permutes dimensions (ONNX Transpose)";
  let description = [{
    Dimension `i` of the result is dimension `permutation[i]` of the input.
  }];
  let arguments = (ins QNN_Tensor:$input, DenseI64ArrayAttr:$permutation);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat =
      "$input $permutation attr-dict `:` type($input) `->` type($output)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def QNN_ShapeOp : QNN_InferredOp<"shape"> {
  let summary = "The dimensions of a tensor, as a tensor (ONNX Shape)";
  let description = [{
    Dimensions `start` to `end` (exclusive), both already normalized to
    0...rank.
  }];
  let arguments = (ins QNN_Tensor:$input, I64Attr:$start, I64Attr:$end);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `[` $start `,` $end `]` attr-dict `:` type($input) `->`
    type($output)
  }];
  let hasFolder = 1;
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_TENSOROPS
