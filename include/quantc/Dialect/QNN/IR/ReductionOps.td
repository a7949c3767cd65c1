//===- ReductionOps.td - Reductions, softmax, sorting and running sums ---===//
#ifndef QUANTC_DIALECT_QNN_IR_REDUCTIONOPS
#define QUANTC_DIALECT_QNN_IR_REDUCTIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_ReduceKind : QNN_Kind<"ReduceKind", "what a reduction computes", [
    "sum", "mean", "max", "min", "prod", "l1", "l2", "log_sum", "log_sum_exp",
    "sum_square"]>;
def QNN_ReduceKindAttr : QNN_KindAttr<QNN_ReduceKind, "reduce_kind">;

def QNN_SoftmaxKind : QNN_Kind<"SoftmaxKind", "which softmax", [
    "softmax", "log_softmax", "hardmax"]>;
def QNN_SoftmaxKindAttr : QNN_KindAttr<QNN_SoftmaxKind, "softmax_kind">;

def QNN_ExtremumKind : QNN_Kind<"ExtremumKind", "which extremum", [
    "max", "min"]>;
def QNN_ExtremumKindAttr : QNN_KindAttr<QNN_ExtremumKind, "extremum_kind">;

def QNN_CumulateKind : QNN_Kind<"CumulateKind", "what accumulates", [
    "sum", "prod"]>;
def QNN_CumulateKindAttr : QNN_KindAttr<QNN_CumulateKind, "cumulate_kind">;

def QNN_ReduceOp : QNN_InferredOp<"reduce",
    [DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     DeclareOpInterfaceMethods<QNN_SameScaleOpInterface,
                               ["getDataOperands"]>,
     DeclareOpInterfaceMethods<QNN_HomogeneousOpInterface>]> {
  let summary = "Reduces dimensions to one value (ONNX Reduce*)";
  let description = [{
    Reduces the dimensions that `axes` lists (negative ones count from the
    back). Without `axes`, or with an empty list, all dimensions are reduced,
    or none with `noop_with_empty_axes`. Reduced dimensions stay as 1 with
    `keepdims`. `axes` may be a run-time value; without `keepdims` its length
    must be static then, as it decides the result's rank.

    f16 and bf16 accumulate in f32. Of no elements, `max` is the least value of
    the type (minus infinity for floats, false for bool), `mean` is NaN.

    Sums of floats may be added up in any order, unless they are `ordered`: from
    the first element to the last then.

    ```mlir
    %y = qnn.reduce mean %x axes %axes : tensor<1xi64> {keepdims}
        : tensor<2x8xf32> -> tensor<2x1xf32>
    ```
  }];
  let arguments = (ins QNN_ReduceKindAttr:$kind, QNN_Tensor:$input,
                       Optional<QNN_IntList>:$axes, UnitAttr:$keepdims,
                       UnitAttr:$noop_with_empty_axes, UnitAttr:$ordered);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $kind $input (`axes` $axes^ `:` type($axes))? attr-dict `:` type($input)
    `->` type($output)
  }];
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QNN_ArgReduceOp : QNN_InferredOp<"arg_reduce"> {
  let summary = "The index of the largest or smallest element along an axis";
  let description = [{
    ONNX ArgMax and ArgMin. Of equal elements the first wins, the last with
    `select_last`. A NaN counts as the extremum, as in numpy.
  }];
  let arguments = (ins QNN_ExtremumKindAttr:$kind, QNN_Tensor:$input,
                       I64Attr:$axis, UnitAttr:$keepdims,
                       UnitAttr:$select_last);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat =
      "`` $kind $input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def QNN_SoftmaxOp : QNN_InferredOp<"softmax",
    [QNN_ExtentOpInterface,
     DeclareOpInterfaceMethods<QNN_RowwiseOpInterface>]> {
  let summary = "Softmax, its logarithm, or a one at the maximum, on one axis";
  let description = [{
    `exp(x - max) / sum(exp(x - max))` along `axis`, or the logarithm of that,
    or (`hardmax`) 1 at the first maximum and 0 elsewhere. With `flatten`, the
    dimensions from `axis` on count as one (ONNX before opset 13). f16 and bf16
    are computed in f32.

    ```mlir
    %y = qnn.softmax softmax %x {axis = 1 : i64} : tensor<2x8xf32> -> tensor<2x8xf32>
    ```
  }];
  let arguments = (ins QNN_SoftmaxKindAttr:$kind, QNN_Float:$input,
                       I64Attr:$axis, UnitAttr:$flatten);
  let results = (outs QNN_Float:$output);
  let assemblyFormat =
      "`` $kind $input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def QNN_CumulateOp : QNN_InferredOp<"cumulate"> {
  let summary = "Running sums or products (ONNX CumSum, CumProd)";
  let description = [{
    Element `i` along `axis` (a scalar, maybe known at run time only) is the
    sum or product of elements 0 to `i`; without element `i` if `exclusive`,
    from the end backwards if `reverse`.
  }];
  let arguments = (ins QNN_CumulateKindAttr:$kind, QNN_Tensor:$input,
                       QNN_IntList:$axis, UnitAttr:$exclusive,
                       UnitAttr:$reverse);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $kind $input `axis` $axis attr-dict `:` type($input) `,` type($axis) `->`
    type($output)
  }];
}

def QNN_TopKOp : QNN_InferredOp<"top_k"> {
  let summary = "The k largest or smallest elements along an axis, and where";
  let description = [{
    Sorted, whether `sorted` is asked for or not (ONNX leaves the order open
    then); equal elements by ascending index. `k` holds one integer, which may
    be known at run time only.
  }];
  let arguments = (ins QNN_Tensor:$input, QNN_IntList:$k, I64Attr:$axis,
                       DefaultValuedAttr<BoolAttr, "true">:$largest);
  let results = (outs QNN_Tensor:$values, QNN_Tensor:$indices);
  let assemblyFormat = [{
    $input `,` $k attr-dict `:` type($input) `,` type($k) `->` type($values)
    `,` type($indices)
  }];
  let hasVerifier = 1;
}

def QNN_UniqueOp : QNN_InferredOp<"unique"> {
  let summary = "The distinct elements, or slices along an axis (ONNX Unique)";
  let description = [{
    Without `axis` the input counts as flattened. The results are the distinct
    slices, the position of the first occurrence of each, for each slice of the
    input the position in the first result, and how often each occurs; in
    ascending (lexicographic) order, or by first occurrence if `unsorted`.
  }];
  let arguments = (ins QNN_Tensor:$input, OptionalAttr<I64Attr>:$axis,
                       UnitAttr:$unsorted);
  let results = (outs QNN_Tensor:$output, QNN_Tensor:$indices,
                      QNN_Tensor:$inverse_indices, QNN_Tensor:$counts);
  let assemblyFormat = [{
    $input attr-dict `:` type($input) `->` type($output) `,` type($indices) `,`
    type($inverse_indices) `,` type($counts)
  }];
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_REDUCTIONOPS
