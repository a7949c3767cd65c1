//===- KernelEmitter.cpp - Helpers to write kernels' code -----------------===//

#include "KernelEmitter.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/Dialect/Utils/StaticValueUtils.h"

using namespace mlir;
using namespace quantc;

Value KernelEmitter::index(int64_t value) {
  return arith::ConstantIndexOp::create(b, loc, value);
}

std::optional<int64_t> KernelEmitter::asConstant(Value value) {
  return getConstantIntValue(value);
}

Value KernelEmitter::add(Value lhs, Value rhs) {
  auto l = asConstant(lhs), r = asConstant(rhs);
  if (l && r)
    return index(*l + *r);
  if (l == 0)
    return rhs;
  if (r == 0)
    return lhs;
  return arith::AddIOp::create(b, loc, lhs, rhs);
}

Value KernelEmitter::sub(Value lhs, Value rhs) {
  auto l = asConstant(lhs), r = asConstant(rhs);
  if (l && r)
    return index(*l - *r);
  if (r == 0)
    return lhs;
  return arith::SubIOp::create(b, loc, lhs, rhs);
}

Value KernelEmitter::mul(Value lhs, Value rhs) {
  auto l = asConstant(lhs), r = asConstant(rhs);
  if (l && r)
    return index(*l * *r);
  if (l == 0 || r == 0)
    return index(0);
  if (l == 1)
    return rhs;
  if (r == 1)
    return lhs;
  return arith::MulIOp::create(b, loc, lhs, rhs);
}

Value KernelEmitter::floorDiv(Value lhs, int64_t rhs) {
  if (auto l = asConstant(lhs))
    return index(*l / rhs);
  if (rhs == 1)
    return lhs;
  // Sizes and positions are never negative.
  return arith::DivUIOp::create(b, loc, lhs, index(rhs));
}

Value KernelEmitter::ceilDiv(Value lhs, int64_t rhs) {
  return floorDiv(add(lhs, index(rhs - 1)), rhs);
}

Value KernelEmitter::min(Value lhs, Value rhs) {
  auto l = asConstant(lhs), r = asConstant(rhs);
  if (l && r)
    return index(std::min(*l, *r));
  return arith::MinSIOp::create(b, loc, lhs, rhs);
}

Value KernelEmitter::max(Value lhs, Value rhs) {
  auto l = asConstant(lhs), r = asConstant(rhs);
  if (l && r)
    return index(std::max(*l, *r));
  return arith::MaxSIOp::create(b, loc, lhs, rhs);
}

Value KernelEmitter::compare(arith::CmpIPredicate predicate, Value lhs,
                             Value rhs) {
  return b.createOrFold<arith::CmpIOp>(loc, predicate, lhs, rhs);
}

SmallVector<Value> KernelEmitter::delinearize(Value linear, ValueRange sizes) {
  SmallVector<Value> indices(sizes.size());
  for (unsigned i = sizes.size(); i-- > 0;) {
    if (i == 0) {
      indices[i] = linear;
    } else if (isConstant(sizes[i], 1)) {
      indices[i] = index(0);
    } else {
      indices[i] = b.createOrFold<arith::RemUIOp>(loc, linear, sizes[i]);
      linear = b.createOrFold<arith::DivUIOp>(loc, linear, sizes[i]);
    }
  }
  return indices;
}

void KernelEmitter::forLoop(Value lower, Value upper, int64_t step,
                            llvm::function_ref<void(Value)> body) {
  auto l = asConstant(lower), u = asConstant(upper);
  if (l && u && *u <= *l)
    return;
  if (l && u && *u - *l <= step)
    return body(lower);
  auto loop = scf::ForOp::create(b, loc, lower, upper, index(step));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  body(loop.getInductionVar());
}

SmallVector<Value> KernelEmitter::forLoop(
    Value lower, Value upper, int64_t step, ValueRange inits,
    llvm::function_ref<SmallVector<Value>(Value, ValueRange)> body) {
  if (inits.empty()) {
    forLoop(lower, upper, step, [&](Value i) { body(i, {}); });
    return {};
  }
  auto l = asConstant(lower), u = asConstant(upper);
  if (l && u && *u <= *l)
    return inits;
  if (l && u && *u - *l <= step)
    return body(lower, inits);
  auto loop = scf::ForOp::create(b, loc, lower, upper, index(step), inits);
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(loop.getBody());
  scf::YieldOp::create(b, loc,
                       body(loop.getInductionVar(), loop.getRegionIterArgs()));
  return loop.getResults();
}

void KernelEmitter::ifThen(Value condition, llvm::function_ref<void()> then,
                           llvm::function_ref<void()> otherwise) {
  if (auto known = asConstant(condition)) {
    if (*known)
      then();
    else if (otherwise)
      otherwise();
    return;
  }
  auto branch = scf::IfOp::create(b, loc, condition,
                                  /*withElseRegion=*/bool(otherwise));
  OpBuilder::InsertionGuard guard(b);
  b.setInsertionPointToStart(branch.thenBlock());
  then();
  if (!otherwise)
    return;
  b.setInsertionPointToStart(branch.elseBlock());
  otherwise();
}

void KernelEmitter::withMasks(Value left, int64_t count, int64_t lanes,
                              llvm::function_ref<void(ArrayRef<Value>)> body,
                              Value room) {
  ifThen(
      compare(arith::CmpIPredicate::sle, index(count * lanes),
              room ? room : left),
      [&] { body({}); },
      [&] {
        SmallVector<Value> masks;
        auto type = VectorType::get(lanes, b.getI1Type());
        for (int64_t i = 0; i < count; ++i)
          masks.push_back(vector::CreateMaskOp::create(
              b, loc, type, sub(left, index(i * lanes))));
        body(masks);
      });
}

void KernelEmitter::parallelFor(Value upper, Value condition,
                                llvm::function_ref<void(Value)> body) {
  Value zeroIndex = index(0), one = index(1);
  // Buffers on the stack live for one iteration.
  auto scopedBody = [&](Value i) {
    // memref.alloca_scope would not survive the lowering of its loops.
    auto pointer = LLVM::LLVMPointerType::get(b.getContext());
    Value stack = LLVM::StackSaveOp::create(b, loc, pointer);
    body(i);
    LLVM::StackRestoreOp::create(b, loc, stack);
  };
  if (!condition || isConstant(condition, 0) || isConstant(upper, 1))
    return forLoop(zeroIndex, upper, 1, scopedBody);
  OpBuilder::InsertionGuard guard(b);
  omp::ParallelOperands clauses;
  if (!asConstant(condition))
    clauses.ifExpr = condition;
  auto parallel = omp::ParallelOp::create(b, loc, clauses);
  b.createBlock(&parallel.getRegion());
  auto share = omp::WsloopOp::create(b, loc, omp::WsloopOperands());
  omp::TerminatorOp::create(b, loc);
  b.createBlock(&share.getRegion());
  omp::LoopNestOperands bounds;
  bounds.loopLowerBounds.push_back(zeroIndex);
  bounds.loopUpperBounds.push_back(upper);
  bounds.loopSteps.push_back(one);
  auto nest = omp::LoopNestOp::create(b, loc, bounds);
  Block *block = b.createBlock(&nest.getRegion(), {}, b.getIndexType(), loc);
  scopedBody(block->getArgument(0));
  omp::YieldOp::create(b, loc, ValueRange());
}

void KernelEmitter::parallelFor(
    ValueRange sizes, Value work, bool useThreads,
    llvm::function_ref<void(Value, ArrayRef<Value>)> body, int64_t least) {
  Value tasks = index(1);
  for (Value size : sizes)
    tasks = mul(tasks, size);
  Value condition;
  if (useThreads)
    condition = compare(arith::CmpIPredicate::sgt, work, index(least));
  parallelFor(tasks, condition,
              [&](Value task) { body(task, delinearize(task, sizes)); });
}

/// Bytes of a line of a cache, at which every buffer begins that is allocated
/// here.
static constexpr int64_t kCacheLine = 64;

Value KernelEmitter::allocateOnStack(int64_t size, Type element) {
  return memref::AllocaOp::create(b, loc, MemRefType::get({size}, element),
                                  b.getI64IntegerAttr(kCacheLine));
}

Value KernelEmitter::allocate(Value size, Type element, int64_t mostOnStack) {
  std::optional<int64_t> known = asConstant(size);
  int64_t bytes = llvm::divideCeil(element.getIntOrFloatBitWidth(), 8);
  if (known && *known * bytes <= mostOnStack)
    return allocateOnStack(*known, element);
  auto type = MemRefType::get({known.value_or(ShapedType::kDynamic)}, element);
  return memref::AllocOp::create(b, loc, type,
                                 known ? ValueRange() : ValueRange(size),
                                 b.getI64IntegerAttr(kCacheLine));
}

void KernelEmitter::release(Value buffer) {
  if (buffer.getDefiningOp<memref::AllocOp>())
    memref::DeallocOp::create(b, loc, buffer);
}

Value KernelEmitter::size(Value buffer, int64_t dim) {
  auto type = cast<MemRefType>(buffer.getType());
  if (!type.isDynamicDim(dim))
    return index(type.getDimSize(dim));
  return memref::DimOp::create(b, loc, buffer, dim);
}

Value KernelEmitter::flatten(Value buffer) {
  auto type = cast<MemRefType>(buffer.getType());
  if (type.getRank() == 1)
    return buffer;
  Value total = index(1);
  for (int64_t i = 0; i < type.getRank(); ++i)
    total = mul(total, size(buffer, i));
  OpFoldResult length = getAsOpFoldResult(total);
  int64_t staticLength = asConstant(total).value_or(ShapedType::kDynamic);
  auto flat = MemRefType::get({staticLength}, type.getElementType());
  return memref::ReinterpretCastOp::create(
      b, loc, flat, buffer, b.getIndexAttr(0), ArrayRef<OpFoldResult>{length},
      ArrayRef<OpFoldResult>{b.getIndexAttr(1)});
}

Value KernelEmitter::load(Value flat, Value at) {
  return memref::LoadOp::create(b, loc, flat, at);
}

void KernelEmitter::store(Value value, Value flat, Value at) {
  memref::StoreOp::create(b, loc, value, flat, at);
}

Value KernelEmitter::loadVector(Value flat, Value at, int64_t lanes,
                                Value mask) {
  Type element = cast<MemRefType>(flat.getType()).getElementType();
  auto type = VectorType::get(lanes, element);
  if (!mask)
    return vector::LoadOp::create(b, loc, type, flat, at);
  return vector::MaskedLoadOp::create(b, loc, type, flat, at, mask, zero(type));
}

void KernelEmitter::storeVector(Value value, Value flat, Value at, Value mask) {
  if (mask)
    vector::MaskedStoreOp::create(b, loc, flat, at, mask, value);
  else
    vector::StoreOp::create(b, loc, value, flat, at);
}

Value KernelEmitter::loadEven(Value flat, Value at, int64_t lanes) {
  return pickEven(loadVector(flat, at, lanes),
                  loadVector(flat, add(at, index(lanes - 1)), lanes));
}

Value KernelEmitter::pickEven(Value low, Value high) {
  int64_t lanes = cast<VectorType>(low.getType()).getNumElements();
  SmallVector<int64_t> mask;
  for (int64_t i = 0; i < lanes; ++i)
    mask.push_back(2 * i < lanes ? 2 * i : 2 * i + 1);
  return vector::ShuffleOp::create(b, loc, low, high, mask);
}

Value KernelEmitter::maskInside(Value position, Value size, int64_t lanes) {
  // As vectors of 32-bit positions, compared as unsigned numbers.
  Type i32 = b.getI32Type();
  auto toVector = [&](Value value) {
    return splat(arith::IndexCastOp::create(b, loc, i32, value), lanes);
  };
  SmallVector<int32_t> steps(llvm::to_vector(llvm::seq<int32_t>(0, lanes)));
  Value lane = arith::ConstantOp::create(
      b, loc,
      DenseElementsAttr::get(VectorType::get(lanes, i32), ArrayRef(steps)));
  Value positions = arith::AddIOp::create(b, loc, toVector(position), lane);
  return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ult, positions,
                               toVector(size));
}

void KernelEmitter::prefetch(Value flat, Value at, int64_t count) {
  // Of llvm.prefetch: the first-level cache is for what is multiplied now.
  static constexpr uint32_t secondLevel = 2;
  int64_t perLine = 8 * kCacheLine /
                    cast<MemRefType>(flat.getType()).getElementTypeBitWidth();
  for (int64_t i = 0; i < count; i += perLine)
    memref::PrefetchOp::create(b, loc, flat, ValueRange{add(at, index(i))},
                               /*isWrite=*/false, secondLevel,
                               /*isDataCache=*/true);
}

Value KernelEmitter::callIntrinsic(StringRef name, Type result,
                                   ValueRange operands) {
  return LLVM::CallIntrinsicOp::create(b, loc, result, b.getStringAttr(name),
                                       operands)
      .getResult(0);
}

Value KernelEmitter::splat(Value scalar, int64_t lanes) {
  auto type = VectorType::get(lanes, scalar.getType());
  return vector::BroadcastOp::create(b, loc, type, scalar);
}

Value KernelEmitter::zero(Type type) {
  return arith::ConstantOp::create(b, loc, b.getZeroAttr(type));
}
