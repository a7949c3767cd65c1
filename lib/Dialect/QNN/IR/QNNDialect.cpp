//===- QNNDialect.cpp - Registration of the qnn dialect -------------------===//

#include "quantc/Dialect/QNN/IR/QNN.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/TypeSwitch.h"

using namespace mlir;
using namespace quantc::qnn;

#include "quantc/Dialect/QNN/IR/QNNDialect.cpp.inc"
#include "quantc/Dialect/QNN/IR/QNNInterfaces.cpp.inc"

#include "quantc/Dialect/QNN/IR/AutoPadEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/ContractionOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/ConvolutionOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/ElementwiseOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/IndexingOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/NormalizationOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/PoolingOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/QuantizationOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/ReductionOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/SpatialOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/TensorOpsEnums.cpp.inc"
#include "quantc/Dialect/QNN/IR/WeightOnlyOpsEnums.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "quantc/Dialect/QNN/IR/QNNAttrs.cpp.inc"

void QNNDialect::initialize() {
  addAttributes<
#define GET_ATTRDEF_LIST
#include "quantc/Dialect/QNN/IR/QNNAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "quantc/Dialect/QNN/IR/QNNOps.cpp.inc"
      >();
}

Operation *QNNDialect::materializeConstant(OpBuilder &builder, Attribute value,
                                           Type type, Location loc) {
  auto elements = dyn_cast<ElementsAttr>(value);
  if (!elements || elements.getType() != type)
    return nullptr;
  return ConstantOp::create(builder, loc, elements);
}

bool quantc::qnn::areCompatibleTypes(TypeRange inferred, TypeRange actual) {
  if (inferred.size() != actual.size())
    return false;
  for (auto [i, a] : llvm::zip(inferred, actual)) {
    auto it = dyn_cast<RankedTensorType>(i), at = dyn_cast<RankedTensorType>(a);
    if (!it || !at || it.getElementType() != at.getElementType() ||
        failed(verifyCompatibleShape(it, at)))
      return false;
  }
  return true;
}
