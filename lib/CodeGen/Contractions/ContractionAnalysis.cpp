//===- ContractionAnalysis.cpp - Roots of kernels as matrix products ------===//

#include "ContractionAnalysis.h"

#include "CodeGen/Analysis/ProductRoots.h"
#include "CodeGen/Target/ByteTable.h"
#include "DotProductAnalysis.h"

#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

//===----------------------------------------------------------------------===//
// Bodies
//===----------------------------------------------------------------------===//

/// Whether `operand` has one value for all iterations of the reduction.
static bool isParameter(linalg::LinalgOp root, OpOperand *operand) {
  SmallVector<unsigned> reductions;
  root.getReductionDims(reductions);
  AffineMap map = root.getMatchingIndexingMap(operand);
  return !reductions.empty() && llvm::none_of(reductions, [&](unsigned loop) {
    return map.isFunctionOfDim(loop);
  });
}

/// The expression under a factor of the product: one element of a tensor, and
/// scalars that are the same everywhere.
static FailureOr<FactorExpression>
matchFactor(KernelEmitter &e, linalg::LinalgOp root, Value value) {
  FactorExpression factor;
  factor.result = value;
  SmallVector<Value> worklist{value};
  llvm::DenseSet<Value> seen;
  while (!worklist.empty()) {
    Value current = worklist.pop_back_val();
    if (!seen.insert(current).second)
      continue;
    auto argument = dyn_cast<BlockArgument>(current);
    if (argument && argument.getOwner() == root.getBlock()) {
      OpOperand *operand = root.getMatchingOpOperand(argument);
      auto type = dyn_cast<MemRefType>(operand->get().getType());
      if (!type) {
        factor.scalars.push_back({argument, operand->get()});
      } else if (type.getRank() == 0) {
        Value scalar =
            memref::LoadOp::create(e.b, e.loc, operand->get(), ValueRange());
        factor.scalars.push_back({argument, scalar});
      } else if (isParameter(root, operand)) {
        factor.parameters.push_back(operand);
      } else if (factor.element && factor.element != argument) {
        return failure();
      } else {
        factor.element = argument;
      }
      continue;
    }
    Operation *op = current.getDefiningOp();
    if (!op || op->getBlock() != root.getBlock())
      continue;
    if (!op->hasTrait<OpTrait::Elementwise>() &&
        !op->hasTrait<OpTrait::ConstantLike>())
      return failure();
    llvm::append_range(worklist, op->getOperands());
  }
  if (!factor.element)
    return failure();
  return factor;
}

LogicalResult quantc::matchBody(KernelEmitter &e, linalg::LinalgOp root,
                                FactorExpression &first,
                                FactorExpression &second) {
  auto factors = matchSumOfProducts(root);
  if (!factors)
    return failure();
  FailureOr<FactorExpression> lhs = matchFactor(e, root, factors->first);
  FailureOr<FactorExpression> rhs = matchFactor(e, root, factors->second);
  if (failed(lhs) || failed(rhs) || lhs->element == rhs->element)
    return failure();
  first = *lhs;
  second = *rhs;
  return success();
}

OpOperand *quantc::getOperand(linalg::LinalgOp root,
                              const FactorExpression &factor) {
  return root.getMatchingOpOperand(cast<BlockArgument>(factor.element));
}

bool quantc::hasParameters(const GemmProblem &problem) {
  return !problem.factorA.parameters.empty() ||
         !problem.factorB.parameters.empty();
}

Type quantc::getAccumulator(linalg::LinalgOp root) {
  Type type =
      cast<MemRefType>(root.getDpsInits()[0].getType()).getElementType();
  // Half precision is summed in f32.
  if (isa<FloatType>(type) && type.getIntOrFloatBitWidth() < 32)
    return Float32Type::get(type.getContext());
  return type;
}

//===----------------------------------------------------------------------===//
// Neighbours of the root
//===----------------------------------------------------------------------===//

/// Takes over the fill of the output, and decides whether C is accumulated to.
static void matchFill(MatchedProduct &match) {
  Value out = match.root.getDpsInits()[0];
  match.problem.accumulates = true;
  for (Operation *op = match.root->getPrevNode(); op; op = op->getPrevNode()) {
    auto fill = dyn_cast<linalg::FillOp>(op);
    if (!fill || fill.getOutputs()[0] != out)
      continue;
    Value value = fill.getInputs()[0];
    if (!matchPattern(value, m_AnyZeroFloat()) &&
        !matchPattern(value, m_Zero()))
      return;
    match.problem.accumulates = false;
    match.absorbed.push_back(fill);
    return;
  }
}

/// Takes over an elementwise op on the output.
static void matchEpilogue(KernelEmitter &e, MatchedProduct &match,
                          const LoopGroups &groups) {
  linalg::LinalgOp root = match.root;
  Value out = root.getDpsInits()[0];
  AffineMap outMap = root.getMatchingIndexingMap(root.getDpsInitOperand(0));
  match.problem.output = match.problem.c;
  linalg::GenericOp epilogue;
  for (Operation *op = root->getNextNode(); op && !epilogue;
       op = op->getNextNode())
    epilogue = dyn_cast<linalg::GenericOp>(op);
  if (!epilogue || epilogue.getNumDpsInits() != 1 ||
      epilogue.getNumParallelLoops() != epilogue.getNumLoops() ||
      !epilogue.getIndexingMapsArray().back().isIdentity())
    return;
  // No other op may need what is never stored.
  if (epilogue.getDpsInits()[0] != out &&
      llvm::any_of(out.getUsers(), [&](Operation *user) {
        return isa<linalg::LinalgOp>(user) && !isa<linalg::FillOp>(user) &&
               user != epilogue && user != root;
      }))
    return;
  for (Operation &op : epilogue.getBody()->without_terminator())
    if (!ByteTable::isLookup(op) && !op.hasTrait<OpTrait::Elementwise>() &&
        !op.hasTrait<OpTrait::ConstantLike>())
      return;
  // The epilogue's loops are the positions of the output's dimensions.
  auto toPositions = [&](ArrayRef<unsigned> loops) {
    SmallVector<unsigned> positions;
    for (unsigned loop : loops)
      positions.push_back(*outMap.getResultPosition(
          getAffineDimExpr(loop, outMap.getContext())));
    return positions;
  };
  LoopGroups positions;
  positions.outer = toPositions(groups.outer);
  positions.m = toPositions(groups.m);
  positions.n = toPositions(groups.n);

  SmallVector<StridedMatrix> inputs;
  bool readsProduct = false;
  for (OpOperand *operand : epilogue.getDpsInputOperands()) {
    AffineMap map = epilogue.getMatchingIndexingMap(operand);
    if (operand->get() == out) {
      if (!map.isIdentity())
        return;
      readsProduct = true;
      inputs.push_back({});
      continue;
    }
    if (!isa<MemRefType>(operand->get().getType()))
      return;
    Access access = Access::get(e, operand->get(), map);
    std::optional<Value> row = access.strideOfGroup(e, positions.m);
    std::optional<Value> column = access.strideOfGroup(e, positions.n);
    if (!row || !column || !map.isProjectedPermutation(true) ||
        !(e.isConstant(*column, 0) || e.isConstant(*column, 1)))
      return;
    inputs.push_back(access.getMatrix(e, positions, positions.m, positions.n));
  }
  if (!readsProduct)
    return;
  OpOperand *target = epilogue.getDpsInitOperand(0);
  if (epilogue.payloadUsesValueFromOperand(target))
    return;
  Access access =
      Access::get(e, target->get(), epilogue.getMatchingIndexingMap(target));
  match.problem.output =
      access.getMatrix(e, positions, positions.m, positions.n);
  match.problem.epilogue = epilogue;
  match.problem.epilogueInputs = std::move(inputs);
  match.absorbed.insert(match.absorbed.begin(), epilogue);
}

void quantc::matchNeighbours(KernelEmitter &e, MatchedProduct &match,
                             const LoopGroups &groups) {
  matchFill(match);
  matchEpilogue(e, match, groups);
}

//===----------------------------------------------------------------------===//
// Contractions
//===----------------------------------------------------------------------===//

void quantc::describeOperands(KernelEmitter &e, const LoopGroups &groups,
                              const Access &a, const Access &c,
                              GemmProblem &p) {
  for (unsigned loop : groups.outer)
    p.outerSizes.push_back(c.sizes[*c.positionOf(loop)]);
  p.m = c.sizeOfGroup(e, groups.m);
  p.n = c.sizeOfGroup(e, groups.n);
  p.k = a.sizeOfGroup(e, groups.k);
  p.a = a.getMatrix(e, groups, groups.m, groups.k);
  p.c = c.getMatrix(e, groups, groups.m, groups.n);
}

static FailureOr<MatchedProduct>
matchContraction(KernelEmitter &e, linalg::LinalgOp root,
                 const VectorUnit &unit, std::optional<unsigned> rowLoop) {
  MatchedProduct match;
  match.root = root;
  GemmProblem &p = match.problem;
  if (failed(matchBody(e, root, p.factorA, p.factorB)))
    return failure();
  OpOperand *operandA = getOperand(root, p.factorA);
  OpOperand *operandB = getOperand(root, p.factorB);
  OpOperand *operandC = root.getDpsInitOperand(0);
  Access accesses[3];
  OpOperand *operands[3] = {operandA, operandB, operandC};
  for (auto [access, operand] : llvm::zip(accesses, operands)) {
    AffineMap map = root.getMatchingIndexingMap(operand);
    if (!map.isProjectedPermutation())
      return failure();
    access = Access::get(e, operand->get(), map);
  }
  auto &[a, b, c] = accesses;

  LoopGroups groups;
  for (unsigned loop = 0; loop < root.getNumLoops(); ++loop) {
    bool inA(a.positionOf(loop)), inB(b.positionOf(loop)),
        inC(c.positionOf(loop));
    if (inA && inB)
      (inC ? groups.outer : groups.k).push_back(loop);
    else if (inC && (inA || inB))
      (inA ? groups.m : groups.n).push_back(loop);
    else
      return failure();
  }
  auto sortBy = [](const Access &access, SmallVector<unsigned> &loops) {
    llvm::sort(loops, [&](unsigned x, unsigned y) {
      return *access.positionOf(x) < *access.positionOf(y);
    });
  };
  sortBy(c, groups.m);
  sortBy(c, groups.n);
  sortBy(a, groups.k);
  if (c.loops.empty())
    return failure();
  // C is written along its last dimension.
  unsigned last = c.loops.back();
  if (llvm::is_contained(groups.m, last)) {
    std::swap(a, b);
    std::swap(groups.m, groups.n);
    std::swap(p.factorA, p.factorB);
    std::swap(operandA, operandB);
  }
  if (!llvm::is_contained(groups.n, last))
    return failure();
  if (rowLoop) {
    if (!llvm::is_contained(groups.m, *rowLoop))
      return failure();
    llvm::erase(groups.m, *rowLoop);
    groups.outer.append(groups.m);
    groups.m = {*rowLoop};
  }
  makeFlat(e, groups.m, groups.outer, a, c);
  makeFlat(e, groups.n, groups.outer, b, c);
  if (!a.strideOfGroup(e, groups.k) || !b.strideOfGroup(e, groups.k))
    return failure();
  sortBy(c, groups.outer);

  describeOperands(e, groups, a, c, p);
  match.b = b.getMatrix(e, groups, groups.k, groups.n);
  match.matrixOperand = operandB;
  match.rowsOperand = operandA;
  DotProduct dot = matchDotProduct(e, root, groups, unit, p);
  if (!dot && hasParameters(p))
    return failure();
  auto toStatic = [&](Value size) {
    return e.asConstant(size).value_or(ShapedType::kDynamic);
  };
  match.kernel = MicroKernel::choose(unit, getAccumulator(root), toStatic(p.m),
                                     toStatic(p.n), dot);
  match.columns = std::make_unique<StridedSource>(match.b, p.factorB, p.n,
                                                  match.kernel.lanes);
  matchNeighbours(e, match, groups);
  return match;
}

//===----------------------------------------------------------------------===//
// Convolutions
//===----------------------------------------------------------------------===//

PaddedInput quantc::matchPadding(KernelEmitter &e, Value buffer,
                                 unsigned firstDim, unsigned numDims) {
  PaddedInput result{buffer, {}, nullptr, {}};
  unsigned rank = cast<MemRefType>(buffer.getType()).getRank();
  result.low.assign(rank, e.index(0));
  auto alloc = buffer.getDefiningOp<memref::AllocOp>();
  if (!alloc)
    return result;
  linalg::FillOp fill;
  memref::SubViewOp inside;
  memref::CopyOp copy;
  SmallVector<Operation *> ops;
  for (Operation *user : alloc->getUsers()) {
    if (auto op = dyn_cast<linalg::FillOp>(user))
      fill = op;
    else if (auto op = dyn_cast<memref::SubViewOp>(user))
      inside = op;
    if (isa<linalg::FillOp, memref::SubViewOp, memref::DeallocOp>(user))
      ops.push_back(user);
  }
  if (!fill || !inside || !inside->hasOneUse())
    return result;
  copy = dyn_cast<memref::CopyOp>(*inside->user_begin());
  if (!copy || copy.getTarget() != inside.getResult())
    return result;
  // Only the image may be padded.
  SmallVector<OpFoldResult> low = inside.getMixedOffsets();
  SmallVector<OpFoldResult> sizes = inside.getMixedSizes();
  auto padded = cast<MemRefType>(buffer.getType());
  for (unsigned i = 0; i < rank; ++i) {
    if (i >= firstDim && i < firstDim + numDims)
      continue;
    if (!isConstantIntValue(low[i], 0))
      return result;
    if (!padded.isDynamicDim(i) &&
        !isConstantIntValue(sizes[i], padded.getDimSize(i)))
      return result;
    if (padded.isDynamicDim(i) &&
        alloc.getDynamicSizes()[padded.getDynamicDimIndex(i)] !=
            dyn_cast<Value>(sizes[i]))
      return result;
  }
  for (unsigned i = 0; i < rank; ++i)
    result.low[i] = getValueOrCreateConstantIndexOp(e.b, e.loc, low[i]);
  result.source = copy.getSource();
  result.value = fill.getInputs()[0];
  result.ops = {copy};
  llvm::append_range(result.ops, ops);
  result.ops.push_back(alloc);
  return result;
}

bool MatchedProduct::hasPlanes(KernelEmitter &e) const {
  return !matrixOperand && numChannels == 1 && e.isConstant(problem.m, 1);
}

FailureOr<MatchedProduct>
quantc::matchProduct(KernelEmitter &e, linalg::LinalgOp root,
                     const VectorUnit &unit, std::optional<unsigned> rowLoop) {
  if (!root.hasPureBufferSemantics() || root.getNumDpsInits() != 1)
    return failure();
  for (Value operand : root->getOperands())
    if (auto type = dyn_cast<MemRefType>(operand.getType()))
      if (!type.getLayout().isIdentity() &&
          (linalg::isaConvolutionOpInterface(root) ||
           operand == root.getDpsInits()[0] || !type.isLastDimUnitStride()))
        return failure();
  Type result =
      cast<MemRefType>(root.getDpsInits()[0].getType()).getElementType();
  if (!result.isIntOrFloat())
    return failure();
  bool isConvolution = linalg::isaConvolutionOpInterface(root);
  FailureOr<MatchedProduct> match =
      !isConvolution               ? matchContraction(e, root, unit, rowLoop)
      : hasChannelsInnermost(root) ? matchRowConvolution(e, root, unit)
                                   : matchPlaneConvolution(e, root, unit);
  if (succeeded(match))
    match->problem.permutes = unit.permutes;
  if (succeeded(match) && !isConvolution) {
    // After the epilogue, before what it reads.
    auto *it = match->absorbed.begin();
    if (match->problem.epilogue)
      ++it;
    match->absorbed.insert(it, root);
  }
  return match;
}
