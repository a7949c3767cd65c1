//===- ContractionOps.td - Matrix products and convolutions ---------------===//
#ifndef QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS
#define QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_MatMulOp : QNN_InferredOp<"matmul",
    [AttrSizedOperandSegments,
     DeclareOpInterfaceMethods<QNN_QuantizableOpInterface>]> {
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
}

#endif // QUANTC_DIALECT_QNN_IR_CONTRACTIONOPS
