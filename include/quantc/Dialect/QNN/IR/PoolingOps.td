//===- PoolingOps.td - Reductions over sliding windows --------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_POOLINGOPS
#define QUANTC_DIALECT_QNN_IR_POOLINGOPS

include "quantc/Dialect/QNN/IR/Windows.td"

def QNN_PoolKind : QNN_Kind<"PoolKind", "reduction over a window", [
    "max", "average", "lp"]>;
def QNN_PoolKindAttr : QNN_KindAttr<QNN_PoolKind, "pool_kind">;

def QNN_PoolOp : QNN_InferredOp<"pool",
    [DeclareOpInterfaceMethods<QNN_SameScaleOpInterface, ["getDataOperands"]>,
     DeclareOpInterfaceMethods<QNN_HomogeneousOpInterface>]> {
  let summary = "Reduces sliding windows (ONNX MaxPool, AveragePool, LpPool)";
  let description = [{
    `input` is (N, C, spatial...). Padding takes no part in a maximum; an
    average counts it only with `count_include_pad`, and an `lp` norm
    (`(Σ |x|^p)^(1/p)`) as zeros. With `ceil_mode` a last window may reach
    beyond the padded input; what lies there is never counted.

    ```mlir
    %y = qnn.pool max %x {
        kernel = array<i64: 2, 2>, strides = array<i64: 2, 2>,
        dilations = array<i64: 1, 1>, pads = array<i64: 0, 0, 0, 0>}
      : tensor<1x8x28x28xf32> -> tensor<1x8x14x14xf32>
    ```
  }];
  let arguments = (ins QNN_PoolKindAttr:$kind, QNN_Tensor:$input,
                       DenseI64ArrayAttr:$kernel,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads,
                       UnitAttr:$ceil_mode, UnitAttr:$count_include_pad,
                       DefaultValuedAttr<I64Attr, "2">:$p,
                       QNN_AutoPad:$auto_pad);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat =
      "`` $kind $input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

def QNN_PoolIndicesOp : QNN_InferredOp<"pool_indices"> {
  let summary = "Where the maximum of each window lies (ONNX MaxPool's Indices)";
  let description = [{
    The position of the first maximum in the flattened input; within an image
    in row-major order, or in column-major order with `column_major`.
  }];
  let arguments = (ins QNN_Tensor:$input,
                       DenseI64ArrayAttr:$kernel,
                       DenseI64ArrayAttr:$strides,
                       DenseI64ArrayAttr:$dilations,
                       DenseI64ArrayAttr:$pads,
                       UnitAttr:$ceil_mode, UnitAttr:$column_major,
                       QNN_AutoPad:$auto_pad);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_POOLINGOPS
