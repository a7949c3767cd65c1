//===- LowerLookups.cpp - Tables of bytes as permutations of vectors ------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Target/ByteTable.h"
#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERLOOKUPSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Bytes of a task, and of a buffer from which on there are several.
static constexpr int64_t kTaskBytes = 32768;
static constexpr int64_t kParallelBytes = 262144;

static bool isContiguousBytes(Value buffer) {
  auto type = dyn_cast<MemRefType>(buffer.getType());
  return type && type.getLayout().isIdentity() &&
         type.getElementType().isInteger(8);
}

/// The table if `op` replaces each byte by an entry of one.
static Value matchLookup(linalg::GenericOp op) {
  if (!op.hasPureBufferSemantics() || op.getNumDpsInputs() != 1 ||
      op.getNumDpsInits() != 1 ||
      op.getNumParallelLoops() != op.getNumLoops() ||
      !llvm::all_of(op.getIndexingMapsArray(),
                    [](AffineMap map) { return map.isIdentity(); }) ||
      !isContiguousBytes(op.getDpsInputs()[0]) ||
      !isContiguousBytes(op.getDpsInits()[0]))
    return nullptr;
  auto load = op.getBody()
                  ->getTerminator()
                  ->getOperand(0)
                  .getDefiningOp<memref::LoadOp>();
  if (!load || ByteTable::matchIndex(load.getMemref(), load.getIndices()) !=
                   op.getBody()->getArgument(0))
    return nullptr;
  return load.getMemref();
}

namespace {
class LookupEmitter {
public:
  LookupEmitter(KernelEmitter &e, linalg::GenericOp op, Value table,
                TablePermutes permutes)
      : e(e), input(e.flatten(op.getDpsInputs()[0])),
        output(e.flatten(op.getDpsInits()[0])), table(table),
        permutes(permutes),
        lanes(permutes.bytes ? 64 : permutes.shuffledBytes) {}

  void emit(bool useThreads) {
    Value size = e.size(input, 0);
    Value condition;
    if (useThreads)
      condition =
          e.compare(arith::CmpIPredicate::sgt, size, e.index(kParallelBytes));
    e.parallelFor(e.ceilDiv(size, kTaskBytes), condition, [&](Value task) {
      Value first = e.mul(task, e.index(kTaskBytes));
      emitTask(first, e.min(e.sub(size, first), e.index(kTaskBytes)));
    });
  }

private:
  void emitTask(Value first, Value count) {
    ByteTable entries(e, table, permutes);
    auto emitVector = [&](Value at, Value mask) {
      Value place = e.add(first, at);
      Value bytes = e.loadVector(input, place, lanes, mask);
      e.storeVector(entries.lookUp(e, bytes), output, place, mask);
    };
    Value whole = e.mul(e.floorDiv(count, lanes), e.index(lanes));
    e.forLoop(e.index(0), whole, lanes,
              [&](Value at) { emitVector(at, nullptr); });
    if (!permutes.bytes)
      // Not all of these targets have masks of bytes.
      return e.forLoop(whole, count, 1, [&](Value at) {
        Value place = e.add(first, at);
        e.store(entries.lookUp(e, e.load(input, place)), output, place);
      });
    Value rest = e.sub(count, whole);
    e.ifThen(e.compare(arith::CmpIPredicate::sgt, rest, e.index(0)), [&] {
      emitVector(whole, vector::CreateMaskOp::create(
                            e.b, e.loc, VectorType::get(lanes, e.b.getI1Type()),
                            rest));
    });
  }

  KernelEmitter &e;
  Value input, output, table;
  TablePermutes permutes;
  /// Bytes of a register.
  int64_t lanes;
};

struct LowerLookupsPass
    : public quantc::impl::LowerLookupsPassBase<LowerLookupsPass> {
  using LowerLookupsPassBase::LowerLookupsPassBase;

  void runOnOperation() override {
    TablePermutes permutes = VectorUnit::fromFeatures(targetFeatures).permutes;
    if (!permutes.bytes && !permutes.shuffledBytes)
      return;
    SmallVector<std::pair<linalg::GenericOp, Value>> lookups;
    getOperation().walk([&](linalg::GenericOp op) {
      if (Value table = matchLookup(op))
        lookups.push_back({op, table});
    });
    for (auto [op, table] : lookups) {
      OpBuilder builder(op);
      KernelEmitter emitter(builder, op.getLoc());
      // Only kernels run on several threads: nothing calls them in parallel.
      auto func = dyn_cast<func::FuncOp>(op->getParentOp());
      LookupEmitter(emitter, op, table, permutes)
          .emit(threads && func && func.isPrivate());
      op.erase();
      ++numLookups;
    }
  }
};
} // namespace
