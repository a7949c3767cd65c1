//===- PlanMemory.cpp - Offsets of buffers in one arena -------------------===//
//
// Runs after buffers have their deallocations. A buffer that its own block
// frees, unconditionally, is nobody else's: from its allocation to its last use
// it may lie anywhere in the arena where no other live buffer lies. Positions
// are those of the ops of the function's body, so that a buffer inside of a
// loop lives as long as the loop. Buffers whose size is not known are freed
// behind their last use: deallocation leaves that to the end of the block.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Bufferization/Transforms/BufferViewFlowAnalysis.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "llvm/Support/FormatVariadic.h"

namespace quantc {
#define GEN_PASS_DEF_PLANMEMORYPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// A cache line, and the widest vector.
static constexpr int64_t kAlignment = 64;
/// What no processor can address. The sum of many of those would wrap.
static constexpr int64_t kMaximum = int64_t(1) << 48;

namespace {
/// A buffer with the positions where it is live, ends included.
struct Buffer {
  memref::AllocOp alloc;
  memref::DeallocOp dealloc;
  int64_t size, first, last;
  int64_t offset = 0;

  int64_t end() const { return offset + size; }
  bool isLiveWith(const Buffer &other) const {
    return first <= other.last && other.first <= last;
  }
};

/// The buffers of one function.
class Planner {
public:
  explicit Planner(func::FuncOp func);

  /// Gives each buffer its offset; returns the arena's size.
  int64_t assignOffsets();
  /// Replaces the allocations by views of one allocation of `size` bytes.
  void rewrite(int64_t size);
  /// Frees buffers of dynamic size as early as possible.
  void moveDeallocations();
  void print(raw_ostream &os, int64_t size);
  int64_t sumOfSizes() const;

  SmallVector<Buffer> buffers, dynamicBuffers;
  unsigned numLeft = 0;

private:
  bool add(memref::AllocOp alloc, const BufferViewFlowAnalysis &aliases);
  int64_t positionOf(Operation *op);

  func::FuncOp func;
  DenseMap<Operation *, int64_t> positions;
};
} // namespace

Planner::Planner(func::FuncOp func) : func(func) {
  Block &body = func.getBody().front();
  for (auto [i, op] : llvm::enumerate(body))
    positions[&op] = i;
  BufferViewFlowAnalysis aliases(func);
  func.walk([&](memref::AllocOp alloc) {
    if (!add(alloc, aliases))
      ++numLeft;
  });
}

int64_t Planner::positionOf(Operation *op) {
  return positions.lookup(func.getBody().front().findAncestorOpInBlock(*op));
}

/// The bytes of a buffer whose size is known; rounded up to the alignment.
static std::optional<int64_t> getSize(MemRefType type) {
  Type element = type.getElementType();
  if (!type.hasStaticShape() || !type.getLayout().isIdentity() ||
      type.getMemorySpace() || !element.isIntOrIndexOrFloat())
    return std::nullopt;
  int64_t bits = element.isIndex() ? 64 : element.getIntOrFloatBitWidth();
  int64_t bytes = llvm::divideCeil(bits, 8);
  for (int64_t size : type.getShape())
    if (llvm::MulOverflow(bytes, size, bytes))
      return std::nullopt;
  if (bytes > kMaximum)
    return std::nullopt;
  return llvm::alignTo(bytes, kAlignment);
}

bool Planner::add(memref::AllocOp alloc,
                  const BufferViewFlowAnalysis &aliases) {
  bool isDynamic = !alloc.getType().hasStaticShape();
  std::optional<int64_t> size =
      isDynamic ? std::optional<int64_t>(0) : getSize(alloc.getType());
  if (!size || alloc.getAlignment().value_or(1) > uint64_t(kAlignment))
    return false;
  // Threads would share the buffer.
  for (Operation *op = alloc->getParentOp(); op != func; op = op->getParentOp())
    if (op->hasTrait<OpTrait::HasParallelRegion>())
      return false;
  Buffer buffer{alloc, nullptr, *size, positionOf(alloc), positionOf(alloc)};
  for (Value alias : aliases.resolve(alloc.getResult()))
    for (Operation *user : alias.getUsers()) {
      if (auto dealloc = dyn_cast<memref::DeallocOp>(user)) {
        if (alias != alloc.getResult() || buffer.dealloc ||
            dealloc->getBlock() != alloc->getBlock())
          return false;
        buffer.dealloc = dealloc;
        continue;
      }
      // Comparisons of addresses and results of calls are nothing that the
      // analysis follows.
      bool returnsBuffer =
          isa<CallOpInterface>(user) &&
          llvm::any_of(user->getResultTypes(), llvm::IsaPred<BaseMemRefType>);
      if (returnsBuffer || isa<memref::ExtractAlignedPointerAsIndexOp>(user))
        return false;
      buffer.last = std::max(buffer.last, positionOf(user));
    }
  if (!buffer.dealloc)
    return false;
  (isDynamic ? dynamicBuffers : buffers).push_back(buffer);
  return !isDynamic;
}

void Planner::moveDeallocations() {
  Block &body = func.getBody().front();
  SmallVector<Operation *> ops = llvm::map_to_vector(
      body, [](Operation &op) -> Operation * { return &op; });
  for (Buffer &buffer : dynamicBuffers) {
    Operation *last = ops[buffer.last];
    if (buffer.alloc->getBlock() == &body && last != body.getTerminator())
      buffer.dealloc->moveAfter(last);
  }
}

int64_t Planner::assignOffsets() {
  SmallVector<Buffer *> bySize;
  for (Buffer &buffer : buffers)
    bySize.push_back(&buffer);
  llvm::sort(bySize, [](const Buffer *a, const Buffer *b) {
    return a->size != b->size ? a->size > b->size : a < b;
  });
  // Placed buffers, by their offset.
  SmallVector<Buffer *> placed;
  int64_t arena = 0;
  for (Buffer *buffer : bySize) {
    // The smallest gap between live buffers that is large enough.
    int64_t end = 0, best = -1, bestGap = std::numeric_limits<int64_t>::max();
    for (Buffer *other : placed) {
      if (!buffer->isLiveWith(*other))
        continue;
      int64_t gap = other->offset - end;
      if (gap >= buffer->size && gap < bestGap) {
        best = end;
        bestGap = gap;
      }
      end = std::max(end, other->end());
    }
    buffer->offset = best >= 0 ? best : end;
    arena = std::max(arena, buffer->end());
    auto *at =
        llvm::upper_bound(placed, buffer, [](const Buffer *a, const Buffer *b) {
          return a->offset < b->offset;
        });
    placed.insert(at, buffer);
  }
  return arena;
}

void Planner::rewrite(int64_t size) {
  Block &body = func.getBody().front();
  OpBuilder builder = OpBuilder::atBlockBegin(&body);
  Location loc = func.getLoc();
  auto type = MemRefType::get({size}, builder.getI8Type());
  Value arena = memref::AllocOp::create(builder, loc, type,
                                        builder.getI64IntegerAttr(kAlignment));
  DenseMap<int64_t, Value> offsets;
  for (const Buffer &buffer : buffers) {
    Value &offset = offsets[buffer.offset];
    if (!offset)
      offset = arith::ConstantIndexOp::create(builder, loc, buffer.offset);
  }
  for (Buffer &buffer : buffers) {
    builder.setInsertionPoint(buffer.alloc);
    Value view = memref::ViewOp::create(
        builder, buffer.alloc.getLoc(), buffer.alloc.getType(), arena,
        offsets.lookup(buffer.offset), ValueRange());
    buffer.dealloc.erase();
    buffer.alloc.replaceAllUsesWith(view);
    buffer.alloc.erase();
  }
  builder.setInsertionPoint(body.getTerminator());
  memref::DeallocOp::create(builder, loc, arena);
}

int64_t Planner::sumOfSizes() const {
  int64_t sum = 0;
  for (const Buffer &buffer : buffers)
    sum += buffer.size;
  return sum;
}

/// The model's name for the op that writes a buffer first.
static std::string describe(Location loc) {
  if (auto name = loc->findInstanceOf<NameLoc>())
    return name.getName().str();
  return "-";
}

void Planner::print(raw_ostream &os, int64_t size) {
  os << llvm::formatv("memory plan: {0} buffers of {1} bytes in an arena of "
                      "{2} bytes, {3} allocated apart\n",
                      buffers.size(), sumOfSizes(), size, numLeft);
  os << llvm::formatv("{0,12} {1,12} {2,6} {3,6}  {4,-24} {5}\n", "offset",
                      "bytes", "first", "last", "type", "node");
  for (Buffer &buffer : buffers) {
    std::string type;
    llvm::raw_string_ostream(type) << buffer.alloc.getType();
    os << llvm::formatv("{0,12} {1,12} {2,6} {3,6}  {4,-24} {5}\n",
                        buffer.offset, buffer.size, buffer.first, buffer.last,
                        type, describe(buffer.alloc.getLoc()));
  }
}

namespace {
struct PlanMemoryPass
    : public quantc::impl::PlanMemoryPassBase<PlanMemoryPass> {
  using PlanMemoryPassBase::PlanMemoryPassBase;

  void runOnOperation() override {
    int64_t total = 0;
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      // Kernels run in the middle of parallel loops, and own nothing large.
      if (func.isPrivate() || func.isExternal() ||
          !func.getBody().hasOneBlock())
        continue;
      Planner planner(func);
      int64_t size = planner.assignOffsets();
      if (printPlan)
        planner.print(llvm::outs(), size);
      numPlanned += planner.buffers.size();
      numLeft += planner.numLeft;
      sumOfBuffers += planner.sumOfSizes();
      arenaBytes += size;
      total += size;
      // While all ops are where they were counted.
      planner.moveDeallocations();
      if (!planner.buffers.empty())
        planner.rewrite(size);
    }
    if (total)
      getOperation()->setAttr(
          "qnn.arena_bytes", OpBuilder(&getContext()).getI64IntegerAttr(total));
  }
};
} // namespace
