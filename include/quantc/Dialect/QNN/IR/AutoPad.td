//===- AutoPad.td - What decides the padding of a window ------------------===//
// Apart from Windows.td, since each family that includes a definition gets its
// class.
#ifndef QUANTC_DIALECT_QNN_IR_AUTOPAD
#define QUANTC_DIALECT_QNN_IR_AUTOPAD

include "quantc/Dialect/QNN/IR/QNNBase.td"

def QNN_AutoPadKind : QNN_Kind<"AutoPad", "what decides the padding of a window", [
    "none", "same_upper", "same_lower"]>;
def QNN_AutoPadAttr : QNN_KindAttr<QNN_AutoPadKind, "auto_pad">;

#endif // QUANTC_DIALECT_QNN_IR_AUTOPAD
