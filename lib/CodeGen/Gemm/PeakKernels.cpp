//===- PeakKernels.cpp - What the machine could do at best ----------------===//

#include "quantc/CodeGen/PeakKernels.h"

#include "CodeGen/Target/TileUnit.h"
#include "GemmEmitter.h"

#include "mlir/Dialect/Bufferization/IR/Bufferization.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

namespace {
/// @main on a list, which a lambda makes one number of.
class PeakBuilder {
public:
  PeakBuilder(MLIRContext &context, Type element, int64_t length)
      : b(&context), e(b, b.getUnknownLoc()) {
    context.loadDialect<
        arith::ArithDialect, func::FuncDialect, memref::MemRefDialect,
        scf::SCFDialect, tensor::TensorDialect, vector::VectorDialect,
        LLVM::LLVMDialect, bufferization::BufferizationDialect>();
    kernel.module = ModuleOp::create(e.loc);
    kernel.length = length;
    kernel.elementBytes = element.getIntOrFloatBitWidth() / 8;
    b.setInsertionPointToEnd(kernel.module->getBody());
    auto list = RankedTensorType::get({length}, element);
    auto main = func::FuncOp::create(
        b, e.loc, "main",
        b.getFunctionType(list, RankedTensorType::get({}, element)));
    Block *body = main.addEntryBlock();
    b.setInsertionPointToStart(body);
    buffer = bufferization::ToBufferOp::create(
        b, e.loc, MemRefType::get({length}, element), body->getArgument(0),
        /*read_only=*/true);
  }

  /// Calls intrinsics as functions, whose effects bufferization need not know.
  void replaceIntrinsics();

  /// The sum of `sums`, whose every lane the result depends on.
  PeakKernel finish(ArrayRef<Value> sums, double work) {
    Value total = sums.front();
    bool isFloat = isa<FloatType>(getElementTypeOrSelf(total.getType()));
    for (Value more : sums.drop_front())
      total = isFloat ? arith::AddFOp::create(b, e.loc, total, more).getResult()
                      : arith::AddIOp::create(b, e.loc, total, more);
    Value number = vector::ReductionOp::create(
        b, e.loc, vector::CombiningKind::ADD, total);
    Value result = tensor::FromElementsOp::create(
        b, e.loc, RankedTensorType::get({}, number.getType()), number);
    func::ReturnOp::create(b, e.loc, result);
    kernel.work = work;
    replaceIntrinsics();
    return std::move(kernel);
  }

  PeakKernel kernel;
  OpBuilder b;
  KernelEmitter e;
  Value buffer;
};
} // namespace

void PeakBuilder::replaceIntrinsics() {
  SymbolTable symbols(*kernel.module);
  kernel.module->walk([&](LLVM::CallIntrinsicOp op) {
    auto function = symbols.lookup<func::FuncOp>(op.getIntrin());
    if (!function) {
      function = func::FuncOp::create(op.getLoc(), op.getIntrin(),
                                      FunctionType::get(op.getContext(),
                                                        op->getOperandTypes(),
                                                        op->getResultTypes()));
      function.setPrivate();
      symbols.insert(function);
    }
    OpBuilder before(op);
    auto call =
        func::CallOp::create(before, op.getLoc(), function, op->getOperands());
    op->replaceAllUsesWith(call.getResults());
    op->erase();
  });
}

/// As many chains as registers allow, beside two operands.
static int64_t getNumChains(const VectorUnit &unit) {
  return unit.numRegisters - 4;
}

PeakKernel quantc::buildFloatPeak(MLIRContext &context,
                                  StringRef targetFeatures, int64_t steps) {
  VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
  PeakBuilder builder(context, Float32Type::get(&context), 2);
  KernelEmitter &e = builder.e;
  MicroKernel kernel;
  kernel.accumulator = Float32Type::get(&context);
  kernel.lanes = unit.bits / 32;
  kernel.useFMA = unit.hasFMA;
  // sum = sum · a + b, which stays finite for a below 1.
  Value a = e.splat(e.load(builder.buffer, e.index(0)), kernel.lanes);
  Value b = e.splat(e.load(builder.buffer, e.index(1)), kernel.lanes);
  SmallVector<Value> start;
  // Different starts: equal chains would be one.
  for (int64_t i = 0; i < getNumChains(unit); ++i)
    start.push_back(
        e.splat(arith::ConstantOp::create(e.b, e.loc, e.b.getF32FloatAttr(i)),
                kernel.lanes));
  SmallVector<Value> sums = e.forLoop(
      e.index(0), e.index(steps), 1, start, [&](Value, ValueRange sums) {
        SmallVector<Value> next;
        for (Value sum : sums)
          next.push_back(emitMultiplyAdd(e, kernel, sum, a, b));
        return next;
      });
  return builder.finish(sums, 2.0 * steps * start.size() * kernel.lanes);
}

/// Products of tiles: a block of sums after the other from the same operands.
static PeakKernel buildTilePeak(MLIRContext &context, const VectorUnit &unit,
                                const DotProduct &dot, int64_t steps) {
  constexpr int64_t words = 128; // Operands of 16 KiB each.
  Type i32 = IntegerType::get(&context, 32);
  MicroKernel kernel = MicroKernel::choose(unit, i32, ShapedType::kDynamic,
                                           ShapedType::kDynamic, dot);
  int64_t operand = kernel.rows * words, panel = kernel.columns() * words;
  PeakBuilder builder(context, i32, operand + panel);
  KernelEmitter &e = builder.e;
  auto sumsType = MemRefType::get({kernel.rows * kernel.columns()}, i32);
  Value sums = memref::AllocaOp::create(e.b, e.loc, sumsType);
  Value zeros = allocateZeros(e, kernel);
  TileOperand a{builder.buffer, e.index(0), words};
  TileOperand b{builder.buffer, e.index(operand), kernel.columns()};
  TileOperand c{sums, e.index(0), kernel.columns()};
  e.forLoop(e.index(0), e.index(steps), 1, [&](Value step) {
    Value isFirst = e.compare(arith::CmpIPredicate::eq, step, e.index(0));
    emitTiles(e, kernel, a, b, c, e.index(words), isFirst, zeros);
  });
  Value result = e.loadVector(sums, e.index(0), kernel.lanes);
  return builder.finish(result, 2.0 * steps * kernel.rows * kernel.columns() *
                                    words * dot.group);
}

static PeakKernel buildDotPeak(MLIRContext &context, const VectorUnit &unit,
                               const DotProduct &dot, int64_t steps) {
  if (!dot)
    return {};
  if (dot.usesTiles)
    return buildTilePeak(context, unit, dot, std::max<int64_t>(1, steps / 500));
  Type sum = dot.takesFloats ? Type(Float32Type::get(&context))
                             : IntegerType::get(&context, 32);
  PeakBuilder builder(context, sum, 1);
  KernelEmitter &e = builder.e;
  int64_t lanes = unit.bits / 32;
  Value factor = e.splat(e.load(builder.buffer, e.index(0)), lanes);
  SmallVector<Value> start;
  for (int64_t i = 0; i < getNumChains(unit); ++i) {
    TypedAttr first = dot.takesFloats ? TypedAttr(e.b.getF32FloatAttr(i))
                                      : e.b.getI32IntegerAttr(i);
    start.push_back(
        e.splat(arith::ConstantOp::create(e.b, e.loc, first), lanes));
  }
  SmallVector<Value> sums = e.forLoop(
      e.index(0), e.index(steps), 1, start, [&](Value, ValueRange sums) {
        SmallVector<Value> next;
        // A product that is the same in each step would leave the loop.
        for (Value sum : sums)
          next.push_back(dot.emit(e, sum, factor, sum));
        return next;
      });
  return builder.finish(sums, 2.0 * steps * start.size() * lanes * dot.group);
}

PeakKernel quantc::buildInt8Peak(MLIRContext &context, StringRef targetFeatures,
                                 int64_t steps) {
  VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
  unit.usesBytePairs = unit.hasBytePairs;
  return buildDotPeak(context, unit,
                      DotProduct::choose(unit, /*isLhsSigned=*/false,
                                         /*isRhsSigned=*/true,
                                         ShapedType::kDynamic),
                      steps);
}

PeakKernel quantc::buildBF16Peak(MLIRContext &context, StringRef targetFeatures,
                                 int64_t steps) {
  VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
  return buildDotPeak(context, unit,
                      DotProduct::chooseFloats(unit, ShapedType::kDynamic),
                      steps);
}

PeakKernel quantc::buildReadPeak(MLIRContext &context, StringRef targetFeatures,
                                 int64_t bytes, int64_t repeats) {
  constexpr int64_t chains = 8;
  VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
  int64_t lanes = unit.bits / 32, step = chains * lanes;
  int64_t length = bytes / 4 / step * step;
  PeakBuilder builder(context, Float32Type::get(&context), length);
  KernelEmitter &e = builder.e;
  auto type = VectorType::get(lanes, Float32Type::get(&context));
  SmallVector<Value> start(chains, e.zero(type));
  SmallVector<Value> sums = e.forLoop(
      e.index(0), e.index(repeats), 1, start, [&](Value, ValueRange outer) {
        return e.forLoop(
            e.index(0), e.index(length), step, outer,
            [&](Value at, ValueRange sums) {
              SmallVector<Value> next;
              for (auto [i, sum] : llvm::enumerate(sums)) {
                Value more = e.loadVector(builder.buffer,
                                          e.add(at, e.index(i * lanes)), lanes);
                next.push_back(arith::AddFOp::create(e.b, e.loc, sum, more));
              }
              return next;
            });
      });
  return builder.finish(sums, 4.0 * length * repeats);
}
