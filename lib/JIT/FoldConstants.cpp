//===- FoldConstants.cpp - Compute constants at compile time --------------===//

#include "quantc/JIT/JIT.h"
#include "quantc/JIT/Passes.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/ElementwiseOps.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/InferShapes.h"
#include "quantc/Target/Native/Native.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/IRMapping.h"
#include "llvm/ADT/SetVector.h"

namespace quantc {
#define GEN_PASS_DEF_FOLDCONSTANTSPASS
#include "quantc/JIT/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

namespace {

/// Constants of at most this many elements may decide shapes and axes: they
/// stay constants in the folded module. Larger ones are passed as arguments, so
/// that no weight becomes an LLVM constant.
constexpr int64_t maxInlineElements = 64;

/// What code that nobody optimized reads and writes in a tenth of a second.
constexpr int64_t maxQuickBytes = 16 << 20;

int64_t getBytes(Type type) {
  auto tensor = cast<RankedTensorType>(type);
  int64_t bits = std::max(8u, tensor.getElementTypeBitWidth());
  return tensor.getNumElements() * bits / 8;
}

/// What a constant holds: one value that stands for all elements is one, but
/// for what is small enough that it is no question of room.
int64_t getHeldBytes(qnn::ConstantOp constant) {
  constexpr int64_t maxSplatBytes = 16 << 20;
  int64_t bytes = getBytes(constant.getType());
  auto dense = dyn_cast<DenseElementsAttr>(constant.getValue());
  return dense && dense.isSplat() ? std::min(bytes, maxSplatBytes) : bytes;
}

struct FoldConstants : quantc::impl::FoldConstantsPassBase<FoldConstants> {
  using Base::Base;

  void getDependentDialects(DialectRegistry &registry) const override {
    registry.insert<qnn::QNNDialect>();
    JITFunction::getDependentDialects(registry);
  }

  void runOnOperation() override {
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      func.walk<WalkOrder::PreOrder>(
          [&](Block *block) { fold(func, *block, /*withSizes=*/false); });
      // What is known around branches they must not contradict, either.
      bool hasBranches =
          func.walk([](scf::IfOp) { return WalkResult::interrupt(); })
              .wasInterrupted();
      if (!hasBranches || failed(refineAround(func)))
        continue;
      func.walk<WalkOrder::PreOrder>([&](scf::IfOp branch) {
        for (Region &region : branch->getRegions())
          foldSizes(func, branch, region);
      });
    }
  }

  /// Refines types in all of `func`. A branch that is never taken may
  /// contradict them, and goes when its condition folds: then nothing is
  /// refined, and nothing reported.
  LogicalResult refineAround(func::FuncOp func) {
    OwningOpRef<func::FuncOp> before = func.clone();
    ScopedDiagnosticHandler silence(&getContext(),
                                    [](Diagnostic &) { return success(); });
    if (succeeded(qnn::refineShapes(func)))
      return success();
    func.setType(before->getFunctionType());
    func.getBody().takeBody(before->getBody());
    return failure();
  }

  /// Folds all that may be a size in a branch, unless what follows from it
  /// contradicts what the branch computes, as where a model has a branch for
  /// each of two sizes and is compiled for one of them: an error would be wrong
  /// then, since the other branch is never taken. It is left as it is, and asks
  /// for its sizes at run time.
  void foldSizes(func::FuncOp func, scf::IfOp branch, Region &region) {
    Region before;
    IRMapping mapping;
    region.cloneInto(&before, mapping);
    bool isFolded = false;
    region.walk<WalkOrder::PreOrder>([&](Block *block) {
      isFolded |= fold(func, *block, /*withSizes=*/true);
    });
    if (isFolded && failed(qnn::refineBranch(branch, region)))
      region.takeBody(before);
  }

  /// One block after the other, outer ones first: what fails in a branch that
  /// may never be taken keeps nothing else from being folded.
  /// Gives whether anything was folded.
  bool fold(func::FuncOp func, Block &block, bool withSizes) {
    // Chosen ops, with the bytes of the constants that each depends on.
    llvm::MapVector<Operation *, int64_t> chosen;
    for (Operation &op : block)
      if (std::optional<int64_t> bytes = getSourceBytes(&op, chosen, withSizes))
        chosen[&op] = *bytes;
    return !chosen.empty() && succeeded(evaluate(func, chosen));
  }

  /// Whether `mover` does nothing but to give the dimensions of `use` other
  /// places, so that it may as well move codes, and scales of any axis stay
  /// with them.
  static bool movesAlone(qnn::SameScaleOpInterface mover, OpOperand &use) {
    auto type = dyn_cast<RankedTensorType>(use.get().getType());
    return type &&
           mover.getDataOperands() ==
               SmallVector<unsigned>{use.getOperandNumber()} &&
           llvm::all_of(llvm::seq(type.getRank()), [&](int64_t axis) {
             return mover.getResultAxis(axis).has_value();
           });
  }

  /// Whether `op` dequantizes a weight for a product of matrices, if it is
  /// moved on the way or not: those take the codes as they are.
  static bool isCodedWeight(Operation *op) {
    if (!isa<qnn::DequantizeOp>(op))
      return false;
    llvm::SetVector<Operation *> reached;
    reached.insert(op);
    for (size_t i = 0; i < reached.size(); ++i)
      for (OpOperand &use : reached[i]->getUses()) {
        unsigned index = use.getOperandNumber();
        auto product = dyn_cast<qnn::QuantizableOpInterface>(use.getOwner());
        if (product && product.getSummedAxis(index))
          return true;
        auto mover = dyn_cast<qnn::SameScaleOpInterface>(use.getOwner());
        if (mover && movesAlone(mover, use))
          reached.insert(mover);
      }
    return false;
  }

  /// Whether `op` can be folded, given those chosen before it; in a branch or a
  /// loop, what may be a size only `withSizes`.
  std::optional<int64_t>
  getSourceBytes(Operation *op,
                 const llvm::MapVector<Operation *, int64_t> &chosen,
                 bool withSizes) {
    if (!isa_and_present<qnn::QNNDialect>(op->getDialect()) ||
        op->getNumOperands() == 0 || op->getNumRegions() || !isPure(op) ||
        isCodedWeight(op) || (keepDequantized && isa<qnn::DequantizeOp>(op)))
      return std::nullopt;
    int64_t source = 0;
    for (Value operand : op->getOperands()) {
      Operation *producer = operand.getDefiningOp();
      if (!producer)
        return std::nullopt;
      auto *it = chosen.find(producer);
      if (it != chosen.end())
        source += it->second;
      else if (auto constant = dyn_cast<qnn::ConstantOp>(producer))
        source += getHeldBytes(constant);
      else
        return std::nullopt;
    }
    int64_t result = 0;
    bool isNested = !isa<func::FuncOp>(op->getParentOp());
    for (Type type : op->getResultTypes()) {
      auto tensor = dyn_cast<RankedTensorType>(type);
      if (!tensor || !tensor.hasStaticShape() || tensor.getNumElements() == 0)
        return std::nullopt;
      if (isNested && !withSizes &&
          tensor.getNumElements() <= maxInlineElements)
        return std::nullopt;
      result += getBytes(type);
    }
    // Nor is it worth room that it would take whether it is taken or not.
    bool mayGrow = result <= (64 << 10) && !isNested;
    if (result > maxGrowth * source && !mayGrow)
      return std::nullopt;
    return source;
  }

  /// Which of the chosen ops compute with what was dequantized: their results
  /// are quantized weights in the guise of floats.
  static llvm::DenseSet<Operation *>
  findDequantized(const llvm::MapVector<Operation *, int64_t> &chosen) {
    llvm::DenseSet<Operation *> found;
    for (auto &[op, bytes] : chosen)
      if (isa<qnn::DequantizeOp>(op) ||
          llvm::any_of(op->getOperands(), [&](Value operand) {
            Operation *producer = operand.getDefiningOp();
            return found.contains(producer) ||
                   producer->hasAttr(qnn::dequantizedAttr);
          }))
        found.insert(op);
    return found;
  }

  /// What code that runs once is worth: most models fold little more than
  /// parameters of normalizations, and many of them. Sums are always optimized:
  /// products that they add up round once then, as in a library.
  static native::Effort
  getEffort(const llvm::MapVector<Operation *, int64_t> &chosen) {
    int64_t bytes = 0;
    for (auto &[op, source] : chosen) {
      auto mover = dyn_cast<qnn::SameScaleOpInterface>(op);
      bool moves = mover && !mover.getDataOperands().empty();
      if (!moves && !op->hasTrait<qnn::ElementwiseTrait>() &&
          !isa<qnn::PointwiseOpInterface>(op))
        return native::Effort::Full;
      // Of powers LLVM makes square roots and quotients, rounded otherwise.
      if (auto binary = dyn_cast<qnn::BinaryOp>(op);
          binary && binary.getKind() == qnn::BinaryKind::pow)
        return native::Effort::Full;
      for (Value value : op->getOperands())
        bytes += getBytes(value.getType());
      for (Type type : op->getResultTypes())
        bytes += getBytes(type);
    }
    return bytes <= maxQuickBytes ? native::Effort::Quick
                                  : native::Effort::Full;
  }

  LogicalResult evaluate(func::FuncOp func,
                         const llvm::MapVector<Operation *, int64_t> &chosen) {
    SmallVector<Value> outputs;
    for (auto &[op, bytes] : chosen)
      for (Value result : op->getResults())
        if (llvm::any_of(result.getUsers(), [&](Operation *user) {
              return !chosen.contains(user);
            }))
          outputs.push_back(result);
    if (outputs.empty())
      return failure();

    // A module of its own, with the large constants as arguments.
    OpBuilder b(&getContext());
    OwningOpRef<ModuleOp> module = ModuleOp::create(func.getLoc());
    b.setInsertionPointToStart(module->getBody());
    SmallVector<Type> inputTypes;
    SmallVector<ArrayRef<char>> inputs;
    llvm::MapVector<Operation *, unsigned> arguments;
    for (auto &[op, bytes] : chosen)
      for (Value operand : op->getOperands()) {
        auto constant = operand.getDefiningOp<qnn::ConstantOp>();
        if (!constant || arguments.contains(constant) ||
            constant.getType().getNumElements() <= maxInlineElements)
          continue;
        if (auto data = qnn::getConstantBytes(constant.getValue())) {
          arguments[constant] = inputs.size();
          inputs.push_back(*data);
          inputTypes.push_back(constant.getType());
        }
      }
    auto main = func::FuncOp::create(
        b, func.getLoc(), "main",
        b.getFunctionType(inputTypes, TypeRange(ValueRange(outputs))));
    b.setInsertionPointToStart(main.addEntryBlock());
    IRMapping mapping;
    for (auto &[constant, index] : arguments)
      mapping.map(constant->getResult(0), main.getArgument(index));
    for (auto &[op, bytes] : chosen) {
      for (Value operand : op->getOperands())
        if (!mapping.contains(operand))
          b.clone(*operand.getDefiningOp(), mapping);
      b.clone(*op, mapping);
    }
    SmallVector<Value> results;
    for (Value output : outputs)
      results.push_back(mapping.lookup(output));
    func::ReturnOp::create(b, func.getLoc(), results);

    SmallVector<TensorBytes> values;
    if (failed(run(*module, getEffort(chosen), inputs, values)))
      return failure();
    llvm::DenseSet<Operation *> dequantized = findDequantized(chosen);
    b.setInsertionPointToStart(&func.getBody().front());
    for (auto [output, bytes] : llvm::zip_equal(outputs, values)) {
      auto type = cast<RankedTensorType>(output.getType());
      Value constant = qnn::ConstantOp::create(b, output.getLoc(),
                                               qnn::makeConstant(type, bytes));
      qnn::setValueName(constant, qnn::getValueName(output));
      if (dequantized.contains(output.getDefiningOp()) &&
          isa<FloatType>(type.getElementType()))
        constant.getDefiningOp()->setAttr(qnn::dequantizedAttr,
                                          b.getUnitAttr());
      output.replaceAllUsesWith(constant);
      bytesFolded += bytes.size();
    }
    for (auto &[op, bytes] : llvm::reverse(chosen)) {
      op->erase();
      ++numFolded;
    }
    return success();
  }

  /// What cannot be computed here (an op with no lowering, an index out of
  /// range) is reported where the model itself is compiled or run.
  LogicalResult run(ModuleOp module, native::Effort effort,
                    ArrayRef<ArrayRef<char>> inputs,
                    SmallVectorImpl<TensorBytes> &values) {
    ScopedDiagnosticHandler silence(&getContext(),
                                    [](Diagnostic &) { return success(); });
    FailureOr<JITFunction> function = JITFunction::compile(module, effort);
    std::string error;
    if (failed(function))
      return failure();
    return function->run(inputs, values, error);
  }
};

} // namespace
