//===- QNNBase.td - The qnn dialect and what its op families share --------===//
#ifndef QUANTC_DIALECT_QNN_IR_QNNBASE
#define QUANTC_DIALECT_QNN_IR_QNNBASE

include "mlir/IR/AttrTypeBase.td"
include "mlir/IR/EnumAttr.td"
include "mlir/IR/OpBase.td"
include "mlir/Interfaces/InferTypeOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"
include "quantc/Dialect/QNN/IR/QNNInterfaces.td"

def QNN_Dialect : Dialect {
  let name = "qnn";
  let cppNamespace = "::quantc::qnn";
  let summary = "Neural network graphs, in float and quantized";
  let description = [{
    The graph dialect of Quantc: what an ONNX model becomes, and what the
    quantization passes work on. Every op is pure, works on ranked tensors and
    has no destination operand. Ops that differ in a scalar function only are
    one op with a `kind`.

    Element types say their signedness: `ui8` is unsigned, `i8` is signed, `i1`
    is ONNX's bool. Scales and zero points are operands, never part of a type.
    Shapes, axes, pads and the like that ONNX passes as tensors are operands,
    too: constants most of the time, which inference and lowering look through.
  }];
  let useDefaultAttributePrinterParser = 1;
  let hasConstantMaterializer = 1;
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::tensor::TensorDialect"];
}

def QNN_Tensor : Type<CPred<"::llvm::isa<::mlir::RankedTensorType>($_self)">,
                      "ranked tensor", "::mlir::RankedTensorType">;
def QNN_Float : RankedTensorOf<[AnyFloat]>;
def QNN_Bool : RankedTensorOf<[I1]>;
/// A shape, a list of axes, ...: 32- or 64-bit integers.
def QNN_IntList : RankedTensorOf<[I64, I32]>;

class QNN_Op<string mnemonic, list<Trait> traits = []>
    : Op<QNN_Dialect, mnemonic, !listconcat([Pure], traits)>;

/// An op that infers its result types. A result may carry more static
/// dimensions than inference finds (the model may declare them), so inferred
/// and actual types need to be compatible only.
class QNN_InferredOp<string mnemonic, list<Trait> traits = []>
    : QNN_Op<mnemonic, !listconcat([InferTypeOpAdaptorBase<[{
        static bool isCompatibleReturnTypes(::mlir::TypeRange inferred,
                                            ::mlir::TypeRange actual) {
          return ::quantc::qnn::areCompatibleTypes(inferred, actual);
        }
      }]>], traits)>;

/// The `kind` of a family: which scalar function its ops apply.
class QNN_Kind<string name, string what, list<string> kinds>
    : I32EnumAttr<name, what,
        !foreach(i, !range(!size(kinds)), I32EnumAttrCase<kinds[i], i>)> {
  let genSpecializedAttr = 0;
  let cppNamespace = "::quantc::qnn";
}
class QNN_KindAttr<I32EnumAttr kind, string name>
    : EnumAttr<QNN_Dialect, kind, name>;

#endif // QUANTC_DIALECT_QNN_IR_QNNBASE
