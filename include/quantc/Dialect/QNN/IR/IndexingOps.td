//===- IndexingOps.td - Gather, scatter, slice, concat and selection by index ===//
#ifndef QUANTC_DIALECT_QNN_IR_INDEXINGOPS
#define QUANTC_DIALECT_QNN_IR_INDEXINGOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

// Indices count from the back when negative. One that is out of range is an
// error of the run.

def QNN_GatherOp : QNN_InferredOp<"gather", [
    DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
    DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
    DeclareOpInterfaceMethods<QNN_SameScaleOpInterface, ["getResultAxis"]>]> {
  let summary = "Takes slices along an axis by index (ONNX Gather)";
  let description = [{
    `y[a..., i..., b...] = x[a..., indices[i...], b...]`. A lookup in an
    embedding table is `axis` 0: it copies rows.

    ```mlir
    %y = qnn.gather %table[%ids] axis 0 : tensor<100x8xf32>, tensor<?xi64> -> tensor<?x8xf32>
    ```
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$indices, I64Attr:$axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `[` $indices `]` `axis` $axis attr-dict `:` type($input) `,`
    type($indices) `->` type($output)
  }];
  let hasFolder = 1;
}

def QNN_GatherElementsOp : QNN_InferredOp<"gather_elements",
    [QNN_SameScaleOpInterface]> {
  let summary = "Takes single elements along an axis (ONNX GatherElements)";
  let description = [{
    `y[a..., i, b...] = x[a..., indices[a..., i, b...], b...]`.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$indices, I64Attr:$axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `[` $indices `]` `axis` $axis attr-dict `:` type($input) `,`
    type($indices) `->` type($output)
  }];
}

def QNN_GatherNDOp : QNN_InferredOp<"gather_nd", [QNN_SameScaleOpInterface]> {
  let summary = "Takes slices by tuples of indices (ONNX GatherND)";
  let description = [{
    The last dimension of `indices` (static) holds one index for each of the
    input's dimensions after the `batch_dims` leading ones.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$indices,
                       DefaultValuedAttr<I64Attr, "0">:$batch_dims);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `[` $indices `]` attr-dict `:` type($input) `,` type($indices) `->`
    type($output)
  }];
}

def QNN_ScatterReduction : QNN_Kind<"ScatterReduction",
    "how an update meets what is there", ["none", "add", "mul", "min", "max"]>;
def QNN_ScatterReductionAttr
    : QNN_KindAttr<QNN_ScatterReduction, "scatter_reduction">;

def QNN_ScatterElementsOp : QNN_InferredOp<"scatter_elements"> {
  let summary = "Writes single elements along an axis (ONNX ScatterElements)";
  let description = [{
    A copy of the input with `y[a..., indices[a..., i, b...], b...]` replaced
    by, or combined with, `updates[a..., i, b...]`, in order.
  }];
  let arguments = (ins QNN_ScatterReductionAttr:$reduction, QNN_Tensor:$input,
                       QNN_IntList:$indices, QNN_Tensor:$updates,
                       I64Attr:$axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $reduction $updates `into` $input `[` $indices `]` `axis` $axis attr-dict
    `:` type($updates) `,` type($input) `,` type($indices) `->` type($output)
  }];
}

def QNN_ScatterNDOp : QNN_InferredOp<"scatter_nd"> {
  let summary = "Writes slices by tuples of indices (ONNX ScatterND)";
  let arguments = (ins QNN_ScatterReductionAttr:$reduction, QNN_Tensor:$input,
                       QNN_IntList:$indices, QNN_Tensor:$updates);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $reduction $updates `into` $input `[` $indices `]` attr-dict `:`
    type($updates) `,` type($input) `,` type($indices) `->` type($output)
  }];
}

def QNN_NonZeroOp : QNN_InferredOp<"non_zero"> {
  let summary = "The indices of the elements that are not zero (ONNX NonZero)";
  let description = [{
    One column of the result for each, in row-major order.
  }];
  let arguments = (ins QNN_Tensor:$input);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
}

#endif // QUANTC_DIALECT_QNN_IR_INDEXINGOPS
