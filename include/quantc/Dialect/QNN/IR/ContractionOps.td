//===- ContractionOps.td - Matrix products and convolutions ---------------===//
#ifndef QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS
#define QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_MatMulOp : QNN_InferredOp<"matmul",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_ExtentOpInterface, ["getResultExtent"]>,
     DeclareOpInterfaceMethods<QNN_QuantizableOpInterface,
                               ["getSummedAxis"]>]> {
  let summary = "Matrix product with numpy's broadcasting of batch dimensions";
  let description = [{
    `y[..., m, n] = Σk (a[..., m, k] - a_zero_point) · (b[..., k, n] -
    b_zero_point)`. Floats accumulate in their own type (f16 and bf16 in f32),
    8-bit integers in i32, which wraps. Zero points are scalars, or hold one
    element per row of `a` or column of `b` (ONNX MatMul-13, MatMulInteger-10).
    Rank-1 operands are a row (`a`) or a column (`b`).
  }];
  let arguments = (ins QNN_Tensor:$lhs, QNN_Tensor:$rhs,
                       Optional<QNN_Tensor>:$lhs_zero_point,
                       Optional<QNN_Tensor>:$rhs_zero_point);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $lhs `,` $rhs (`lhs_zero_point` $lhs_zero_point^ `:`
    type($lhs_zero_point))? (`rhs_zero_point` $rhs_zero_point^ `:`
    type($rhs_zero_point))? attr-dict `:` type($lhs) `,` type($rhs) `->`
    type($output)
  }];
  let hasCanonicalizeMethod = 1;
}

def QNN_EinsumOp : QNN_InferredOp<"einsum"> {
  let summary = "A sum of products over named dimensions (ONNX Einsum)";
  let description = [{
    `equation` names the dimensions of each operand and, after `->`, those of
    the result; all others are summed over. `...` stands for dimensions that
    broadcast. Without `->` the result has the ellipsis and then, in the order
    of the alphabet, each name that occurs once.

    ```mlir
    %y = qnn.einsum "bij,bjk->bik" (%a, %b)
        : (tensor<2x3x4xf32>, tensor<2x4x5xf32>) -> tensor<2x3x5xf32>
    ```
  }];
  let arguments = (ins Variadic<QNN_Tensor>:$inputs, StrAttr:$equation);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $equation `(` $inputs `)` attr-dict `:` functional-type($inputs, $output)
  }];
  let extraClassDeclaration = [{
    /// The equation as a loop nest: which loop each dimension of each operand
    /// and (last) of the result runs over. The result's loops are the first.
    struct Loops {
      ::llvm::SmallVector<::llvm::SmallVector<int64_t>> dims;
      int64_t count = 0;
    };
    /// Fails if the equation is malformed or does not fit the operands' ranks.
    static ::mlir::FailureOr<Loops>
    parseEquation(::llvm::StringRef equation, ::llvm::ArrayRef<int64_t> ranks);
    ::mlir::FailureOr<Loops> getLoops();
  }];
}

#endif // QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS
