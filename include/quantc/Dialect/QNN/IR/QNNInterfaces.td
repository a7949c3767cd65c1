//===- QNNInterfaces.td - What passes ask of an op ------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_QNNINTERFACES
#define QUANTC_DIALECT_QNN_IR_QNNINTERFACES

include "mlir/IR/Interfaces.td"
include "mlir/IR/OpBase.td"

/// Each element of the result depends on one of each operand, with
/// broadcasting (the trait of the same name in MLIR knows none).
def QNN_Elementwise : NativeOpTrait<"ElementwiseTrait"> {
  let cppNamespace = "::quantc::qnn";
}

def QNN_HomogeneousOpInterface : OpInterface<"HomogeneousOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op with `f(c · x) = c · f(x)` for numbers c > 0, such as relu: positive
    factors move through it.
  }];
  let methods = [
    InterfaceMethod<[{
      The operands which must all have the factor; none if the op, as it is,
      has not this property.
    }], "::llvm::SmallVector<unsigned>", "getHomogeneousOperands", (ins)>,
    InterfaceMethod<[{
      Where factors that differ along `axis` of operand `index` differ in the
      result, if they stay apart.
    }], "std::optional<int64_t>", "getFactorAxis",
      (ins "unsigned":$index, "int64_t":$axis)>
  ];
}

def QNN_SameScaleOpInterface : OpInterface<"SameScaleOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op that moves or selects elements and never computes with them: it gives
    the same result before and after quantization with one scale and zero
    point, so `dequantize` moves down and `quantize` moves up through it.
  }];
  let methods = [
    InterfaceMethod<[{
      Operands that carry data (and not a shape, axes or indices).
    }], "::llvm::SmallVector<unsigned>", "getDataOperands", (ins), [{}], [{
      return {0};
    }]>,
    InterfaceMethod<[{
      Operands that hold one number to fill gaps with: data, too, but zero in
      the quantized form is the zero point.
    }], "::llvm::SmallVector<unsigned>", "getFillOperands", (ins), [{}], [{
      return {};
    }]>,
    InterfaceMethod<[{
      Where dimension `axis` of the data is in the result, if each index of it
      keeps its elements, so that scales along it stay with them.
    }], "std::optional<int64_t>", "getResultAxis", (ins "int64_t":$axis), [{}], [{
      return std::nullopt;
    }]>
  ];
}

def QNN_PointwiseOpInterface : OpInterface<"PointwiseOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op that makes each element of its result of the same element of operand
    0, and of parameters: one number each, or a list with a number for each
    index of an axis. So it may be computed before or after elements move.
  }];
  let methods = [
    InterfaceMethod<[{
      The operands that are parameters. Others, such as a table, are the same
      for all elements whatever their shape.
    }], "::llvm::SmallVector<unsigned>", "getParameterOperands", (ins), [{}], [{
      return ::llvm::to_vector(
          ::llvm::seq<unsigned>(1, $_op->getNumOperands()));
    }]>,
    InterfaceMethod<[{
      The axis that lists of parameters lie along; none if they have another
      form, such as one number for each block.
    }], "std::optional<int64_t>", "getParameterAxis", (ins), [{}], [{
      return std::nullopt;
    }]>
  ];
}

def QNN_RowwiseOpInterface : OpInterface<"RowwiseOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op that makes each row of its result of the same row of operand 0, where
    a row has one index along each dimension before an axis: how these
    dimensions are divided makes no difference.
  }];
  let methods = [
    InterfaceMethod<[{
      The first dimension along which elements of a row lie.
    }], "int64_t", "getRowAxis", (ins)>,
    InterfaceMethod<[{
      Says the same of an operand with another number of dimensions before.
    }], "void", "setRowAxis", (ins "int64_t":$axis)>
  ];
}

def QNN_IntegerOpInterface : OpInterface<"IntegerOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op whose result may be known before the run if it is a list of integers,
    such as a shape that a model computes.
  }];
  let methods = [
    InterfaceMethod<[{
      What is known of the elements of the result, which has a static shape and
      few of them: `evaluator` knows the operands. Nothing if even their number
      is not known. As it is, the elements of operand 0.
    }], "::quantc::qnn::KnownInts", "evaluateIntegers",
      (ins "::quantc::qnn::IntegerEvaluator &":$evaluator), [{}], [{
        return evaluator.evaluate($_op->getOperand(0));
    }]>
  ];
}

def QNN_ExtentOpInterface : OpInterface<"ExtentOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op that says where dynamic dimensions of its results come from. Of
    elementwise ops, their trait says it.
  }];
  let methods = [
    InterfaceMethod<[{
      The extent of result number `result` along `dim`, in terms of the
      operands' extents and elements, which `evaluator` knows; unknown where the
      op decides alone. As it is, the extent of operand 0.
    }], "::quantc::qnn::KnownInt", "getResultExtent",
      (ins "unsigned":$result, "int64_t":$dim,
           "::quantc::qnn::IntegerEvaluator &":$evaluator), [{}], [{
      return evaluator.getExtent($_op->getOperand(0), dim);
    }]>
  ];
}

def QNN_QuantizableOpInterface : OpInterface<"QuantizableOpInterface"> {
  let cppNamespace = "::quantc::qnn";
  let description = [{
    An op with an integer form: says which operands may be quantized, and along
    which axis of an operand per-channel scales may vary.
  }];
  let methods = [
    InterfaceMethod<[{
      Operands that have a quantized form.
    }], "::llvm::SmallVector<unsigned>", "getQuantizableOperands", (ins)>,
    InterfaceMethod<[{
      The axis of operand `index` along which scales may differ (its output
      channels), if there is one.
    }], "std::optional<int64_t>", "getChannelAxis", (ins "unsigned":$index)>,
    InterfaceMethod<[{
      The axis of the result that holds the output channels, if there is one.
    }], "std::optional<int64_t>", "getResultChannelAxis", (ins)>,
    InterfaceMethod<[{
      The operand that is added to the result, one number a channel, if the op
      has one and it is given.
    }], "std::optional<unsigned>", "getBiasOperand", (ins), [{}], [{
      return std::nullopt;
    }]>,
    InterfaceMethod<[{
      Whether the op can be given such an operand by `setBias`.
    }], "bool", "takesBias", (ins), [{}], [{
      return false;
    }]>,
    InterfaceMethod<[{
      Gives the op a bias, one number a channel, in place of the one it has.
    }], "void", "setBias", (ins "::mlir::Value":$bias), [{}], [{
      llvm_unreachable("the op takes no bias");
    }]>,
    InterfaceMethod<[{
      How many products each element of the result sums, or kDynamic.
    }], "int64_t", "getNumSummed", (ins)>,
    InterfaceMethod<[{
      The axis of operand `index` that the sums run over, if it is one axis: a
      sum too long for i32 is split along it.
    }], "std::optional<int64_t>", "getSummedAxis", (ins "unsigned":$index),
      [{}], [{
      return std::nullopt;
    }]>,
    InterfaceMethod<[{
      The axis of operand `index` that holds input channels, if there is one:
      of an activation, the indices that meet different weights; of the weights,
      the same ones (of one group, see `getNumGroups`).
    }], "std::optional<int64_t>", "getInputAxis", (ins "unsigned":$index),
      [{}], [{
      return $_op.getSummedAxis(index);
    }]>,
    InterfaceMethod<[{
      Into how many groups input and output channels are divided, in order: a
      channel of the result sums over the input channels of its group only.
    }], "int64_t", "getNumGroups", (ins), [{}], [{
      return 1;
    }]>,
    InterfaceMethod<[{
      The op on integers: `operands` and `zeroPoints` (null for none) are those
      of the quantizable operands, `bias` (null for none) is i32 and in units of
      the accumulator. Gives the i32 accumulator.
    }], "::mlir::Value", "buildQuantized",
      (ins "::mlir::OpBuilder &":$builder,
           "::llvm::ArrayRef<::mlir::Value>":$operands,
           "::llvm::ArrayRef<::mlir::Value>":$zeroPoints,
           "::mlir::Value":$bias)>
  ];
}

#endif // QUANTC_DIALECT_QNN_IR_QNNINTERFACES
