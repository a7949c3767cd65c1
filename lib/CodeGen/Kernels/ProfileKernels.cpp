//===- ProfileKernels.cpp - Clocks around the calls of kernels ------------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Analysis/ProductRoots.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"
#include "mlir/Interfaces/CastInterfaces.h"

namespace quantc {
#define GEN_PASS_DEF_PROFILEKERNELSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

namespace {
/// The work of one call, as numbers that are emitted before it.
class CallWork {
public:
  CallWork(func::CallOp call, func::FuncOp kernel)
      : call(call), kernel(kernel), b(call), loc(call.getLoc()) {}

  /// i64; null if sizes do not tell it.
  Value countOperations();
  Value countBytes();
  StringRef getOperations() const { return operations; }

private:
  std::optional<OpFoldResult> getSize(Value buffer, int64_t dim);
  std::optional<SmallVector<OpFoldResult>> getLoops(linalg::LinalgOp op);
  std::optional<SmallVector<OpFoldResult>> getSizes(Value buffer);
  Value multiply(ArrayRef<OpFoldResult> sizes, int64_t factor);
  Value add(Value sum, Value more) {
    return sum ? b.createOrFold<arith::AddIOp>(loc, sum, more) : more;
  }
  Value countArgument(BlockArgument argument);

  func::CallOp call;
  func::FuncOp kernel;
  OpBuilder b;
  Location loc;
  StringRef operations;
};
} // namespace

/// A dimension of a buffer of the kernel, as the caller knows it.
std::optional<OpFoldResult> CallWork::getSize(Value buffer, int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return OpFoldResult(b.getIndexAttr(type.getDimSize(dim)));
  if (auto argument = dyn_cast<BlockArgument>(buffer)) {
    if (argument.getOwner() != &kernel.getBody().front())
      return std::nullopt;
    return OpFoldResult(b.createOrFold<memref::DimOp>(
        loc, call.getOperand(argument.getArgNumber()), dim));
  }
  // A buffer of the kernel's own has the size of one that it was given.
  auto alloc = buffer.getDefiningOp<memref::AllocOp>();
  if (!alloc)
    return std::nullopt;
  auto size = alloc.getDynamicSizes()[type.getDynamicDimIndex(dim)]
                  .getDefiningOp<memref::DimOp>();
  if (!size || !size.getConstantIndex())
    return std::nullopt;
  return getSize(size.getSource(), *size.getConstantIndex());
}

std::optional<SmallVector<OpFoldResult>> CallWork::getSizes(Value buffer) {
  SmallVector<OpFoldResult> sizes;
  for (int64_t i = 0, n = cast<MemRefType>(buffer.getType()).getRank(); i < n;
       ++i) {
    std::optional<OpFoldResult> size = getSize(buffer, i);
    if (!size)
      return std::nullopt;
    sizes.push_back(*size);
  }
  return sizes;
}

/// How often each loop of `op` runs.
std::optional<SmallVector<OpFoldResult>>
CallWork::getLoops(linalg::LinalgOp op) {
  SmallVector<OpFoldResult> loops(op.getNumLoops());
  for (OpOperand &operand : op->getOpOperands()) {
    if (!isa<MemRefType>(operand.get().getType()))
      continue;
    AffineMap map = op.getMatchingIndexingMap(&operand);
    for (auto [i, expr] : llvm::enumerate(map.getResults())) {
      auto dim = dyn_cast<AffineDimExpr>(expr);
      if (!dim || loops[dim.getPosition()])
        continue;
      if (std::optional<OpFoldResult> size = getSize(operand.get(), i))
        loops[dim.getPosition()] = *size;
    }
  }
  if (!llvm::all_of(loops, [](OpFoldResult size) { return bool(size); }))
    return std::nullopt;
  return loops;
}

Value CallWork::multiply(ArrayRef<OpFoldResult> sizes, int64_t factor) {
  SmallVector<Value> dynamic;
  for (OpFoldResult size : sizes) {
    if (std::optional<int64_t> known = getConstantIntValue(size))
      factor *= *known;
    else
      dynamic.push_back(cast<Value>(size));
  }
  Value product =
      arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(factor));
  for (Value size : dynamic) {
    Value wide = arith::IndexCastOp::create(b, loc, b.getI64Type(), size);
    product = arith::MulIOp::create(b, loc, product, wide);
  }
  return product;
}

/// The name for the products of `root`.
static StringRef nameOperations(linalg::LinalgOp root) {
  Type sum = getElementTypeOrSelf(root.getDpsInitOperand(0)->get());
  auto isNarrow = [](Value factor) {
    auto extend = factor.getDefiningOp<arith::ExtFOp>();
    return extend && extend.getIn().getType().isBF16();
  };
  if (isa<FloatType>(sum)) {
    auto factors = quantc::matchSumOfProducts(root);
    if (factors && isNarrow(factors->first) && isNarrow(factors->second))
      return "bf16";
    return sum.isF64() ? "f64" : "f32";
  }
  for (OpOperand *input : root.getDpsInputOperands())
    if (getElementTypeOrSelf(input->get()).getIntOrFloatBitWidth() > 8)
      return "int";
  return "int8";
}

/// The arithmetic of one step; casts are none, and a function counts as one.
static int64_t countArithmetic(linalg::LinalgOp op) {
  int64_t count = 0;
  op.getBlock()->walk([&](Operation *inner) {
    StringRef dialect = inner->getName().getDialectNamespace();
    count += (dialect == "arith" || dialect == "math") &&
             !isa<CastOpInterface, arith::CmpIOp>(inner) &&
             !inner->hasTrait<OpTrait::ConstantLike>() &&
             getElementTypeOrSelf(inner->getResult(0).getType()).isIntOrFloat();
  });
  return count;
}

Value CallWork::countOperations() {
  SmallVector<linalg::LinalgOp> products, others;
  kernel.walk([&](linalg::LinalgOp op) {
    if (!isa<linalg::FillOp>(op))
      (quantc::isProductRoot(op) ? products : others).push_back(op);
  });
  bool hasProduct = !products.empty();
  Value total;
  for (linalg::LinalgOp op : hasProduct ? products : others) {
    int64_t perStep = hasProduct ? 2 : countArithmetic(op);
    if (perStep == 0)
      continue;
    std::optional<SmallVector<OpFoldResult>> loops = getLoops(op);
    if (!loops)
      return nullptr;
    total = add(total, multiply(*loops, perStep));
    operations = hasProduct ? nameOperations(op) : StringRef("f32");
  }
  return total ? total : multiply({}, 0);
}

/// How wide what an op reads of an argument is: its body may say that a byte
/// holds fewer bits.
static int64_t getReadBits(OpOperand &use, int64_t storedBits) {
  auto op = dyn_cast<linalg::LinalgOp>(use.getOwner());
  if (!op || op.isDpsInit(&use))
    return storedBits;
  BlockArgument element = op.getMatchingBlockArgument(&use);
  if (!element.hasOneUse())
    return storedBits;
  auto cut = dyn_cast<arith::TruncIOp>(*element.user_begin());
  return cut ? cut.getType().getIntOrFloatBitWidth() : storedBits;
}

Value CallWork::countArgument(BlockArgument argument) {
  auto type = cast<MemRefType>(argument.getType());
  int64_t bits =
      type.getElementType().isIndex() ? 64 : type.getElementTypeBitWidth();
  // What is looked up is read once a step, however large the table is.
  linalg::LinalgOp reader;
  for (OpOperand &use : argument.getUses()) {
    auto load = dyn_cast<memref::LoadOp>(use.getOwner());
    reader = load ? load->getParentOfType<linalg::LinalgOp>() : nullptr;
    if (!reader)
      break;
  }
  std::optional<SmallVector<OpFoldResult>> sizes;
  if (reader)
    sizes = getLoops(reader);
  else
    sizes = getSizes(argument);
  if (!sizes)
    return nullptr;
  for (OpOperand &use : argument.getUses())
    bits = std::min(bits, getReadBits(use, bits));
  Value count = multiply(*sizes, bits);
  Value eight = arith::ConstantOp::create(b, loc, b.getI64IntegerAttr(8));
  return b.createOrFold<arith::DivUIOp>(loc, count, eight);
}

Value CallWork::countBytes() {
  Value total = multiply({}, 0);
  for (BlockArgument argument : kernel.getArguments()) {
    if (!isa<MemRefType>(argument.getType()) || argument.use_empty())
      continue;
    Value bytes = countArgument(argument);
    if (!bytes)
      return nullptr;
    total = add(total, bytes);
  }
  return total;
}

/// The nodes that a location names, each once.
static std::string nameNodes(Location loc) {
  SetVector<StringRef> names;
  loc->walk([&](Location inner) {
    if (auto name = dyn_cast<NameLoc>(inner))
      names.insert(name.getName().getValue());
    return WalkResult::advance();
  });
  return llvm::join(names, " + ");
}

namespace {
struct ProfileKernelsPass
    : public quantc::impl::ProfileKernelsPassBase<ProfileKernelsPass> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    SymbolTable symbols(module);
    SmallVector<std::pair<func::CallOp, func::FuncOp>> calls;
    module.walk([&](func::CallOp call) {
      auto kernel = symbols.lookup<func::FuncOp>(call.getCallee());
      // A kernel that calls another one is timed as a whole.
      if (kernel && kernel.isPrivate() && !kernel.isExternal() &&
          !call->getParentOfType<func::FuncOp>().isPrivate())
        calls.emplace_back(call, kernel);
    });
    OpBuilder b(module.getBodyRegion());
    Location loc = module.getLoc();
    Type i64 = b.getI64Type();
    Type pointer = LLVM::LLVMPointerType::get(&getContext());
    auto counters = LLVM::LLVMArrayType::get(i64, 4);
    auto all = LLVM::LLVMArrayType::get(counters, calls.size());
    auto global =
        LLVM::GlobalOp::create(b, loc, all, /*isConstant=*/false,
                               LLVM::Linkage::Internal, countersName, {});
    Block *initializer = b.createBlock(&global.getInitializerRegion());
    b.setInsertionPointToStart(initializer);
    LLVM::ReturnOp::create(b, loc, LLVM::ZeroOp::create(b, loc, all));
    b.setInsertionPointAfter(global);
    auto declare = [&](StringRef name, ArrayRef<Type> inputs,
                       ArrayRef<Type> results) {
      auto func = func::FuncOp::create(b, loc, name,
                                       b.getFunctionType(inputs, results));
      func.setPrivate();
      return func;
    };
    auto begin = declare("quantc_rt_profile_begin", {}, i64);
    auto end = declare("quantc_rt_profile_end", {pointer, i64, i64, i64}, {});

    SmallVector<Attribute> descriptions;
    for (auto [index, pair] : llvm::enumerate(calls)) {
      auto [call, kernel] = pair;
      CallWork work(call, kernel);
      Value operations = work.countOperations(), bytes = work.countBytes();
      numUnknown += !operations || !bytes;
      ++numCalls;
      b.setInsertionPoint(call);
      Value zero =
          arith::ConstantOp::create(b, call.getLoc(), b.getI64IntegerAttr(0));
      Value base = LLVM::AddressOfOp::create(b, call.getLoc(), global);
      Value mine =
          LLVM::GEPOp::create(b, call.getLoc(), pointer, all, base,
                              ArrayRef<LLVM::GEPArg>{0, int32_t(index)});
      Value start = func::CallOp::create(b, call.getLoc(), begin, ValueRange())
                        .getResult(0);
      b.setInsertionPointAfter(call);
      func::CallOp::create(b, call.getLoc(), end,
                           ValueRange{mine, start,
                                      operations ? operations : zero,
                                      bytes ? bytes : zero});
      auto text = [&](StringRef key, StringRef value) {
        return b.getNamedAttr(key, b.getStringAttr(value));
      };
      descriptions.push_back(
          b.getDictionaryAttr({text("kernel", call.getCallee()),
                               text("nodes", nameNodes(call.getLoc())),
                               text("operations", work.getOperations())}));
    }
    module->setAttr("qnn.profile", b.getArrayAttr(descriptions));
  }

  /// Target/Native describes it to the world.
  static constexpr StringLiteral countersName = "__quantc_profile_counters";
};
} // namespace
