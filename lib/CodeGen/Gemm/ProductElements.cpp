//===- ProductElements.cpp - Factors and results of products --------------===//
//
// What a product does to single elements: how one becomes a factor, and what
// happens to a sum before it is stored.
//
//===----------------------------------------------------------------------===//

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
  SmallVector<Value> split =
      e.delinearize(row, {e.index(0), e.index(lines->width)});
  return e.add(e.mul(split[0], lines->stride), e.mul(split[1], a.rowStride));
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

Value quantc::emitMultiplyAdd(KernelEmitter &e, const MicroKernel &kernel,
                              Value a, Value b, Value sum) {
  if (kernel.dot)
    return kernel.dot.emit(e, a, b, sum);
  if (kernel.useFMA)
    return vector::FMAOp::create(e.b, e.loc, a, b, sum);
  if (isa<FloatType>(kernel.accumulator))
    return arith::AddFOp::create(e.b, e.loc, sum,
                                 arith::MulFOp::create(e.b, e.loc, a, b));
  return arith::AddIOp::create(e.b, e.loc, sum,
                               arith::MulIOp::create(e.b, e.loc, a, b));
}

Value quantc::emitEpilogue(KernelEmitter &e, const GemmProblem &p,
                           ArrayRef<Value> inputBases, Value row, Value offset,
                           int64_t lanes, Value mask, Value sum) {
  linalg::GenericOp epilogue = p.epilogue;
  llvm::DenseMap<Value, Value> known;
  for (auto [i, input] : llvm::enumerate(p.epilogueInputs)) {
    BlockArgument argument = epilogue.getBody()->getArgument(i);
    if (!input.buffer) {
      known[argument] = sum;
      continue;
    }
    if (argument.use_empty())
      continue;
    Value at = e.add(inputBases[i], e.mul(row, input.rowStride));
    known[argument] =
        e.isConstant(input.columnStride, 0)
            ? e.splat(e.load(input.buffer, at), lanes)
            : e.loadVector(input.buffer, e.add(at, offset), lanes, mask);
  }
  auto yield = cast<linalg::YieldOp>(epilogue.getBody()->getTerminator());
  return emitExpression(e, yield.getOperand(0), lanes, known, p.permutes);
}

void quantc::emitOutputs(KernelEmitter &e, const GemmProblem &p,
                         const MicroKernel &kernel, const OutputBases &bases,
                         Value row, ArrayRef<Value> columns,
                         ArrayRef<Value> sums, ArrayRef<Value> masks) {
  Value cRow = e.add(bases.c, e.mul(row, p.c.rowStride));
  Value outRow = e.add(bases.output, e.mul(row, p.output.rowStride));
  Type product = cast<MemRefType>(p.c.buffer.getType()).getElementType();
  for (unsigned v = 0; v < sums.size(); ++v) {
    Value offset = columns[v];
    Value mask = masks.empty() ? Value() : masks[v];
    Value sum = sums[v];
    if (p.accumulates)
      sum =
          isa<FloatType>(kernel.accumulator)
              ? Value(arith::AddFOp::create(
                    e.b, e.loc, sum,
                    toAccumulator(e, kernel,
                                  e.loadVector(p.c.buffer, e.add(cRow, offset),
                                               kernel.lanes, mask))))
              : Value(arith::AddIOp::create(
                    e.b, e.loc, sum,
                    toAccumulator(e, kernel,
                                  e.loadVector(p.c.buffer, e.add(cRow, offset),
                                               kernel.lanes, mask))));
    if (product != kernel.accumulator)
      sum = arith::TruncFOp::create(
          e.b, e.loc, VectorType::get(kernel.lanes, product), sum);
    if (p.epilogue)
      sum = emitEpilogue(e, p, bases.inputs, row, offset, kernel.lanes, mask,
                         sum);
    e.storeVector(sum, p.output.buffer, e.add(outRow, offset), mask);
  }
}
