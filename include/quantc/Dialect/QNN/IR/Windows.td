//===- Windows.td - What convolutions and pools share ---------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_WINDOWS
#define QUANTC_DIALECT_QNN_IR_WINDOWS

include "quantc/Dialect/QNN/IR/QNNBase.td"

/// What decides the padding: the `pads` (none), or the input's size so that
/// there is one window for each started stride, with the odd element at the end
/// (same_upper) or at the beginning (same_lower). The attribute is AutoPad.td's.
def QNN_AutoPadValue
    : Attr<CPred<"::llvm::isa<::quantc::qnn::AutoPadAttr>($_self)">,
           "none, same_upper or same_lower"> {
  let storageType = "::quantc::qnn::AutoPadAttr";
  let returnType = "::quantc::qnn::AutoPad";
  let convertFromStorage = "$_self.getValue()";
  let constBuilderCall =
      "::quantc::qnn::AutoPadAttr::get($_builder.getContext(), $0)";
  let valueType = NoneType;
}
def QNN_AutoPad
    : DefaultValuedAttr<QNN_AutoPadValue, "::quantc::qnn::AutoPad::none">;

#endif // QUANTC_DIALECT_QNN_IR_WINDOWS
