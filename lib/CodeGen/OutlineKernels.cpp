//===- OutlineKernels.cpp - Groups of linalg ops become kernels -----------===//
//
// Works on tensors; the functions it makes work on buffers, so that each kernel
// is bufferized once, whatever the number of its calls, and without copies.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "ByteTable.h"
#include "ProductRoots.h"
#include "RowGroups.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/IRMapping.h"
#include "mlir/IR/Matchers.h"
#include "mlir/Transforms/RegionUtils.h"

namespace quantc {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using quantc::kernel::CallOp;

namespace {
/// What becomes one kernel: `pad`, `root` and `epilogue`, the outer two
/// optional, or ops over the same rows. Fills of the outputs are looked up when
/// the group is cloned.
struct Group {
  tensor::PadOp pad;
  linalg::LinalgOp root;
  linalg::GenericOp epilogue;
  quantc::RowGroup rows;

  linalg::LinalgOp last() const {
    Operation *op = root;
    if (!rows.ops.empty())
      op = rows.ops.back();
    else if (epilogue)
      op = epilogue;
    return cast<linalg::LinalgOp>(op);
  }

  /// What other ops use of the group.
  SmallVector<Value> results() const {
    SmallVector<Value> values;
    for (linalg::GenericOp op : rows.ops)
      if (rows.isResult(op))
        values.push_back(op->getResult(0));
    if (rows.ops.empty())
      llvm::append_range(values, last()->getResults());
    return values;
  }
};
} // namespace

static bool readsInit(linalg::LinalgOp op, unsigned i) {
  return op.payloadUsesValueFromOperand(op.getDpsInitOperand(i));
}

/// The elementwise op that alone consumes `root`, element for element.
static linalg::GenericOp findEpilogue(linalg::LinalgOp root) {
  if (root->getNumResults() != 1 || !root->getResult(0).hasOneUse())
    return nullptr;
  OpOperand &use = *root->getResult(0).use_begin();
  auto consumer = dyn_cast<linalg::GenericOp>(use.getOwner());
  if (!consumer || consumer->getBlock() != root->getBlock() ||
      consumer->getNumResults() != 1 || consumer.isDpsInit(&use) ||
      consumer.getNumParallelLoops() != consumer.getNumLoops() ||
      !consumer.getMatchingIndexingMap(&use).isIdentity() ||
      !consumer.getIndexingMapsArray().back().isIdentity() ||
      readsInit(consumer, 0))
    return nullptr;
  // Gathers and positions are better off in loops of their own, but for tables.
  for (Operation &op : consumer.getBody()->without_terminator()) {
    if (isa<linalg::IndexOp>(op) || op.getNumRegions() ||
        (isa<tensor::ExtractOp>(op) && !quantc::ByteTable::isLookup(op)))
      return nullptr;
  }
  return consumer;
}

/// The padding with zeros that makes the input of the convolution `root`.
static tensor::PadOp findPad(linalg::LinalgOp root) {
  if (!linalg::isaConvolutionOpInterface(root))
    return nullptr;
  auto pad = root->getOperand(0).getDefiningOp<tensor::PadOp>();
  if (!pad || !pad->hasOneUse() || pad->getBlock() != root->getBlock())
    return nullptr;
  Value value = pad.getConstantPaddingValue();
  return value && matchPattern(value, m_Constant()) ? pad : nullptr;
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

namespace {
/// Which argument of a kernel each of its numbers is; numbers that kernels of
/// one form share are constants, and numbers that always agree one argument.
struct NumberPlan {
  static constexpr int kConstant = -1;
  SmallVector<int> argumentOf;
};

/// Clones one group into a function on buffers.
class KernelBuilder {
public:
  /// Without a plan each number is an argument of its own.
  KernelBuilder(Group group, const NumberPlan *plan = nullptr)
      : group(group), plan(plan) {}

  /// Makes the function; the caller owns it and gives it its name.
  func::FuncOp build();

  /// The operands of the call, after `build`.
  SmallVector<Value> inputs, outputs;
  bool readsOutputs = false;
  /// The scalar constants that the group reads, use by use.
  SmallVector<Value> numbers;

private:
  Value addArgument(Value value);
  Value addNumber(OpBuilder &builder, Value constant);
  Value getScalar(OpBuilder &builder, Value value);
  void addInputs(linalg::LinalgOp op);
  void cloneRows(OpBuilder &builder, ArrayRef<Value> buffers);
  void clonePad(OpBuilder &builder);
  void cloneFill(OpBuilder &builder, linalg::FillOp fill, Value buffer);
  void cloneOp(OpBuilder &builder, linalg::LinalgOp op, ValueRange outBuffers);

  Group group;
  const NumberPlan *plan;
  Block *body = nullptr;
  IRMapping mapping;
  llvm::DenseMap<int, Value> numberArguments;
};
} // namespace

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
    known = body->addArgument(constant.getType(), constant.getLoc());
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
  for (OpOperand *input : op.getDpsInputOperands()) {
    Value value = input->get();
    Operation *producer = value.getDefiningOp();
    bool inside = (group.pad && value == group.pad.getResult()) ||
                  (group.epilogue && producer == group.root) ||
                  group.rows.contains(producer);
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
static Value allocateResult(OpBuilder &builder, linalg::GenericOp op,
                            const IRMapping &mapping) {
  auto type = cast<RankedTensorType>(op->getResult(0).getType());
  SmallVector<AffineMap> maps = op.getIndexingMapsArray();
  SmallVector<Value> sizes;
  for (auto [i, loop] : llvm::enumerate(maps.back().getResults())) {
    if (!type.isDynamicDim(i))
      continue;
    for (auto [input, map] : llvm::zip(op.getInputs(), maps))
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
    Value buffer;
    if (group.rows.isResult(op)) {
      buffer = buffers.front();
      buffers = buffers.drop_front();
    } else {
      buffer = allocateResult(builder, op, mapping);
    }
    auto linalgOp = cast<linalg::LinalgOp>(op.getOperation());
    if (readsInit(linalgOp, 0))
      cloneFill(builder,
                lookThroughFill(linalgOp.getDpsInitOperand(0)->get()).second,
                buffer);
    cloneOp(builder, linalgOp, buffer);
    mapping.map(op->getResult(0), buffer);
  }
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
  for (linalg::GenericOp op : group.rows.ops)
    addInputs(cast<linalg::LinalgOp>(op.getOperation()));
  if (group.rows.ops.empty())
    for (linalg::LinalgOp op : {group.root, last})
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
  if (!group.rows.ops.empty()) {
    cloneRows(builder, buffers);
  } else if (group.epilogue) {
    linalg::LinalgOp root = group.root;
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
    Value init = root.getDpsInitOperand(0)->get();
    auto [base, fill] = lookThroughFill(init);
    if (readsInit(root, 0)) {
      if (fill)
        cloneFill(builder, fill, buffer);
      else
        memref::CopyOp::create(builder, root.getLoc(), addArgument(base),
                               buffer);
    }
    cloneOp(builder, root, buffer);
    mapping.map(root->getResult(0), buffer);
    cloneOp(builder, last, buffers[0]);
  } else {
    for (unsigned i = 0; i < buffers.size(); ++i) {
      if (!readsInit(last, i))
        continue;
      auto [base, fill] = lookThroughFill(last.getDpsInitOperand(i)->get());
      if (fill)
        cloneFill(builder, fill, buffers[i]);
      else
        readsOutputs = true;
    }
    cloneOp(builder, last, buffers);
  }
  for (Value buffer : buffers)
    buffer.replaceAllUsesWith(
        body->addArgument(buffer.getType(), last.getLoc()));
  func::ReturnOp::create(builder, last.getLoc());
  func.setFunctionType(builder.getFunctionType(body->getArgumentTypes(), {}));
  return func;
}

namespace {
struct OutlineKernelsPass
    : public quantc::impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    SmallVector<linalg::LinalgOp> roots, others;
    SmallVector<linalg::GenericOp> reductions;
    getOperation().walk<WalkOrder::PreOrder>([&](linalg::LinalgOp op) {
      if (!op.hasPureTensorSemantics() || isa<linalg::FillOp>(op))
        return WalkResult::skip();
      auto generic = dyn_cast<linalg::GenericOp>(op.getOperation());
      bool alongRows = generic && quantc::isRowReduction(generic);
      if (alongRows)
        reductions.push_back(generic);
      (!alongRows && quantc::isProductRoot(op) ? roots : others).push_back(op);
      return WalkResult::skip();
    });
    DenseSet<Operation *> done;
    SmallVector<Group> groups;
    for (linalg::LinalgOp root : roots) {
      Group group{findPad(root), root, findEpilogue(root), {}};
      if (group.epilogue && !done.insert(group.epilogue).second)
        group.epilogue = nullptr;
      done.insert(root);
      groups.push_back(group);
    }
    for (linalg::GenericOp seed : reductions) {
      Group group{nullptr, cast<linalg::LinalgOp>(seed.getOperation()), nullptr,
                  quantc::findRowGroup(seed, done)};
      done.insert_range(group.rows.ops);
      if (!group.rows.ops.empty())
        groups.push_back(group);
    }
    for (linalg::LinalgOp op : others)
      if (!done.contains(op))
        groups.push_back(Group{nullptr, op, nullptr, {}});
    SmallVector<unsigned> forms;
    SmallVector<NumberPlan> plans = planNumbers(groups, forms);
    for (auto [group, form] : llvm::zip(groups, forms))
      outline(group, plans[form]);
  }

  /// Sorts `groups` by form (what they do, whatever the numbers), and decides
  /// for each form which numbers its kernel takes as arguments.
  SmallVector<NumberPlan> planNumbers(ArrayRef<Group> groups,
                                      SmallVectorImpl<unsigned> &forms) {
    llvm::StringMap<unsigned> known;
    // By form and number: the values of its groups, as one key.
    SmallVector<SmallVector<SmallVector<Attribute>>> values;
    for (const Group &group : groups) {
      KernelBuilder kernelBuilder(group);
      func::FuncOp kernel = kernelBuilder.build();
      unsigned form =
          known.try_emplace(print(kernel), known.size()).first->second;
      kernel->erase();
      forms.push_back(form);
      if (form == values.size())
        values.emplace_back(kernelBuilder.numbers.size());
      for (auto [column, number] :
           llvm::zip(values[form], kernelBuilder.numbers)) {
        Attribute value;
        matchPattern(number, m_Constant(&value));
        column.push_back(value);
      }
    }
    SmallVector<NumberPlan> plans(values.size());
    for (auto [plan, columns] : llvm::zip(plans, values))
      for (auto [i, column] : llvm::enumerate(columns)) {
        int argument = llvm::find(columns, column) - columns.begin();
        bool isConstant = llvm::all_equal(column);
        numNumberArguments += !isConstant && argument == int(i);
        plan.argumentOf.push_back(isConstant ? NumberPlan::kConstant
                                             : argument);
      }
    return plans;
  }

  static std::string print(func::FuncOp kernel) {
    std::string text;
    llvm::raw_string_ostream os(text);
    kernel->print(os, OpPrintingFlags().useLocalScope());
    return text;
  }

  void outline(Group group, const NumberPlan &plan) {
    KernelBuilder kernelBuilder(group, &plan);
    func::FuncOp kernel = kernelBuilder.build();
    StringRef name = getShared(kernel, group.root);
    linalg::LinalgOp last = group.last();
    OpBuilder builder(last);
    SmallVector<Value> results = group.results();
    // The call stands for both: what is measured or fails there names both.
    Location loc =
        FusedLoc::get(&getContext(), {group.root->getLoc(), last->getLoc()});
    auto call =
        CallOp::create(builder, loc, TypeRange(ValueRange(results)), name,
                       kernelBuilder.inputs, kernelBuilder.outputs,
                       kernelBuilder.readsOutputs);
    for (auto [old, result] : llvm::zip(results, call->getResults()))
      old.replaceAllUsesWith(result);
    ++numCalls;
    numFusedEpilogues += group.epilogue != nullptr;
    numFoldedPads += group.pad != nullptr;
    numFusedRowOps += std::max<size_t>(group.rows.ops.size(), 1) - 1;
    if (!group.rows.ops.empty()) {
      for (linalg::GenericOp op : llvm::reverse(group.rows.ops))
        op->erase();
      return;
    }
    last->erase();
    if (group.epilogue)
      group.root->erase();
    if (group.pad)
      group.pad->erase();
  }

  /// The name of the kernel that equals `kernel`, which is new or deleted.
  StringRef getShared(func::FuncOp kernel, linalg::LinalgOp root) {
    auto [it, isNew] = kernels.try_emplace(print(kernel));
    if (!isNew) {
      kernel->erase();
      return it->second.getValue();
    }
    std::string name = "kernel_" + std::to_string(kernels.size() - 1) + "_" +
                       root->getName().stripDialect().str();
    kernel.setName(name);
    getOperation().push_back(kernel);
    ++numKernels;
    it->second = StringAttr::get(&getContext(), name);
    return it->second.getValue();
  }

  llvm::StringMap<StringAttr> kernels;
};
} // namespace
