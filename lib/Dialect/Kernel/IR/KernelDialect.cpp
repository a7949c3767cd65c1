//===- KernelDialect.cpp - Calls of kernels from tensor code --------------===//

#include "quantc/Dialect/Kernel/IR/KernelDialect.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc::kernel;

#include "quantc/Dialect/Kernel/IR/KernelDialect.cpp.inc"

#define GET_OP_CLASSES
#include "quantc/Dialect/Kernel/IR/KernelOps.cpp.inc"

void KernelDialect::initialize() {
  addOperations<
#define GET_OP_LIST
#include "quantc/Dialect/Kernel/IR/KernelOps.cpp.inc"
      >();
}

/// The type in which a kernel takes a value of `type`.
static Type getArgumentType(Type type) {
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    return MemRefType::get(tensor.getShape(), tensor.getElementType());
  return type;
}

MemRefType quantc::kernel::getViewType(RankedTensorType type) {
  SmallVector<int64_t> strides(type.getRank());
  int64_t stride = 1;
  for (int64_t i = type.getRank(); i-- > 0;) {
    strides[i] = stride;
    if (type.isDynamicDim(i) || ShapedType::isDynamic(stride))
      stride = ShapedType::kDynamic;
    else
      stride *= type.getDimSize(i);
  }
  return MemRefType::get(
      type.getShape(), type.getElementType(),
      StridedLayoutAttr::get(type.getContext(), ShapedType::kDynamic, strides));
}

LogicalResult CallOp::verifySymbolUses(SymbolTableCollection &symbols) {
  auto callee =
      symbols.lookupNearestSymbolFrom<func::FuncOp>(*this, getCalleeAttr());
  if (!callee)
    return emitOpError() << "calls " << getCalleeAttr()
                         << ", which is not a function";
  FunctionType type = callee.getFunctionType();
  bool fits =
      type.getNumResults() == 0 && type.getNumInputs() == getNumOperands();
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    if (!fits)
      break;
    Type taken = type.getInput(operand.getOperandNumber());
    auto tensor = dyn_cast<RankedTensorType>(operand.get().getType());
    fits = taken == getArgumentType(operand.get().getType()) ||
           (tensor && !isDpsInit(&operand) && taken == getViewType(tensor));
  }
  if (!fits)
    return emitOpError() << "does not fit " << getCalleeAttr() << " of type "
                         << type;
  return success();
}

//===----------------------------------------------------------------------===//
// Bufferization
//===----------------------------------------------------------------------===//

bool CallOp::bufferizesToMemoryRead(OpOperand &operand,
                                    const bufferization::AnalysisState &) {
  return !isDpsInit(&operand) || getReadsOutputs();
}

bool CallOp::bufferizesToMemoryWrite(OpOperand &operand,
                                     const bufferization::AnalysisState &) {
  return isDpsInit(&operand);
}

bufferization::AliasingValueList
CallOp::getAliasingValues(OpOperand &operand,
                          const bufferization::AnalysisState &) {
  if (!isDpsInit(&operand))
    return {};
  return {
      {getTiedOpResult(&operand), bufferization::BufferRelation::Equivalent}};
}

LogicalResult
CallOp::bufferize(RewriterBase &rewriter,
                  const bufferization::BufferizationOptions &options,
                  bufferization::BufferizationState &state) {
  Location loc = getLoc();
  SmallVector<Value> arguments, results;
  auto callee = SymbolTable::lookupNearestSymbolFrom<func::FuncOp>(
      getOperation(), getCalleeAttr());
  // Outputs that are views of a larger buffer, to copy back after the call.
  SmallVector<std::pair<Value, Value>> views;
  for (OpOperand &operand : getOperation()->getOpOperands()) {
    auto tensor = dyn_cast<RankedTensorType>(operand.get().getType());
    if (!tensor) {
      arguments.push_back(operand.get());
      continue;
    }
    FailureOr<Value> buffer =
        bufferization::getBuffer(rewriter, operand.get(), options, state);
    if (failed(buffer))
      return failure();
    bool isOutput = isDpsInit(&operand);
    if (isOutput)
      results.push_back(*buffer);
    auto type =
        cast<MemRefType>(callee.getArgumentTypes()[operand.getOperandNumber()]);
    if (buffer->getType() == type) {
      arguments.push_back(*buffer);
      continue;
    }
    bool isView = !type.getLayout().isIdentity();
    if (isView && memref::CastOp::areCastCompatible(buffer->getType(), type)) {
      arguments.push_back(memref::CastOp::create(rewriter, loc, type, *buffer));
      continue;
    }
    if (isView)
      return emitOpError("reads a view that was not made as one: ")
             << buffer->getType();
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < type.getRank(); ++i)
      if (type.isDynamicDim(i))
        sizes.push_back(memref::DimOp::create(rewriter, loc, *buffer, i));
    FailureOr<Value> copy = options.createAlloc(rewriter, loc, type, sizes);
    if (failed(copy))
      return failure();
    if ((!isOutput || getReadsOutputs()) &&
        failed(options.createMemCpy(rewriter, loc, *buffer, *copy)))
      return failure();
    if (isOutput)
      views.push_back({*copy, *buffer});
    arguments.push_back(*copy);
  }
  func::CallOp::create(rewriter, loc, getCalleeAttr(), TypeRange(), arguments);
  for (auto [copy, view] : views)
    if (failed(options.createMemCpy(rewriter, loc, copy, view)))
      return failure();
  bufferization::replaceOpWithBufferizedValues(rewriter, getOperation(),
                                               results);
  return success();
}
