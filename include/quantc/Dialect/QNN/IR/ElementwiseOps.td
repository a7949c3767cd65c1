//===- ElementwiseOps.td - One result element from one of each operand ----===//
#ifndef QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS
#define QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_UnaryKind : QNN_Kind<"UnaryKind", "scalar function of one argument", [
    "abs", "neg", "sign", "reciprocal", "sqrt", "exp", "log", "floor", "ceil",
    "round", "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh",
    "tanh", "asinh", "acosh", "atanh", "erf", "sigmoid", "relu", "leaky_relu",
    "elu", "selu", "celu", "softplus", "softsign", "mish", "gelu", "gelu_tanh",
    "hard_sigmoid", "hard_swish", "swish", "thresholded_relu", "shrink",
    "logical_not", "bitwise_not", "is_nan", "is_inf", "is_pos_inf",
    "is_neg_inf"]>;
def QNN_UnaryKindAttr : QNN_KindAttr<QNN_UnaryKind, "unary_kind">;

def QNN_BinaryKind : QNN_Kind<"BinaryKind", "scalar function of two arguments", [
    "add", "sub", "mul", "div", "pow", "mod", "fmod", "min", "max", "prelu",
    "logical_and", "logical_or", "logical_xor", "bitwise_and", "bitwise_or",
    "bitwise_xor", "shift_left", "shift_right"]>;
def QNN_BinaryKindAttr : QNN_KindAttr<QNN_BinaryKind, "binary_kind">;

def QNN_CompareKind : QNN_Kind<"CompareKind", "comparison", [
    "equal", "less", "less_or_equal", "greater", "greater_or_equal"]>;
def QNN_CompareKindAttr : QNN_KindAttr<QNN_CompareKind, "compare_kind">;

def QNN_UnaryOp : QNN_InferredOp<"unary",
    [QNN_Elementwise,
     DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
     DeclareOpInterfaceMethods<QNN_HomogeneousOpInterface>]> {
  let summary = "Applies a scalar function to each element";
  let description = [{
    `y[i] = f(x[i])`. `alpha` and `beta` are the parameters of the functions
    that have them, as ONNX names them (LeakyRelu, Elu, HardSigmoid, Shrink's
    lambd and bias, ...). `is_*` functions give bool, all others x's type.
    Integer arithmetic wraps, as in ONNX Runtime.

    ```mlir
    %y = qnn.unary relu %x : tensor<4xf32> -> tensor<4xf32>
    ```
  }];
  let arguments = (ins QNN_UnaryKindAttr:$kind, QNN_Tensor:$input,
                       DefaultValuedAttr<F64Attr, "0.0">:$alpha,
                       DefaultValuedAttr<F64Attr, "0.0">:$beta);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat =
      "`` $kind $input attr-dict `:` type($input) `->` type($output)";
  let hasFolder = 1;
}

def QNN_BinaryOp : QNN_InferredOp<"binary",
    [QNN_Elementwise,
     DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>,
     DeclareOpInterfaceMethods<QNN_HomogeneousOpInterface>]> {
  let summary = "Applies a scalar function to two tensors, with broadcasting";
  let description = [{
    `y[i] = f(a[i], b[i])` with ONNX's multidirectional broadcasting. Operands
    have one element type, which the result has too; shifts and `pow` take any
    numeric type as second operand. `mod` takes the divisor's sign (integers),
    `fmod` the dividend's. Integer division truncates.

    ```mlir
    %y = qnn.binary add %a, %b : tensor<4x1xf32>, tensor<8xf32> -> tensor<4x8xf32>
    ```
  }];
  let arguments = (ins QNN_BinaryKindAttr:$kind, QNN_Tensor:$lhs,
                       QNN_Tensor:$rhs);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    `` $kind $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->`
    type($output)
  }];
  let hasCanonicalizer = 1;
  let hasVerifier = 1;
  let hasFolder = 1;
}

def QNN_FusedMultiplyAddOp : QNN_InferredOp<"fused_multiply_add",
                                           [QNN_Elementwise]> {
  let summary = "a · b + c with one rounding, of floats, with broadcasting";
  let description = [{
    What a kernel of another runtime computes by one instruction: folding
    writes it where the last bit decides between two integers.
  }];
  let arguments = (ins QNN_Float:$lhs, QNN_Float:$rhs, QNN_Float:$addend);
  let results = (outs QNN_Float:$output);
  let assemblyFormat = [{
    $lhs `,` $rhs `,` $addend attr-dict `:` type($lhs) `,` type($rhs) `,`
    type($addend) `->` type($output)
  }];
}

def QNN_CompareOp : QNN_InferredOp<"compare",
    [QNN_Elementwise,
     DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>]> {
  let summary = "Compares two tensors element by element, with broadcasting";
  let description = [{
    Gives bool. Comparisons with NaN are false.
  }];
  let arguments = (ins QNN_CompareKindAttr:$kind, QNN_Tensor:$lhs,
                       QNN_Tensor:$rhs);
  let results = (outs QNN_Bool:$output);
  let assemblyFormat = [{
    `` $kind $lhs `,` $rhs attr-dict `:` type($lhs) `,` type($rhs) `->`
    type($output)
  }];
  let hasFolder = 1;
}

def QNN_SelectOp : QNN_InferredOp<"select",
    [QNN_Elementwise,
     DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>]> {
  let summary = "Takes each element from one of two tensors (ONNX Where)";
  let description = [{
    `y[i] = condition[i] ? a[i] : b[i]`, all three broadcast.
  }];
  let arguments = (ins QNN_Bool:$condition, QNN_Tensor:$lhs, QNN_Tensor:$rhs);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = [{
    $condition `,` $lhs `,` $rhs attr-dict `:` type($condition) `,` type($lhs)
    `,` type($rhs) `->` type($output)
  }];
  let hasFolder = 1;
}

def QNN_RoundMode : QNN_Kind<"RoundMode", "which power of two a value between two becomes", [
    "up", "down", "nearest"]>;
def QNN_RoundModeAttr : QNN_KindAttr<QNN_RoundMode, "round_mode">;

def QNN_CastOp : QNN_Op<"cast",
    [QNN_Elementwise,
     DeclareOpInterfaceMethods<QNN_IntegerOpInterface, ["evaluateIntegers"]>]> {
  let summary = "Converts each element to another type (ONNX Cast)";
  let description = [{
    Float to integer truncates toward zero. `saturate` and `round_mode` matter
    for 8-bit and smaller floats only (ONNX Cast-25, NUMERICS rule 13).
  }];
  let arguments = (ins QNN_Tensor:$input,
                       DefaultValuedAttr<BoolAttr, "true">:$saturate,
                       DefaultValuedAttr<QNN_RoundModeAttr,
                           "::quantc::qnn::RoundMode::up">:$round_mode);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

def QNN_BitcastOp : QNN_Op<"bitcast", [QNN_Elementwise]> {
  let summary = "Reads each element's bits as another type (ONNX BitCast)";
  let description = [{
    Both types have the same number of bits; a bool counts as a byte.
  }];
  let arguments = (ins QNN_Tensor:$input);
  let results = (outs QNN_Tensor:$output);
  let assemblyFormat = "$input attr-dict `:` type($input) `->` type($output)";
  let hasFolder = 1;
  let hasVerifier = 1;
}

#endif // QUANTC_DIALECT_QNN_IR_ELEMENTWISEOPS
