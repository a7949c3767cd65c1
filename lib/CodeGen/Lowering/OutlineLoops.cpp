//===- OutlineLoops.cpp - Parallel loops as functions of the runtime ------===//
//
// The OpenMP dialect would start and end a team of threads for each loop, and
// enters libomp even where there is one thread. Instead the body of a parallel
// loop becomes a function over a range of its iterations, and the runtime hands
// ranges to the threads that a run of the model has, or all to the caller.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/Matchers.h"
#include "mlir/IR/SymbolTable.h"
#include "mlir/Transforms/RegionUtils.h"

namespace quantc {
#define GEN_PASS_DEF_OUTLINELOOPSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

static constexpr StringLiteral kParallelFunction = "quantc_rt_parallel";

/// The loop that `parallel` shares among threads, if it does nothing else but
/// compute values for it.
static omp::LoopNestOp findLoop(omp::ParallelOp parallel) {
  Region &region = parallel.getRegion();
  if (!region.hasOneBlock() || region.getNumArguments())
    return nullptr;
  omp::WsloopOp share;
  for (Operation &op : region.front().without_terminator()) {
    if (share || (!isa<omp::WsloopOp>(op) && !isMemoryEffectFree(&op)))
      return nullptr;
    share = dyn_cast<omp::WsloopOp>(op);
  }
  if (!share || share.getRegion().getNumArguments() ||
      !share.getRegion().hasOneBlock())
    return nullptr;
  auto loop = dyn_cast<omp::LoopNestOp>(share.getRegion().front().front());
  if (!loop || loop.getLoopLowerBounds().size() != 1 ||
      !matchPattern(loop.getLoopLowerBounds().front(), m_Zero()) ||
      !matchPattern(loop.getLoopSteps().front(), m_One()))
    return nullptr;
  return loop;
}

/// Makes what `region` uses from above it known in `entry`, the first block of
/// a function: constants again, all else (`captured`) in a struct `context`
/// that its first argument points to.
static void passValues(Region &region, Block *entry,
                       SmallVectorImpl<Value> &captured,
                       LLVM::LLVMStructType &context) {
  SetVector<Value> used;
  getUsedValuesDefinedAbove(region, used);
  OpBuilder b = OpBuilder::atBlockBegin(entry);
  SmallVector<Type> types;
  for (Value value : used) {
    Operation *definition = value.getDefiningOp();
    if (definition && (definition->hasTrait<OpTrait::ConstantLike>() ||
                       isa<LLVM::AddressOfOp>(definition))) {
      auto result = cast<OpResult>(value);
      replaceAllUsesInRegionWith(
          value, b.clone(*definition)->getResult(result.getResultNumber()),
          region);
      continue;
    }
    captured.push_back(value);
    types.push_back(value.getType());
  }
  context = LLVM::LLVMStructType::getLiteral(region.getContext(), types);
  Value base = entry->getArgument(0);
  for (auto [i, value] : llvm::enumerate(captured)) {
    Value place =
        LLVM::GEPOp::create(b, value.getLoc(), base.getType(), context, base,
                            ArrayRef<LLVM::GEPArg>{0, int32_t(i)});
    Value loaded =
        LLVM::LoadOp::create(b, value.getLoc(), value.getType(), place);
    replaceAllUsesInRegionWith(value, loaded, region);
  }
}

/// Emits a loop from `first` to `end` around the blocks of `body`, whose
/// argument counts, behind `entry`.
static void emitLoop(Region &body, Block *entry, Value first, Value end) {
  Location loc = first.getLoc();
  Region *function = entry->getParent();
  OpBuilder b = OpBuilder::atBlockEnd(entry);
  Block *inside = &body.front();
  Block *header = b.createBlock(function, {}, first.getType(), loc);
  function->getBlocks().splice(function->end(), body.getBlocks());
  Block *exit = b.createBlock(function, function->end());
  LLVM::ReturnOp::create(b, loc, ValueRange());
  b.setInsertionPointToEnd(entry);
  LLVM::BrOp::create(b, loc, first, header);
  b.setInsertionPointToEnd(header);
  Value count = header->getArgument(0);
  Value goesOn =
      LLVM::ICmpOp::create(b, loc, LLVM::ICmpPredicate::slt, count, end);
  LLVM::CondBrOp::create(b, loc, goesOn, inside, exit);
  inside->getArgument(0).replaceAllUsesWith(count);
  inside->eraseArgument(0);
  for (Block &block : *function) {
    auto yield = dyn_cast<omp::YieldOp>(block.getTerminator());
    if (!yield)
      continue;
    b.setInsertionPoint(yield);
    Value one = LLVM::ConstantOp::create(b, loc, count.getType(), 1);
    Value next = LLVM::AddOp::create(b, loc, count, one);
    LLVM::BrOp::create(b, loc, next, header);
    yield.erase();
  }
}

namespace {
struct OutlineLoopsPass
    : public quantc::impl::OutlineLoopsPassBase<OutlineLoopsPass> {
  void runOnOperation() override {
    SmallVector<omp::ParallelOp> loops;
    getOperation().walk([&](omp::ParallelOp op) { loops.push_back(op); });
    if (loops.empty())
      return;
    declareRuntime();
    SymbolTable symbols(getOperation());
    for (omp::ParallelOp parallel : loops) {
      omp::LoopNestOp loop = findLoop(parallel);
      if (!loop) {
        parallel.emitError("is no loop that the runtime can share");
        return signalPassFailure();
      }
      outline(parallel, loop, symbols);
      ++numLoops;
    }
  }

  /// void quantc_rt_parallel(loop, context, count, useThreads)
  void declareRuntime() {
    OpBuilder b = OpBuilder::atBlockBegin(getOperation().getBody());
    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    auto type = LLVM::LLVMFunctionType::get(
        LLVM::LLVMVoidType::get(&getContext()),
        {pointer, pointer, b.getI64Type(), b.getI32Type()});
    LLVM::LLVMFuncOp::create(b, getOperation().getLoc(), kParallelFunction,
                             type);
  }

  void outline(omp::ParallelOp parallel, omp::LoopNestOp loop,
               SymbolTable &symbols) {
    Location loc = parallel.getLoc();
    auto caller = parallel->getParentOfType<LLVM::LLVMFuncOp>();
    OpBuilder b(parallel);
    // What each thread would compute before the loop comes from the caller.
    Block &around = parallel.getRegion().front();
    while (!isa<omp::WsloopOp>(around.front()))
      around.front().moveBefore(parallel);

    auto pointer = LLVM::LLVMPointerType::get(&getContext());
    Type i64 = b.getI64Type();
    b.setInsertionPointAfter(caller);
    auto func = LLVM::LLVMFuncOp::create(
        b, loc, (caller.getName() + "_loop").str(),
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    {pointer, i64, i64}),
        LLVM::Linkage::Internal);
    symbols.insert(func);
    Block *entry = func.addEntryBlock(b);
    SmallVector<Value> captured;
    LLVM::LLVMStructType context;
    Value size = loop.getLoopUpperBounds().front();
    passValues(loop.getRegion(), entry, captured, context);
    emitLoop(loop.getRegion(), entry, entry->getArgument(1),
             entry->getArgument(2));

    // Room for one context, even where the loop is called in another loop.
    b.setInsertionPointToStart(&caller.getBody().front());
    Value one = LLVM::ConstantOp::create(b, loc, i64, 1);
    Value room = LLVM::AllocaOp::create(b, loc, pointer, context, one);
    b.setInsertionPoint(parallel);
    for (auto [i, value] : llvm::enumerate(captured)) {
      Value place = LLVM::GEPOp::create(b, loc, pointer, context, room,
                                        ArrayRef<LLVM::GEPArg>{0, int32_t(i)});
      LLVM::StoreOp::create(b, loc, value, place);
    }
    Value useThreads;
    if (Value condition = parallel.getIfExpr())
      useThreads = LLVM::ZExtOp::create(b, loc, b.getI32Type(), condition);
    else
      useThreads = LLVM::ConstantOp::create(b, loc, b.getI32Type(), 1);
    Value address = LLVM::AddressOfOp::create(b, loc, func);
    LLVM::CallOp::create(b, loc, TypeRange(), kParallelFunction,
                         ValueRange{address, room, size, useThreads});
    parallel.erase();
  }
};
} // namespace
