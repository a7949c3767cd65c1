//===- ShrinkColdCode.cpp - Small code where little time is spent ---------===//
//
// What a function or a loop costs is how many machine operations it executes in
// a run of the model: ops, times the iterations of the loops around them, in
// each place that calls the function. Where that is next to nothing of the
// whole, the size of its code counts more than its speed.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/ElementCost.h"
#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/IR/SymbolTable.h"

namespace quantc {
#define GEN_PASS_DEF_SHRINKCOLDCODEPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// What cold functions may take of a run, all together, and what cold loops of
/// the others may. Were they half as slow again, a run would be 0.4 % slower.
static constexpr double kColdShare = 1.0 / 256;

/// Iterations of loops whose number is not known. Code is cold if it is so
/// whether they are few or many.
static constexpr double kUnknownTrips[] = {2, 256};

/// A wider vector counts as several operations.
static constexpr int64_t kVectorBits = 256;

/// An upper bound of `upper - lower`, as far as blocks and their remainders
/// have one: min(first + 8, size) - first is at most 8. Indices are not
/// negative.
static std::optional<int64_t> getMostBetween(Value lower, Value upper) {
  std::optional<int64_t> from = getConstantIntValue(lower);
  if (std::optional<int64_t> to = getConstantIntValue(upper))
    return *to - from.value_or(0);
  Operation *op = upper.getDefiningOp();
  if (!op || op->getNumOperands() != 2)
    return std::nullopt;
  Value lhs = op->getOperand(0), rhs = op->getOperand(1);
  std::optional<int64_t> constant = getConstantIntValue(rhs);
  if (isa<arith::AddIOp>(op) && constant && lhs == lower)
    return constant;
  std::optional<int64_t> most = getMostBetween(lower, lhs);
  if (isa<arith::MinSIOp>(op)) {
    std::optional<int64_t> other = getMostBetween(lower, rhs);
    return most && other ? std::min(*most, *other) : most ? most : other;
  }
  if (!most || isa<arith::SubIOp>(op))
    return isa<arith::SubIOp>(op) ? most : std::nullopt;
  if (isa<arith::AddIOp>(op) && constant)
    return *most + *constant;
  if (isa<arith::MulIOp>(op) && constant && from)
    return (*most + *from) * *constant - *from;
  return std::nullopt;
}

static int64_t getBits(Type type) {
  return type.isIntOrFloat() ? type.getIntOrFloatBitWidth() : 64;
}

namespace {
/// What the functions and loops of a module cost in a run.
class RunCosts {
public:
  RunCosts(ModuleOp module, double unknownTrips)
      : symbols(module), unknownTrips(unknownTrips) {
    for (auto func : module.getOps<func::FuncOp>())
      if (func.isPublic() && !func.isExternal())
        share(func, /*times=*/1, /*total=*/getCost(func));
  }

  /// The part of a run that `op`, a function or a loop, takes; 0 if nothing
  /// calls it.
  double getShare(Operation *op) const { return shares.lookup(op); }

private:
  double getTrips(Value lower, Value upper, Value step);
  double getTrips(Operation *op);
  double getOwnCost(Operation *op);
  double getCost(Operation *op);
  double getCost(Region &region);
  void share(Operation *op, double times, double total);
  func::FuncOp getCallee(Operation *op) {
    auto call = dyn_cast<func::CallOp>(op);
    auto func =
        call ? symbols.lookup<func::FuncOp>(call.getCallee()) : func::FuncOp();
    return func && !func.isExternal() ? func : func::FuncOp();
  }

  SymbolTable symbols;
  double unknownTrips;
  DenseMap<Operation *, double> costs, shares;
};
} // namespace

double RunCosts::getTrips(Value lower, Value upper, Value step) {
  std::optional<int64_t> most = getMostBetween(lower, upper);
  std::optional<int64_t> by = getConstantIntValue(step);
  if (!most || !by || *by <= 0)
    return unknownTrips;
  return double(llvm::divideCeil(std::max<int64_t>(*most, 0), *by));
}

/// How often the regions of `op` are entered each time that it is executed.
double RunCosts::getTrips(Operation *op) {
  if (auto loop = dyn_cast<scf::ForOp>(op))
    return getTrips(loop.getLowerBound(), loop.getUpperBound(), loop.getStep());
  if (auto nest = dyn_cast<omp::LoopNestOp>(op)) {
    double trips = 1;
    for (auto [lower, upper, step] :
         llvm::zip(nest.getLoopLowerBounds(), nest.getLoopUpperBounds(),
                   nest.getLoopSteps()))
      trips *= getTrips(lower, upper, step);
    return trips;
  }
  auto branch = dyn_cast<RegionBranchOpInterface>(op);
  return branch && branch.hasLoop() ? unknownTrips : 1;
}

double RunCosts::getOwnCost(Operation *op) {
  if (op->getNumRegions())
    return 1;
  if (auto copy = dyn_cast<memref::CopyOp>(op)) {
    auto type = cast<BaseMemRefType>(copy.getTarget().getType());
    double bits = double(getBits(type.getElementType()));
    for (int64_t size : type.hasRank() ? type.getShape() : ArrayRef<int64_t>())
      bits *= ShapedType::isDynamic(size) ? unknownTrips : double(size);
    return 1 + bits / kVectorBits;
  }
  int64_t most = kVectorBits;
  auto widen = [&](TypeRange types) {
    for (Type type : types)
      if (auto vector = dyn_cast<VectorType>(type))
        most = std::max(most, vector.getNumElements() *
                                  getBits(vector.getElementType()));
  };
  widen(op->getOperandTypes());
  widen(op->getResultTypes());
  return double(quantc::getElementCost(op)) * double(most) / kVectorBits;
}

double RunCosts::getCost(Region &region) {
  double sum = 0;
  for (Operation &op : region.getOps())
    sum += getCost(&op);
  return sum;
}

double RunCosts::getCost(Operation *op) {
  // Of a function that calls itself, nothing is known.
  auto [known, isNew] = costs.try_emplace(op, 0);
  if (!isNew)
    return known->second;
  double inside = 0;
  auto branch = dyn_cast<RegionBranchOpInterface>(op);
  bool takesOne = branch && !branch.hasLoop();
  for (Region &region : op->getRegions())
    inside =
        takesOne ? std::max(inside, getCost(region)) : inside + getCost(region);
  double cost = getOwnCost(op) + getTrips(op) * inside;
  if (func::FuncOp callee = getCallee(op))
    cost += getCost(callee);
  return costs[op] = cost;
}

/// Adds what `op`, executed `times` in a run that costs `total`, takes of it.
/// Of a run that takes one way, what is on the other ways is no part.
void RunCosts::share(Operation *op, double times, double total) {
  if (isa<func::FuncOp, LoopLikeOpInterface>(op))
    shares[op] += times * getCost(op) / total;
  if (func::FuncOp callee = getCallee(op))
    share(callee, times, total);
  auto branch = dyn_cast<RegionBranchOpInterface>(op);
  bool takesOne = branch && !branch.hasLoop();
  double trips = getTrips(op);
  for (Region &region : op->getRegions()) {
    double taken = total;
    if (takesOne)
      taken -= times * (getCost(op) - getOwnCost(op) - getCost(region));
    for (Operation &inner : region.getOps())
      share(&inner, times * trips, taken);
  }
}

namespace {
struct ShrinkColdCodePass
    : public quantc::impl::ShrinkColdCodePassBase<ShrinkColdCodePass> {
  void runOnOperation() override {
    SmallVector<RunCosts, 2> runs;
    for (double trips : kUnknownTrips)
      runs.emplace_back(getOperation(), trips);
    auto getShare = [&](Operation *op) {
      double most = 0;
      for (const RunCosts &run : runs)
        most = std::max(most, run.getShare(op));
      return most;
    };
    // Those that take least, as many as take little together.
    auto keepCold = [&](SmallVector<Operation *> &ops) {
      llvm::stable_sort(ops, [&](Operation *a, Operation *b) {
        return getShare(a) < getShare(b);
      });
      double sum = 0;
      ops.erase(llvm::find_if(ops,
                              [&](Operation *op) {
                                return (sum += getShare(op)) > kColdShare;
                              }),
                ops.end());
    };
    SmallVector<Operation *> functions, loops;
    for (auto func : getOperation().getOps<func::FuncOp>())
      if (func.isPrivate() && !func.isExternal())
        functions.push_back(func);
    SmallVector<Operation *> coldFunctions(functions);
    keepCold(coldFunctions);
    Builder b(&getContext());
    for (Operation *func : coldFunctions) {
      func->setAttr(passthroughName, b.getStrArrayAttr({"optsize"}));
      ++numFunctions;
    }
    // Of what is left, loops that hold no others.
    for (Operation *func : functions)
      if (!func->hasAttr(passthroughName))
        func->walk([&](scf::ForOp loop) {
          auto findLoop = [](LoopLikeOpInterface) {
            return WalkResult::interrupt();
          };
          if (!loop.getBody()->walk(findLoop).wasInterrupted())
            loops.push_back(loop);
        });
    keepCold(loops);
    for (Operation *loop : loops) {
      loop->setAttr(annotationName, getPlainLoop());
      ++numLoops;
    }
  }

  /// LLVM leaves such loops as they are.
  LLVM::LoopAnnotationAttr getPlainLoop() {
    MLIRContext *context = &getContext();
    auto yes = BoolAttr::get(context, true);
    auto unroll = LLVM::LoopUnrollAttr::get(context, /*disable=*/yes, {}, {},
                                            {}, {}, {}, {});
    auto vectorize = LLVM::LoopVectorizeAttr::get(context, /*disable=*/yes, {},
                                                  {}, {}, {}, {}, {});
    return LLVM::LoopAnnotationAttr::get(context, {}, vectorize, {}, unroll, {},
                                         {}, {}, {}, {}, {}, {}, {}, {}, {},
                                         {});
  }

  /// What the conversions to the LLVM dialect know these attributes by.
  static constexpr StringLiteral passthroughName = "passthrough";
  static constexpr StringLiteral annotationName = "llvm.loop_annotation";
};
} // namespace
