//===- Windows.td - What convolutions and pools share ---------------------===//
#ifndef QUANTC_DIALECT_QNN_IR_WINDOWS
#define QUANTC_DIALECT_QNN_IR_WINDOWS

include "quantc/Dialect/QNN/IR/QNNBase.td"

/// What decides the padding: the `pads` (none), or the input's size so that
/// there is one window for each started stride, with the odd element at the end
/// (same_upper) or at the beginning (same_lower).
def QNN_AutoPadValue : Attr<CPred<"::quantc::qnn::isAutoPad($_self)">,
                            "none, same_upper or same_lower"> {
  let storageType = "::mlir::StringAttr";
  let returnType = "::llvm::StringRef";
  let valueType = NoneType;
  let constBuilderCall = "$_builder.getStringAttr($0)";
}
def QNN_AutoPad : DefaultValuedStrAttr<QNN_AutoPadValue, "none">;

#endif // QUANTC_DIALECT_QNN_IR_WINDOWS
