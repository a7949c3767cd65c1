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
  let builders = [
    // A list of integers, such as sizes or axes: i64, of rank 1.
    OpBuilder<(ins "::llvm::ArrayRef<int64_t>":$list), [{
      build($_builder, $_state, $_builder.getI64TensorAttr(list));
    }]>
  ];
  let hasFolder = 1;
}

def QNN_ReshapeOp : QNN_InferredOp<"reshape",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     DeclareOpInterfaceMethods<QNN_SameScaleOpInterface,
                               ["getResultAxis"]>]> {
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
    [DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     DeclareOpInterfaceMethods<QNN_SameScaleOpInterface,
                               ["getResultAxis"]>]> {
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

def QNN_ShapeOp : QNN_InferredOp<"shape",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>]> {
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

def QNN_SqueezeOp : QNN_InferredOp<"squeeze",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     QNN_SameScaleOpInterface]> {
  let summary = "Removes dimensions of extent 1 (ONNX Squeeze)";
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$axes);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $axes attr-dict `:` type($input) `,` type($axes) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_UnsqueezeOp : QNN_InferredOp<"unsqueeze",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     QNN_SameScaleOpInterface]> {
  let summary = "Inserts dimensions of extent 1 (ONNX Unsqueeze)";
  let description = [{
    `axes` are positions in the result.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$axes);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $axes attr-dict `:` type($input) `,` type($axes) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_ExpandOp : QNN_InferredOp<"expand",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     QNN_SameScaleOpInterface]> {
  let summary = "Broadcasts a tensor to a shape (ONNX Expand, ConstantOfShape)";
  let description = [{
    The broadcast goes both ways: where `shape` says 1 or has fewer dimensions,
    the input's extent stays.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$shape);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $shape attr-dict `:` type($input) `,` type($shape) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_TileOp : QNN_InferredOp<"tile", [QNN_SameScaleOpInterface]> {
  let summary = "Repeats a tensor along each dimension (ONNX Tile)";
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$repeats);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $repeats attr-dict `:` type($input) `,` type($repeats) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_ConcatOp : QNN_InferredOp<"concat", [
    DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
    DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
    DeclareOpInterfaceMethods<QNN_SameScaleOpInterface, ["getDataOperands"]>]> {
  let summary = "Puts tensors one after the other along an axis (ONNX Concat)";
  let arguments = (ins Variadic<QNN_Tensor>:$inputs, I64Attr:$axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $axis `,` $inputs attr-dict `:` qualified(type($inputs)) `->` type($output)
  }];
  let hasFolder = 1;
}

def QNN_AppendOp : QNN_InferredOp<"append",
    [DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>]> {
  let summary = "Puts a tensor into a buffer, behind what it holds";
  let description = [{
    The buffer holds `length` indices along `axis`, and has room for more. The
    first result is the buffer with the input behind them, the second one what
    it holds then. Where the buffer is a state of the model (an argument with
    `qnn.state`), nothing is copied but the input. It is an error of the run if
    there is no room.

    ```mlir
    %buffer2, %all = qnn.append %new to %buffer at %length {axis = 2 : i64}
        : tensor<1x2x1x64xf32>, tensor<1x2x?x64xf32>, tensor<1xi64>
        -> tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>
    ```
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_Tensor:$buffer,
                       QNN_IntList:$length, I64Attr:$axis);
  let results = (outs QNN_Tensor:$updated, QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `to` $buffer `at` $length attr-dict `:` type($input) `,`
    type($buffer) `,` type($length) `->` type($updated) `,` type($output)
  }];
}

def QNN_SliceOp : QNN_InferredOp<"slice",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     QNN_SameScaleOpInterface]> {
  let summary = "Takes a range of indices along some axes (ONNX Slice)";
  let description = [{
    Starts and ends count from the back when negative and are clamped to the
    extent, as in Python. A negative step walks backwards.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$starts,
                       QNN_IntList:$ends, QNN_IntList:$axes,
                       QNN_IntList:$steps);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `from` $starts `to` $ends `axes` $axes `steps` $steps attr-dict `:`
    type($input) `,` type($starts) `,` type($ends) `,` type($axes) `,`
    type($steps) `->` type($output)
  }];
  let hasFolder = 1;
}

def QNN_PadMode : QNN_Kind<"PadMode", "what padding holds",
    ["constant", "reflect", "edge", "wrap"]>;
def QNN_PadModeAttr : QNN_KindAttr<QNN_PadMode, "pad_mode">;

def QNN_PadOp : QNN_InferredOp<"pad", [
    DeclareOpInterfaceMethods<QNN_SameScaleOpInterface,
                              ["getFillOperands"]>]> {
  let summary = "Adds (or removes) elements at the ends of axes (ONNX Pad)";
  let description = [{
    `pads` lists the amounts before each of `axes`, then those after; negative
    ones crop. `value` (one element) fills in mode `constant`.
  }];
  let arguments = (ins QNN_PadModeAttr:$mode, QNN_Tensor:$input,
                       QNN_IntList:$pads, QNN_IntList:$axes,
                       QNN_Tensor:$value);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $mode $input `by` $pads `axes` $axes `with` $value attr-dict `:`
    type($input) `,` type($pads) `,` type($axes) `,` type($value) `->`
    type($output)
  }];
}

def QNN_RangeOp : QNN_InferredOp<"range",
    [DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>]> {
  let summary = "Numbers from `start` by `delta` up to `limit` (ONNX Range)";
  let arguments = (ins QNN_Tensor:$start, QNN_Tensor:$limit,
                       QNN_Tensor:$delta);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $start `to` $limit `by` $delta attr-dict `:` type($start) `,` type($limit)
    `,` type($delta) `->` type($output)
  }];
  let hasFolder = 1;
}

def QNN_ReverseSequenceOp : QNN_InferredOp<"reverse_sequence",
    [QNN_SameScaleOpInterface]> {
  let summary = "Reverses the first elements of each sequence of a batch";
  let description = [{
    Along `time_axis`, the first `lengths[b]` elements of batch element `b` come
    in reverse order; the others stay (ONNX ReverseSequence).
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$lengths,
                       I64Attr:$time_axis, I64Attr:$batch_axis);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $input `,` $lengths attr-dict `:` type($input) `,` type($lengths) `->`
    type($output)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_TENSOROPS
