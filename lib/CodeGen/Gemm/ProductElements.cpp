//===- ProductElements.cpp - Factors and results of products --------------===//
//
// What a product does to single elements: how one becomes a factor, and what
// happens to a sum before it is stored.
//
//===----------------------------------------------------------------------===//

#include "CodeGen/Target/ByteTable.h"
#include "CodeGen/Target/Expressions.h"
#include "GemmEmitter.h"

using namespace mlir;
using namespace quantc;

static Value toAccumulator(KernelEmitter &e, const MicroKernel &kernel,
                           Value value) {
  Type type = value.getType();
  auto vector = dyn_cast<VectorType>(type);
  Type element = vector ? vector.getElementType() : type;
  if (element == kernel.accumulator)
    return value;
  Type target =
      vector ? Type(VectorType::get(vector.getShape(), kernel.accumulator))
             : kernel.accumulator;
  if (isa<FloatType>(element))
    return arith::ExtFOp::create(e.b, e.loc, target, value);
  return arith::ExtSIOp::create(e.b, e.loc, target, value);
}

Value quantc::emitFactor(KernelEmitter &e, const MicroKernel &kernel,
                         const FactorExpression &factor, Value loaded,
                         int64_t lanes) {
  llvm::DenseMap<Value, Value> known;
  known[factor.element] = loaded;
  for (auto [argument, scalar] : factor.scalars)
    known[argument] = lanes ? e.splat(scalar, lanes) : scalar;
  return toAccumulator(e, kernel,
                       emitExpression(e, factor.result, lanes, known));
}

Value GemmProblem::getRowOffset(KernelEmitter &e, Value row) const {
  if (!lines)
    return e.mul(row, a.rowStride);
  SmallVector<Value> split = e.delinearize(row, {e.index(0), lines->width});
  return e.add(e.mul(split[0], lines->stride), e.mul(split[1], a.rowStride));
}

SmallVector<Value> GemmProblem::getRowOffsets(KernelEmitter &e, Value row,
                                              int64_t count) const {
  SmallVector<Value> offsets{getRowOffset(e, row)};
  Value column = e.delinearize(row, {e.index(0), lines->width})[1];
  Value lineStep =
      e.sub(lines->stride, e.mul(e.sub(lines->width, e.index(1)), a.rowStride));
  for (int64_t i = 1; i < count; ++i) {
    // A division takes longer than to ask where the line ends.
    Value next = e.add(column, e.index(1));
    Value isNewLine = e.compare(arith::CmpIPredicate::eq, next, lines->width);
    column =
        e.b.createOrFold<arith::SelectOp>(e.loc, isNewLine, e.index(0), next);
    Value step = e.b.createOrFold<arith::SelectOp>(e.loc, isNewLine, lineStep,
                                                   a.rowStride);
    Value exists =
        e.compare(arith::CmpIPredicate::slt, e.add(row, e.index(i)), m);
    step = e.b.createOrFold<arith::SelectOp>(e.loc, exists, step, e.index(0));
    offsets.push_back(e.add(offsets.back(), step));
  }
  return offsets;
}

Value GemmProblem::getStepOffset(KernelEmitter &e, Value k) const {
  if (!lines)
    return e.mul(k, a.columnStride);
  SmallVector<Value> split =
      e.delinearize(k, {e.index(0), e.index(lines->segment)});
  return e.add(e.mul(split[0], lines->segmentStride),
               e.mul(split[1], a.columnStride));
}

Value GemmProblem::getNumProducts(KernelEmitter &e) const {
  if (!lines)
    return k;
  return e.mul(e.floorDiv(k, lines->segment), e.index(lines->elements));
}

OutputBases::OutputBases(KernelEmitter &e, const GemmProblem &problem,
                         ValueRange outer)
    : c(getOffset(e, outer, problem.c)),
      output(getOffset(e, outer, problem.output)) {
  for (const StridedMatrix &input : problem.epilogueInputs)
    inputs.push_back(input.buffer ? getOffset(e, outer, input) : Value());
}

Value quantc::emitSum(KernelEmitter &e, Value lhs, Value rhs) {
  if (isa<FloatType>(getElementTypeOrSelf(lhs)))
    return arith::AddFOp::create(e.b, e.loc, lhs, rhs);
  return arith::AddIOp::create(e.b, e.loc, lhs, rhs);
}

Value quantc::emitMultiplyAdd(KernelEmitter &e, const MicroKernel &kernel,
                              Value a, Value b, Value sum) {
  if (kernel.dot)
    return kernel.dot.emit(e, a, b, sum);
  if (kernel.useFMA)
    return vector::FMAOp::create(e.b, e.loc, a, b, sum);
  if (isa<FloatType>(kernel.accumulator))
    return emitSum(e, sum, arith::MulFOp::create(e.b, e.loc, a, b));
  return emitSum(e, sum, arith::MulIOp::create(e.b, e.loc, a, b));
}

/// The elements of vectors of one type, one vector behind the other.
static Value concatenate(KernelEmitter &e, ArrayRef<Value> vectors) {
  if (vectors.size() == 1)
    return vectors.front();
  auto type = cast<VectorType>(vectors.front().getType());
  int64_t lanes = type.getNumElements();
  Value result =
      e.zero(VectorType::get(vectors.size() * lanes, type.getElementType()));
  for (auto [i, vector] : llvm::enumerate(vectors))
    result = vector::InsertStridedSliceOp::create(e.b, e.loc, vector, result,
                                                  i * lanes, /*strides=*/1);
  return result;
}

Value quantc::emitEpilogue(KernelEmitter &e, const GemmProblem &p,
                           ArrayRef<Value> inputBases,
                           ArrayRef<OutputVector> outputs, int64_t lanes) {
  linalg::GenericOp epilogue = p.epilogue;
  int64_t allLanes = outputs.size() * lanes;
  llvm::DenseMap<Value, Value> known;
  for (auto [i, input] : llvm::enumerate(p.epilogueInputs)) {
    BlockArgument argument = epilogue.getBody()->getArgument(i);
    SmallVector<Value> vectors;
    if (!input.buffer) {
      for (const OutputVector &output : outputs)
        vectors.push_back(output.sum);
    } else if (!argument.use_empty()) {
      bool isOfRow = e.isConstant(input.columnStride, 0);
      for (const OutputVector &output : outputs) {
        Value at = e.add(inputBases[i], e.mul(output.row, input.rowStride));
        vectors.push_back(isOfRow ? e.splat(e.load(input.buffer, at), lanes)
                                  : e.loadVector(input.buffer,
                                                 e.add(at, output.column),
                                                 lanes, output.mask));
      }
    }
    if (!vectors.empty())
      known[argument] = concatenate(e, vectors);
  }
  auto yield = cast<linalg::YieldOp>(epilogue.getBody()->getTerminator());
  return emitExpression(e, yield.getOperand(0), allLanes, known, p.permutes);
}

/// On AVX2 four, since what narrows integers makes one register of four.
/// Bytes that are looked up by shuffles: as many as fill a register.
int64_t quantc::getOutputsAtOnce(const GemmProblem &p,
                                 const MicroKernel &kernel) {
  auto output = cast<MemRefType>(p.output.buffer.getType()).getElementType();
  bool narrows =
      p.epilogue && output.isInteger(8) && kernel.accumulator.isInteger(32);
  if (!narrows)
    return 1;
  linalg::GenericOp epilogue = p.epilogue;
  auto looksUpBytes = [](Operation &op) {
    return ByteTable::isLookup(op) && op.getResult(0).getType().isInteger(8);
  };
  if (!p.permutes.bytes && p.permutes.shuffledBytes &&
      llvm::any_of(*epilogue.getBody(), looksUpBytes))
    return p.permutes.shuffledBytes / kernel.lanes;
  return kernel.lanes == 8 ? 4 : 1;
}

void quantc::emitOutputs(KernelEmitter &e, const GemmProblem &p,
                         const MicroKernel &kernel, const OutputBases &bases,
                         ArrayRef<OutputVector> given) {
  Type product = cast<MemRefType>(p.c.buffer.getType()).getElementType();
  int64_t lanes = kernel.lanes;
  auto getPlace = [&](Value base, Value stride, const OutputVector &output) {
    return e.add(e.add(base, e.mul(output.row, stride)), output.column);
  };
  SmallVector<OutputVector> outputs(given);
  for (OutputVector &output : outputs) {
    if (p.accumulates) {
      Value at = getPlace(bases.c, p.c.rowStride, output);
      Value before = e.loadVector(p.c.buffer, at, lanes, output.mask);
      output.sum = emitSum(e, output.sum, toAccumulator(e, kernel, before));
    }
    if (product != kernel.accumulator)
      output.sum = arith::TruncFOp::create(
          e.b, e.loc, VectorType::get(lanes, product), output.sum);
  }
  auto store = [&](Value result, const OutputVector &output) {
    e.storeVector(result, p.output.buffer,
                  getPlace(bases.output, p.output.rowStride, output),
                  output.mask);
  };
  ArrayRef<OutputVector> rest = outputs;
  size_t atOnce = getOutputsAtOnce(p, kernel);
  while (!rest.empty()) {
    ArrayRef<OutputVector> group = rest.take_front(atOnce);
    rest = rest.drop_front(group.size());
    Value result = p.epilogue ? emitEpilogue(e, p, bases.inputs, group, lanes)
                              : group.front().sum;
    if (group.size() == 1) {
      store(result, group.front());
      continue;
    }
    for (auto [i, output] : llvm::enumerate(group))
      store(vector::ExtractStridedSliceOp::create(
                e.b, e.loc, result, int64_t(i) * lanes, lanes, /*strides=*/1),
            output);
  }
}
