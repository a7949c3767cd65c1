//===- QNNInterfaces.td - What passes ask of an op ------------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_QNNINTERFACES
#define QUANTC_DIALECT_QNN_IR_QNNINTERFACES

include "mlir/IR/Interfaces.td"
include "mlir/IR/OpBase.td"

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
    }], "std::optional<int64_t>", "getChannelAxis", (ins "unsigned":$index)>
  ];
}

#endif // QUANTC_DIALECT_QNN_IR_QNNINTERFACES
