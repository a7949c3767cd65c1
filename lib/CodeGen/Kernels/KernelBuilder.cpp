//===- KernelBuilder.cpp - A group of ops as a function -------------------===//

#include "KernelBuilder.h"

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"
#include "llvm/ADT/FloatingPointMode.h"

using namespace mlir;
using namespace quantc;

static bool readsInit(linalg::LinalgOp op, unsigned i) {
  return op.payloadUsesValueFromOperand(op.getDpsInitOperand(i));
}

/// The value under the fills of an output, and the last of those fills.
static std::pair<Value, linalg::FillOp> lookThroughFill(Value init) {
  auto fill = init.getDefiningOp<linalg::FillOp>();
  if (!fill)
    return {init, nullptr};
  Value base = fill.getOutputs()[0];
  while (auto outer = base.getDefiningOp<linalg::FillOp>())
    base = outer.getOutputs()[0];
  return {base, fill};
}

/// Whether `value` is a number that equal kernels may differ in. Sizes are not:
/// code depends on them.
static bool isNumber(Value value) {
  Type type = value.getType();
  return (isa<FloatType>(type) || (type.isInteger() && !type.isInteger(1))) &&
         matchPattern(value, m_Constant());
}

/// Whether `value` is a part of a state of the model, which grows in the memory
/// that the caller gave it. A copy would be one of all that it holds.
static bool isPartOfState(Value value) {
  bool isSlice = false;
  while (Operation *op = value.getDefiningOp()) {
    if (isa<tensor::ExtractSliceOp>(op))
      isSlice = true;
    else if (auto insert = dyn_cast<tensor::InsertSliceOp>(op)) {
      value = insert.getDest();
      continue;
    } else if (!isa<tensor::ExpandShapeOp, tensor::CastOp>(op))
      return false;
    value = op->getOperand(0);
  }
  auto argument = dyn_cast<BlockArgument>(value);
  if (!argument || !isSlice)
    return false;
  auto func = dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp());
  return func && func.getArgAttr(argument.getArgNumber(), "qnn.state");
}

Value KernelBuilder::addArgument(Value value) {
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Type type = value.getType();
  if (auto tensor = dyn_cast<RankedTensorType>(type))
    type = isPartOfState(value)
               ? quantc::kernel::getViewType(tensor)
               : MemRefType::get(tensor.getShape(), tensor.getElementType());
  Value argument = body->addArgument(type, value.getLoc());
  mapping.map(value, argument);
  inputs.push_back(value);
  return argument;
}

/// The next number of the kernel.
Value KernelBuilder::addNumber(OpBuilder &builder, Value constant) {
  unsigned position = numbers.size();
  numbers.push_back(constant);
  int argument = plan ? plan->argumentOf[position] : int(position);
  if (argument == NumberPlan::kConstant) {
    if (Value known = mapping.lookupOrNull(constant))
      return known;
    OpBuilder::InsertionGuard guard(builder);
    builder.setInsertionPointToStart(body);
    Value clone = builder.clone(*constant.getDefiningOp())->getResult(0);
    mapping.map(constant, clone);
    return clone;
  }
  Value &known = numberArguments[argument];
  if (!known) {
    APFloat number(0.0f);
    if (matchPattern(constant, m_ConstantFloat(&number)) && !number.isNaN())
      neverNaN.push_back(body->getNumArguments());
    known = body->addArgument(constant.getType(), constant.getLoc());
    inputOfNumber[position] = inputs.size();
    inputs.push_back(constant);
  }
  return known;
}

Value KernelBuilder::getScalar(OpBuilder &builder, Value value) {
  if (isNumber(value))
    return addNumber(builder, value);
  if (Value known = mapping.lookupOrNull(value))
    return known;
  Operation *producer = value.getDefiningOp();
  if (!producer || !producer->hasTrait<OpTrait::ConstantLike>())
    return addArgument(value);
  Value constant = builder.clone(*producer)->getResult(0);
  mapping.map(value, constant);
  return constant;
}

void KernelBuilder::cloneFill(OpBuilder &builder, linalg::FillOp fill,
                              Value buffer) {
  Value value = getScalar(builder, fill.getInputs()[0]);
  linalg::FillOp::create(builder, fill.getLoc(), value, buffer);
}

void KernelBuilder::clonePad(OpBuilder &builder) {
  tensor::PadOp pad = group.pad;
  Location loc = pad.getLoc();
  Value source = addArgument(pad.getSource());
  auto toLocal = [&](SmallVector<OpFoldResult> values) {
    for (OpFoldResult &value : values)
      if (auto dynamic = dyn_cast<Value>(value))
        value = getScalar(builder, dynamic);
    return values;
  };
  SmallVector<OpFoldResult> low = toLocal(pad.getMixedLowPad());
  SmallVector<OpFoldResult> high = toLocal(pad.getMixedHighPad());
  RankedTensorType tensor = pad.getResultType();
  auto type = MemRefType::get(tensor.getShape(), tensor.getElementType());
  SmallVector<Value> dynamicSizes;
  SmallVector<OpFoldResult> sizes;
  for (int64_t i = 0; i < type.getRank(); ++i) {
    sizes.push_back(memref::getMixedSize(builder, loc, source, i));
    if (!type.isDynamicDim(i))
      continue;
    Value size = getValueOrCreateConstantIndexOp(builder, loc, sizes[i]);
    for (OpFoldResult amount : {low[i], high[i]})
      size = builder.createOrFold<arith::AddIOp>(
          loc, size, getValueOrCreateConstantIndexOp(builder, loc, amount));
    dynamicSizes.push_back(size);
  }
  Value padded = memref::AllocOp::create(builder, loc, type, dynamicSizes);
  Value value = getScalar(builder, pad.getConstantPaddingValue());
  linalg::FillOp::create(builder, loc, value, padded);
  SmallVector<OpFoldResult> strides(type.getRank(), builder.getIndexAttr(1));
  Value inside =
      memref::SubViewOp::create(builder, loc, padded, low, sizes, strides);
  memref::CopyOp::create(builder, loc, source, inside);
  mapping.map(pad.getResult(), padded);
}

void KernelBuilder::cloneOp(OpBuilder &builder, linalg::LinalgOp op,
                            ValueRange outBuffers) {
  // Values that the body reads from outside.
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  for (Value value : captured)
    if (!isNumber(value))
      getScalar(builder, value);
  SmallVector<Value> operands;
  for (OpOperand *input : op.getDpsInputOperands())
    operands.push_back(getScalar(builder, input->get()));
  llvm::append_range(operands, outBuffers);
  Operation *clone =
      mlir::clone(builder, op.getOperation(), TypeRange(), operands);
  for (Region &region : clone->getRegions())
    region.walk([&](Operation *inner) {
      for (OpOperand &operand : inner->getOpOperands())
        if (captured.contains(operand.get()))
          operand.set(isNumber(operand.get())
                          ? addNumber(builder, operand.get())
                          : mapping.lookup(operand.get()));
    });
  // Reads of captured tensors are reads of their buffers now.
  clone->walk([&](Operation *inner) {
    OpBuilder inside(inner);
    if (auto extract = dyn_cast<tensor::ExtractOp>(inner)) {
      Value load = memref::LoadOp::create(
          inside, inner->getLoc(), extract.getTensor(), extract.getIndices());
      extract.replaceAllUsesWith(load);
      extract.erase();
    } else if (auto dim = dyn_cast<tensor::DimOp>(inner)) {
      Value size = memref::DimOp::create(inside, inner->getLoc(),
                                         dim.getSource(), dim.getIndex());
      dim.replaceAllUsesWith(size);
      dim.erase();
    }
  });
}

void KernelBuilder::addInputs(linalg::LinalgOp op) {
  SmallVector<linalg::LinalgOp> members = group.ops();
  for (OpOperand *input : op.getDpsInputOperands()) {
    Value value = input->get();
    Operation *producer = value.getDefiningOp();
    bool inside = (group.pad && value == group.pad.getResult()) ||
                  llvm::is_contained(members, producer);
    if (!inside && isa<RankedTensorType>(value.getType()))
      addArgument(value);
  }
  SetVector<Value> captured;
  getUsedValuesDefinedAbove(op->getRegions(), captured);
  for (Value value : captured)
    if (isa<RankedTensorType>(value.getType()))
      addArgument(value);
}

/// A buffer for the result of `op`, whose inputs are known.
static Value allocateResult(OpBuilder &builder, linalg::LinalgOp op,
                            const IRMapping &mapping) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<Value> sizes;
  for (auto [i, loop] : llvm::enumerate(maps.back().getResults())) {
    if (!type.isDynamicDim(i))
      continue;
    for (auto [input, map] : llvm::zip(op.getDpsInputs(), maps))
      if (std::optional<unsigned> at = map.getResultPosition(loop)) {
        sizes.push_back(memref::DimOp::create(builder, op.getLoc(),
                                              mapping.lookup(input), *at));
        break;
      }
  }
  return memref::AllocOp::create(
      builder, op.getLoc(),
      MemRefType::get(type.getShape(), type.getElementType()), sizes);
}

/// Ops over rows, one after the other: `quantc-lower-rows` makes one loop of
/// them, in which the buffers that only they use are values of one row.
void KernelBuilder::cloneRows(OpBuilder &builder, ArrayRef<Value> buffers) {
  for (linalg::GenericOp op : group.rows.ops) {
    auto linalgOp = cast<linalg::LinalgOp>(op.getOperation());
    Value buffer;
    if (group.hasOnlyRows() && group.rows.isResult(op)) {
      buffer = buffers.front();
      buffers = buffers.drop_front();
    } else {
      buffer = allocateResult(builder, linalgOp, mapping);
    }
    if (readsInit(linalgOp, 0))
      cloneFill(builder,
                lookThroughFill(linalgOp.getDpsInitOperand(0)->get()).second,
                buffer);
    cloneOp(builder, linalgOp, buffer);
    mapping.map(op->getResult(0), buffer);
  }
}

/// A product whose result only the kernel reads, to `buffer`.
void KernelBuilder::cloneProduct(OpBuilder &builder, linalg::LinalgOp op,
                                 Value buffer) {
  auto [base, fill] = lookThroughFill(op.getDpsInitOperand(0)->get());
  if (readsInit(op, 0)) {
    if (fill)
      cloneFill(builder, fill, buffer);
    else
      memref::CopyOp::create(builder, op.getLoc(), addArgument(base), buffer);
  }
  cloneOp(builder, op, buffer);
  mapping.map(op->getResult(0), buffer);
}

/// The product whose rows other ops of the kernel read:
/// `quantc-lower-attention` needs none of the buffers between them.
void KernelBuilder::cloneScores(OpBuilder &builder) {
  Value buffer = allocateResult(builder, group.scores, mapping);
  cloneProduct(builder, group.scores, buffer);
  if (!group.scoresEpilogue)
    return;
  auto epilogue = cast<linalg::LinalgOp>(group.scoresEpilogue.getOperation());
  buffer = allocateResult(builder, epilogue, mapping);
  cloneOp(builder, epilogue, buffer);
  mapping.map(epilogue->getResult(0), buffer);
}
/// The root, and its epilogue, to the kernel's outputs.
void KernelBuilder::cloneRoot(OpBuilder &builder, ArrayRef<Value> buffers) {
  linalg::LinalgOp root = group.root;
  if (!group.epilogue) {
    for (unsigned i = 0; i < buffers.size(); ++i) {
      if (!readsInit(root, i))
        continue;
      auto [base, fill] = lookThroughFill(root.getDpsInitOperand(i)->get());
      if (fill)
        cloneFill(builder, fill, buffers[i]);
      else
        readsOutputs = true;
    }
    cloneOp(builder, root, buffers);
    return;
  }
  auto type = cast<RankedTensorType>(root->getResult(0).getType());
  auto memref = MemRefType::get(type.getShape(), type.getElementType());
  Value buffer = buffers[0];
  // Between two element types the root needs a buffer of its own.
  if (memref != buffer.getType()) {
    SmallVector<Value> sizes;
    for (int64_t i = 0; i < memref.getRank(); ++i)
      if (memref.isDynamicDim(i))
        sizes.push_back(
            memref::DimOp::create(builder, root.getLoc(), buffers[0], i));
    buffer = memref::AllocOp::create(builder, root.getLoc(), memref, sizes);
  }
  cloneProduct(builder, root, buffer);
  cloneOp(builder, group.last(), buffers[0]);
}

func::FuncOp KernelBuilder::build() {
  linalg::LinalgOp last = group.last();
  MLIRContext *context = last->getContext();
  OpBuilder builder(context);
  auto func = func::FuncOp::create(builder, group.root.getLoc(), "kernel",
                                   builder.getFunctionType({}, {}));
  func.setPrivate();
  body = func.addEntryBlock();
  builder.setInsertionPointToStart(body);

  // Inputs first: the outputs' numbers follow from theirs.
  if (group.pad)
    addArgument(group.pad.getSource());
  for (linalg::LinalgOp op : group.ops())
    addInputs(op);
  // Other scalars may still join the inputs, so outputs are arguments of a
  // block of their own until everything is cloned.
  Block outputBlock;
  SmallVector<Value> buffers;
  for (Value result : group.results()) {
    auto tensor = cast<RankedTensorType>(result.getType());
    auto type = MemRefType::get(tensor.getShape(), tensor.getElementType());
    buffers.push_back(outputBlock.addArgument(type, last.getLoc()));
    auto op = cast<linalg::LinalgOp>(result.getDefiningOp());
    unsigned i = cast<OpResult>(result).getResultNumber();
    outputs.push_back(lookThroughFill(op.getDpsInitOperand(i)->get()).first);
  }

  if (group.pad)
    clonePad(builder);
  if (group.scores)
    cloneScores(builder);
  cloneRows(builder, buffers);
  if (!group.hasOnlyRows())
    cloneRoot(builder, buffers);
  for (Value buffer : buffers)
    buffer.replaceAllUsesWith(
        body->addArgument(buffer.getType(), last.getLoc()));
  func::ReturnOp::create(builder, last.getLoc());
  func.setFunctionType(builder.getFunctionType(body->getArgumentTypes(), {}));
  // As the constants that they stand for; clamps are cheaper then.
  for (unsigned argument : neverNaN)
    func.setArgAttr(argument, kernel::kNoFPClassAttr,
                    builder.getI64IntegerAttr(llvm::fcNan));
  return func;
}
