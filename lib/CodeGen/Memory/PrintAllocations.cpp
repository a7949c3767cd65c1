//===- PrintAllocations.cpp - What kernels allocate at run time -----------===//
//
// The memory plan knows the buffers of `main` that have a known size. Panels
// and padded images that are too large for the stack are allocations of the
// kernels' own, and so are buffers whose size only the call tells.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/Matchers.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/FormatVariadic.h"

#include <map>

namespace quantc {
#define GEN_PASS_DEF_PRINTALLOCATIONSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
/// Writes numbers as formulas over the dimensions of the model's inputs.
class Formula {
public:
  /// `call` is that of the kernel around the numbers, or null.
  explicit Formula(func::CallOp call) : call(call) {}

  std::string print(Value number);
  /// The bytes of a buffer.
  std::string printBytes(memref::AllocOp alloc);

private:
  std::string printDim(Value buffer, int64_t dim);

  func::CallOp call;
};
} // namespace

std::string Formula::printDim(Value buffer, int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return std::to_string(type.getDimSize(dim));
  if (auto alloc = buffer.getDefiningOp<memref::AllocOp>())
    return print(alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]);
  auto argument = dyn_cast<BlockArgument>(buffer);
  auto func = argument
                  ? dyn_cast<func::FuncOp>(argument.getOwner()->getParentOp())
                  : nullptr;
  if (!func)
    return "?";
  if (call && func.getSymName() == call.getCallee())
    return Formula(nullptr).printDim(call.getOperand(argument.getArgNumber()),
                                     dim);
  auto dims =
      func.getArgAttrOfType<ArrayAttr>(argument.getArgNumber(), "qnn.dims");
  auto name = dims ? dyn_cast<StringAttr>(dims[dim]) : nullptr;
  if (name && !name.getValue().empty())
    return name.getValue().str();
  return llvm::formatv("arg{0}[{1}]", argument.getArgNumber(), dim);
}

std::string Formula::print(Value number) {
  IntegerAttr constant;
  if (matchPattern(number, m_Constant(&constant)))
    return std::to_string(constant.getInt());
  Operation *op = number.getDefiningOp();
  if (!op)
    return "?";
  if (auto dim = dyn_cast<memref::DimOp>(op))
    if (std::optional<int64_t> index = dim.getConstantIndex())
      return printDim(dim.getSource(), *index);
  if (isa<arith::IndexCastOp, arith::IndexCastUIOp>(op))
    return print(op->getOperand(0));
  const char *form =
      llvm::TypeSwitch<Operation *, const char *>(op)
          .Case([](arith::MulIOp) { return "{0} * {1}"; })
          .Case([](arith::AddIOp) { return "({0} + {1})"; })
          .Case([](arith::SubIOp) { return "({0} - {1})"; })
          .Case<arith::DivSIOp, arith::DivUIOp, arith::FloorDivSIOp>(
              [](auto) { return "floor({0} / {1})"; })
          .Case<arith::CeilDivSIOp, arith::CeilDivUIOp>(
              [](auto) { return "ceil({0} / {1})"; })
          .Case<arith::MinSIOp, arith::MinUIOp>(
              [](auto) { return "min({0}, {1})"; })
          .Case<arith::MaxSIOp, arith::MaxUIOp>(
              [](auto) { return "max({0}, {1})"; })
          .Default([](Operation *) { return nullptr; });
  if (!form)
    return "?";
  return llvm::formatv(form, print(op->getOperand(0)),
                       print(op->getOperand(1)));
}

/// The bytes of `type` for each index of its dynamic dimensions.
static int64_t getKnownBytes(MemRefType type) {
  Type element = type.getElementType();
  int64_t bytes = element.isIntOrFloat()
                      ? llvm::divideCeil(element.getIntOrFloatBitWidth(), 8)
                      : 8;
  for (int64_t size : type.getShape())
    if (!ShapedType::isDynamic(size))
      bytes *= size;
  return bytes;
}

std::string Formula::printBytes(memref::AllocOp alloc) {
  std::string text = std::to_string(getKnownBytes(alloc.getType()));
  for (Value size : alloc.getDynamicSizes())
    text += " * " + print(size);
  return text;
}

/// The name of the node that `loc` belongs to.
static std::string getNode(Location loc) {
  auto name = loc->findInstanceOf<NameLoc>();
  return name ? name.getName().str() : "-";
}

/// Whether each thread has one of its own.
static bool isPerThread(memref::AllocOp alloc) {
  return bool(alloc->getParentOfType<omp::ParallelOp>());
}

/// The arena is what other buffers of the model are views of. (Kernels have
/// views of their own bytes, too.)
static bool isArena(memref::AllocOp alloc) {
  return !alloc->getParentOfType<func::FuncOp>().isPrivate() &&
         llvm::any_of(alloc->getUsers(), llvm::IsaPred<memref::ViewOp>);
}

/// Whether nothing reads or writes what `op` gives: a canonicalization erases
/// buffers that lowered ops have no need for.
static bool isUnused(Operation *op) {
  return llvm::all_of(op->getUsers(), [](Operation *user) {
    return isa<memref::DeallocOp>(user) || (isPure(user) && isUnused(user));
  });
}

namespace {
struct PrintAllocationsPass
    : quantc::impl::PrintAllocationsPassBase<PrintAllocationsPass> {
  /// Allocations of kernels that are known, of the largest kernel.
  struct Sums {
    int64_t bytes = 0, bytesPerThread = 0;
  };

  void runOnOperation() override {
    ModuleOp module = getOperation();
    llvm::StringMap<SmallVector<func::CallOp>> calls;
    module.walk(
        [&](func::CallOp call) { calls[call.getCallee()].push_back(call); });
    Sums most;
    int64_t count = 0, numDynamic = 0;
    std::string rows;
    llvm::raw_string_ostream os(rows);
    for (auto func : module.getOps<func::FuncOp>()) {
      Sums sums;
      func.walk([&](memref::AllocOp alloc) {
        if (isArena(alloc) || isUnused(alloc))
          return;
        ++count;
        bool isKnown = alloc.getType().hasStaticShape();
        numDynamic += !isKnown;
        if (func.isPrivate() && isKnown)
          (isPerThread(alloc) ? sums.bytesPerThread : sums.bytes) +=
              getKnownBytes(alloc.getType());
        printRows(os, func, alloc, calls.lookup(func.getSymName()));
      });
      most.bytes = std::max(most.bytes, sums.bytes);
      most.bytesPerThread = std::max(most.bytesPerThread, sums.bytesPerThread);
    }
    llvm::outs() << llvm::formatv(
                        "run-time allocations: {0}, {1} of them of dynamic "
                        "size; the others of a kernel take at most {2} bytes, "
                        "and {3} bytes a thread\n",
                        count, numDynamic, most.bytes, most.bytesPerThread)
                 << llvm::formatv("{0,-7} {1,-32} {2,-24} {3}\n", "for",
                                  "function", "node", "bytes")
                 << rows;
  }

  /// Calls with the same sizes share a row.
  static void printRows(raw_ostream &os, func::FuncOp func,
                        memref::AllocOp alloc, ArrayRef<func::CallOp> calls) {
    std::map<std::string, SmallVector<std::string>> nodes;
    for (func::CallOp call : calls)
      nodes[Formula(call).printBytes(alloc)].push_back(getNode(call.getLoc()));
    if (calls.empty())
      nodes[Formula(nullptr).printBytes(alloc)] = {getNode(alloc.getLoc())};
    for (const auto &[bytes, names] : nodes) {
      std::string node = names.front();
      if (names.size() > 1)
        node += llvm::formatv(" and {0} more", names.size() - 1).str();
      os << llvm::formatv("{0,-7} {1,-32} {2,-24} {3}\n",
                          isPerThread(alloc) ? "thread" : "call",
                          func.getSymName(), node, bytes);
    }
  }
};
} // namespace
