//===- Lowering.cpp - What the lowering patterns share --------------------===//

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "Conversion/QNNToLinalg/Elementwise/SmallFloat.h"
#include "Conversion/QNNToLinalg/Shapes/DimensionAlgebra.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;

//===- types --------------------------------------------------------------===//

Type quantc::getStorageType(Type type) {
  if (auto integer = dyn_cast<IntegerType>(type))
    return IntegerType::get(type.getContext(),
                            std::max(8u, integer.getWidth()));
  if (auto fp = dyn_cast<FloatType>(type); fp && fp.getWidth() <= 8)
    return IntegerType::get(type.getContext(), 8);
  return type;
}

Type quantc::getComputeType(Type type) {
  if (type.isInteger(1))
    return type;
  if (auto fp = dyn_cast<FloatType>(type); fp && fp.getWidth() <= 8)
    return Float32Type::get(type.getContext());
  return getStorageType(type);
}

QNNTypeConverter::QNNTypeConverter() {
  addConversion([](Type type) { return type; });
  addConversion([](RankedTensorType type) -> Type {
    return type.clone(getStorageType(type.getElementType()));
  });
  // A refined type meets a user that was built for the general one.
  auto cast = [](OpBuilder &b, RankedTensorType type, ValueRange inputs,
                 Location loc) -> Value {
    if (inputs.size() != 1)
      return nullptr;
    auto from = dyn_cast<RankedTensorType>(inputs[0].getType());
    if (!from || from.getElementType() != type.getElementType() ||
        !tensor::CastOp::areCastCompatible(TypeRange(from), TypeRange(type)))
      return nullptr;
    return tensor::CastOp::create(b, loc, type, inputs[0]);
  };
  addSourceMaterialization(cast);
  addTargetMaterialization(cast);
}

//===- scalars ------------------------------------------------------------===//

Value quantc::loadScalar(OpBuilder &b, Location loc, Value stored,
                         Type qnnType) {
  if (qnnType.isInteger(1)) {
    Value zero = constantScalar(b, loc, stored.getType(), 0);
    return arith::CmpIOp::create(b, loc, arith::CmpIPredicate::ne, stored,
                                 zero);
  }
  if (auto fp = dyn_cast<FloatType>(qnnType); fp && fp.getWidth() <= 8)
    return decodeSmallFloat(b, loc, stored, fp);
  return stored;
}

Value quantc::storeScalar(OpBuilder &b, Location loc, Value computed,
                          Type qnnType) {
  if (qnnType.isInteger(1))
    return arith::ExtUIOp::create(b, loc, b.getI8Type(), computed);
  if (auto fp = dyn_cast<FloatType>(qnnType); fp && fp.getWidth() <= 8)
    return encodeSmallFloat(b, loc, computed, fp, /*saturate=*/true,
                            qnn::RoundMode::up);
  return computed;
}

Value quantc::constantScalar(OpBuilder &b, Location loc, Type type,
                             double value) {
  if (auto fp = dyn_cast<FloatType>(type))
    return arith::ConstantOp::create(b, loc, b.getFloatAttr(fp, value));
  return arith::ConstantOp::create(b, loc,
                                   b.getIntegerAttr(type, int64_t(value)));
}

Value quantc::constantIndex(OpBuilder &b, Location loc, int64_t v) {
  return arith::ConstantIndexOp::create(b, loc, v);
}

//===- shapes -------------------------------------------------------------===//

/// A `tensor.dim` of `tensor`, reusing one that stands before in the block.
static Value createDim(OpBuilder &b, Location loc, Value tensor, int64_t i) {
  OpBuilder::InsertionGuard guard(b);
  // Right where the tensor is defined, so that all later users may share it.
  if (auto arg = dyn_cast<BlockArgument>(tensor))
    b.setInsertionPointToStart(arg.getOwner());
  else
    b.setInsertionPointAfterValue(tensor);
  for (Operation *user : tensor.getUsers())
    if (auto dim = dyn_cast<tensor::DimOp>(user))
      if (dim.getSource() == tensor && dim.getConstantIndex() == i &&
          dim->getBlock() == b.getInsertionBlock() &&
          (b.getInsertionPoint() == b.getInsertionBlock()->begin() ||
           isa<BlockArgument>(tensor) ||
           tensor.getDefiningOp()->isBeforeInBlock(dim)))
        return dim;
  return tensor::DimOp::create(b, loc, tensor, i);
}

/// Dimension `i` of an argument of the model: of the first argument that has a
/// dimension of this name, since equal names mean equal sizes (which the entry
/// point checks).
static Value createArgumentDim(OpBuilder &b, Location loc, BlockArgument arg,
                               int64_t i) {
  auto func = dyn_cast<func::FuncOp>(arg.getOwner()->getParentOp());
  if (!func || !arg.getOwner()->isEntryBlock())
    return createDim(b, loc, arg, i);
  auto names = func.getArgAttrOfType<ArrayAttr>(arg.getArgNumber(), "qnn.dims");
  auto nameOf = [](ArrayAttr names, int64_t i) -> StringRef {
    if (!names || i >= int64_t(names.size()))
      return "";
    auto name = dyn_cast<StringAttr>(names[i]);
    return name ? name.getValue() : "";
  };
  StringRef name = nameOf(names, i);
  if (name.empty())
    return createDim(b, loc, arg, i);
  for (BlockArgument other : arg.getOwner()->getArguments()) {
    auto type = dyn_cast<RankedTensorType>(other.getType());
    auto others =
        func.getArgAttrOfType<ArrayAttr>(other.getArgNumber(), "qnn.dims");
    for (int64_t d = 0; type && d < type.getRank(); ++d)
      if (nameOf(others, d) == name && type.isDynamicDim(d))
        return createDim(b, loc, other, d);
  }
  return createDim(b, loc, arg, i);
}

static OpFoldResult findDim(OpBuilder &b, Location loc, Value tensor,
                            int64_t i) {
  auto type = cast<RankedTensorType>(tensor.getType());
  if (!type.isDynamicDim(i))
    return b.getIndexAttr(type.getDimSize(i));
  // Look through producers to where the size comes from: sizes that come from
  // one place are one value, which is how they are known to be equal.
  if (auto arg = dyn_cast<BlockArgument>(tensor))
    return createArgumentDim(b, loc, arg, i);
  Operation *op = tensor.getDefiningOp();
  if (auto cast = dyn_cast<tensor::CastOp>(op))
    return getDim(b, loc, cast.getSource(), i);
  if (auto cast = dyn_cast<UnrealizedConversionCastOp>(op);
      cast && cast->getNumOperands() == 1 &&
      isa<RankedTensorType>(cast.getOperand(0).getType()))
    return getDim(b, loc, cast.getOperand(0), i);
  if (auto dps = dyn_cast<DestinationStyleOpInterface>(op))
    return getDim(b, loc, dps.getTiedOpOperand(cast<OpResult>(tensor))->get(),
                  i);
  if (auto empty = dyn_cast<tensor::EmptyOp>(op))
    return empty.getMixedSizes()[i];
  if (auto expand = dyn_cast<tensor::ExpandShapeOp>(op))
    return expand.getMixedOutputShape()[i];
  if (auto collapse = dyn_cast<tensor::CollapseShapeOp>(op)) {
    OpFoldResult product = b.getIndexAttr(1);
    // The list of groups is made anew: it has to outlive the loop.
    auto groups = collapse.getReassociationIndices();
    for (int64_t d : groups[i])
      product =
          multiplySizes(b, loc, product, getDim(b, loc, collapse.getSrc(), d));
    return product;
  }
  if (auto reshape = dyn_cast<tensor::ReshapeOp>(op))
    if (auto sizes = reshape.getShape().getDefiningOp<tensor::FromElementsOp>())
      return getAsOpFoldResult(sizes.getElements()[i]);
  if (auto pad = dyn_cast<tensor::PadOp>(op);
      pad && isConstantIntValue(pad.getMixedLowPad()[i], 0) &&
      isConstantIntValue(pad.getMixedHighPad()[i], 0))
    return getDim(b, loc, pad.getSource(), i);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op)) {
    llvm::SmallBitVector dropped = slice.getDroppedDims();
    for (auto [d, size] : llvm::enumerate(slice.getMixedSizes()))
      if (!dropped.test(d) && i-- == 0)
        return size;
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op)) {
    DimensionSum sum;
    // Of other dimensions, the inputs' are checked to be the first one's.
    for (Value input : concat.getInputs()) {
      sum = sum.plus(DimensionSum(getDim(b, loc, input, i)));
      if (int64_t(concat.getDim()) != i)
        break;
    }
    return sum.build(b, loc);
  }
  return createDim(b, loc, tensor, i);
}

OpFoldResult quantc::getDim(OpBuilder &b, Location loc, Value tensor,
                            int64_t i) {
  OpFoldResult dim = findDim(b, loc, tensor, i);
  // What is static has one form, so that types made of it say so, too.
  auto known = getConstantIntValue(dim);
  return known ? OpFoldResult(b.getIndexAttr(*known)) : dim;
}

SmallVector<OpFoldResult> quantc::getDims(OpBuilder &b, Location loc,
                                          Value tensor) {
  SmallVector<OpFoldResult> dims;
  for (int64_t i = 0, e = cast<RankedTensorType>(tensor.getType()).getRank();
       i < e; ++i)
    dims.push_back(getDim(b, loc, tensor, i));
  return dims;
}

Value quantc::materialize(OpBuilder &b, Location loc, OpFoldResult value) {
  return getValueOrCreateConstantIndexOp(b, loc, value);
}

Value quantc::createEmpty(OpBuilder &b, Location loc, RankedTensorType type,
                          ArrayRef<OpFoldResult> dims) {
  SmallVector<Value> dynamic;
  for (auto [size, dim] : llvm::zip(type.getShape(), dims))
    if (ShapedType::isDynamic(size))
      dynamic.push_back(materialize(b, loc, dim));
  return tensor::EmptyOp::create(b, loc, type, dynamic);
}

Value quantc::createFilled(OpBuilder &b, Location loc, RankedTensorType type,
                           ArrayRef<OpFoldResult> dims, Value scalar) {
  Value empty = createEmpty(b, loc, type, dims);
  return linalg::FillOp::create(b, loc, scalar, empty).getResult(0);
}

Value quantc::castTo(OpBuilder &b, Location loc, Value value, Type type) {
  if (value.getType() == type)
    return value;
  return tensor::CastOp::create(b, loc, type, value);
}

static Value extractElement(OpBuilder &b, Location loc, Value tensor,
                            int64_t i);

/// The scalar that element `i` of a small integer tensor was built from, if the
/// chain of ops that built it can be followed.
static Value findElement(OpBuilder &b, Location loc, Value tensor, int64_t i) {
  Operation *op = tensor.getDefiningOp();
  if (!op)
    return nullptr;
  if (auto elements = dyn_cast<tensor::FromElementsOp>(op))
    return elements.getElements()[i];
  if (auto constant = dyn_cast<arith::ConstantOp>(op)) {
    auto dense = dyn_cast<DenseIntElementsAttr>(constant.getValue());
    if (!dense || i >= dense.getNumElements())
      return nullptr;
    return arith::ConstantOp::create(
        b, loc,
        b.getIntegerAttr(dense.getElementType(), dense.getValues<APInt>()[i]));
  }
  // Reshapes keep the linear order.
  if (isa<tensor::CastOp, tensor::CollapseShapeOp, tensor::ExpandShapeOp>(op))
    return findElement(b, loc, op->getOperand(0), i);
  if (auto slice = dyn_cast<tensor::ExtractSliceOp>(op);
      slice && slice.getSourceType().getRank() == 1) {
    auto offset = getConstantIntValue(slice.getMixedOffsets()[0]);
    auto stride = getConstantIntValue(slice.getMixedStrides()[0]);
    if (offset && stride)
      return findElement(b, loc, slice.getSource(), *offset + i * *stride);
  }
  if (auto concat = dyn_cast<tensor::ConcatOp>(op);
      concat && concat.getResultType().getRank() == 1)
    for (Value input : concat.getInputs()) {
      auto type = cast<RankedTensorType>(input.getType());
      if (!type.hasStaticShape())
        return nullptr;
      if (i < type.getDimSize(0))
        return extractElement(b, loc, input, i);
      i -= type.getDimSize(0);
    }
  return nullptr;
}

/// Whether `extract` takes element `i` (in linear order).
static bool isElementAt(tensor::ExtractOp extract, int64_t i) {
  auto type = cast<RankedTensorType>(extract.getTensor().getType());
  int64_t position = 0;
  for (auto [size, index] : llvm::zip(type.getShape(), extract.getIndices())) {
    auto known = getConstantIntValue(index);
    if (!known || ShapedType::isDynamic(size))
      return false;
    position = position * size + *known;
  }
  return position == i;
}

/// Whether what `b` inserts comes after `op`, maybe deeper.
static bool isLater(OpBuilder &b, Operation *op) {
  Block *block = b.getInsertionBlock();
  if (block == op->getBlock())
    return isBefore(op, b);
  Operation *around =
      op->getBlock()->findAncestorOpInBlock(*block->getParentOp());
  return around && op->isBeforeInBlock(around);
}

/// Element `i` (in linear order) of a tensor whose type is static.
static Value extractElement(OpBuilder &b, Location loc, Value tensor,
                            int64_t i) {
  if (Value found = findElement(b, loc, tensor, i))
    return found;
  OpBuilder::InsertionGuard guard(b);
  // A size that an argument holds is one value for all that ask for it.
  auto argument = dyn_cast<BlockArgument>(tensor);
  if (argument && argument.getOwner()->isEntryBlock() &&
      getElementTypeOrSelf(tensor).isInteger(64)) {
    Block *block = argument.getOwner();
    for (Operation *user : tensor.getUsers())
      if (auto extract = dyn_cast<tensor::ExtractOp>(user))
        if (extract->getBlock() == block && isElementAt(extract, i) &&
            isLater(b, extract))
          return extract;
    b.setInsertionPointToStart(block);
  }
  auto type = cast<RankedTensorType>(tensor.getType());
  SmallVector<Value> at(type.getRank());
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    int64_t size = type.isDynamicDim(d) ? i + 1 : type.getDimSize(d);
    at[d] = constantIndex(b, loc, i % size);
    i /= size;
  }
  return tensor::ExtractOp::create(b, loc, tensor, at);
}

Value quantc::extractScalar(OpBuilder &b, Location loc, Value tensor,
                            int64_t i) {
  return extractElement(b, loc, tensor, i);
}

Value quantc::extractIndex(OpBuilder &b, Location loc, Value tensor,
                           int64_t i) {
  Value v = extractElement(b, loc, tensor, i);
  if (isa_and_present<arith::AddIOp, arith::SubIOp>(v.getDefiningOp()) &&
      (v.getType().isIndex() || v.getType().isInteger(64)))
    return materialize(b, loc, DimensionSum(v).build(b, loc));
  return castToIndex(b, loc, v);
}

//===- checks -------------------------------------------------------------===//

std::string quantc::describeNode(Location loc) {
  if (auto name = loc->findInstanceOf<NameLoc>())
    return ("node '" + name.getName().getValue() + "'").str();
  return "a node";
}

void quantc::createCheck(OpBuilder &b, Location loc, Value condition,
                         const Twine &message) {
  cf::AssertOp::create(b, loc, condition, message.str());
}

void quantc::checkDims(OpBuilder &b, Location loc, RankedTensorType type,
                       ArrayRef<OpFoldResult> dims) {
  for (auto [size, dim] : llvm::zip(type.getShape(), dims)) {
    if (ShapedType::isDynamic(size) || isConstantIntValue(dim, size))
      continue;
    Value ok = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                     materialize(b, loc, dim),
                                     constantIndex(b, loc, size));
    createCheck(b, loc, ok,
                describeNode(loc) +
                    ": the result's shape is not the declared one");
  }
}

//===- loops over elements ------------------------------------------------===//

namespace {
/// How an input of an elementwise op is read along one result dimension.
struct BroadcastPlan {
  SmallVector<OpFoldResult> dims; // of the result
  /// Per input and result dimension: the input has extent 1 there for sure (or
  /// no such dimension), or may have it at run time.
  SmallVector<SmallVector<bool>> isUnit, isAmbiguous;
};
} // namespace

/// The result's dimensions, and the run-time checks that they need.
static BroadcastPlan planBroadcast(OpBuilder &b, Location loc,
                                   RankedTensorType resultType,
                                   ValueRange inputs) {
  int64_t rank = resultType.getRank();
  BroadcastPlan plan;
  plan.isUnit.assign(inputs.size(), SmallVector<bool>(rank, false));
  plan.isAmbiguous.assign(inputs.size(), SmallVector<bool>(rank, false));
  for (int64_t d = 0; d < rank; ++d) {
    int64_t extent = resultType.getDimSize(d);
    SmallVector<unsigned> dynamic;
    std::optional<unsigned> fixed;
    for (auto [i, input] : llvm::enumerate(inputs)) {
      auto type = cast<RankedTensorType>(input.getType());
      int64_t own = d - (rank - type.getRank());
      if (own < 0 || type.getDimSize(own) == 1) {
        plan.isUnit[i][d] = true;
      } else if (type.isDynamicDim(own)) {
        dynamic.push_back(i);
      } else {
        fixed = i;
      }
    }
    auto dimOf = [&](unsigned i) {
      auto type = cast<RankedTensorType>(inputs[i].getType());
      return getDim(b, loc, inputs[i], d - (rank - type.getRank()));
    };
    if (fixed && ShapedType::isDynamic(extent))
      extent = *getConstantIntValue(dimOf(*fixed));
    // One input alone decides: nothing to compare with.
    if (dynamic.size() <= 1 && !fixed &&
        (ShapedType::isDynamic(extent) || extent == 1 || dynamic.empty())) {
      plan.dims.push_back(dynamic.empty() ? OpFoldResult(b.getIndexAttr(1))
                                          : dimOf(dynamic.front()));
      continue;
    }
    // Dimensions that come from one place are equal.
    bool same = !fixed && ShapedType::isDynamic(extent);
    SmallVector<Value> values;
    for (unsigned i : dynamic) {
      values.push_back(materialize(b, loc, dimOf(i)));
      same &= values.back() == values.front();
    }
    if (same) {
      plan.dims.push_back(values.front());
      continue;
    }
    Value one = constantIndex(b, loc, 1);
    Value result = ShapedType::isDynamic(extent)
                       ? values.front()
                       : constantIndex(b, loc, extent);
    if (ShapedType::isDynamic(extent))
      for (Value v : ArrayRef(values).drop_front()) {
        Value isOne = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                            result, one);
        result = arith::SelectOp::create(b, loc, isOne, v, result);
      }
    for (auto [i, v] : llvm::zip(dynamic, values)) {
      plan.isAmbiguous[i][d] = true;
      Value isOne =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, v, one);
      Value equal =
          arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, v, result);
      createCheck(b, loc, arith::OrIOp::create(b, loc, isOne, equal),
                  describeNode(loc) + ": the operands' dimensions do not "
                                      "broadcast");
    }
    plan.dims.push_back(ShapedType::isDynamic(extent)
                            ? OpFoldResult(result)
                            : OpFoldResult(b.getIndexAttr(extent)));
  }
  return plan;
}

/// Arithmetic on a few integers is arithmetic on sizes, most likely: kept as
/// scalars it can be looked through by getDim and extractIndex.
static bool isShapeArithmetic(RankedTensorType type, ValueRange inputs) {
  auto isSmall = [](Type t) {
    auto tensor = cast<RankedTensorType>(t);
    return isa<IntegerType>(tensor.getElementType()) &&
           tensor.hasStaticShape() && tensor.getRank() <= 1 &&
           tensor.getNumElements() <= 8;
  };
  return isSmall(type) && type.getNumElements() > 0 &&
         llvm::all_of(inputs.getTypes(), isSmall);
}

static Value createScalars(OpBuilder &b, Location loc, RankedTensorType type,
                           ValueRange inputs, ScalarBody body) {
  SmallVector<Value> elements;
  for (int64_t i = 0; i < type.getNumElements(); ++i) {
    SmallVector<Value> scalars;
    for (Value input : inputs) {
      bool single =
          cast<RankedTensorType>(input.getType()).getNumElements() == 1;
      scalars.push_back(extractElement(b, loc, input, single ? 0 : i));
    }
    elements.push_back(body(b, loc, scalars));
  }
  return tensor::FromElementsOp::create(b, loc, type, elements);
}

Value quantc::createElementwise(OpBuilder &b, Location loc,
                                RankedTensorType resultType, ValueRange inputs,
                                ScalarBody body) {
  if (isShapeArithmetic(resultType, inputs))
    return createScalars(b, loc, resultType, inputs, body);
  int64_t rank = resultType.getRank();
  BroadcastPlan plan = planBroadcast(b, loc, resultType, inputs);
  SmallVector<Value> operands, gathered;
  SmallVector<AffineMap> maps;
  // Which operand of the generic op an input is, or -1: read in the body.
  SmallVector<int64_t> position;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    auto type = cast<RankedTensorType>(input.getType());
    int64_t offset = rank - type.getRank();
    if (llvm::is_contained(plan.isAmbiguous[i], true)) {
      position.push_back(-1);
      continue;
    }
    // Unit dimensions that are stretched are collapsed away, so that maps stay
    // projected permutations, which upstream's fusions want.
    SmallVector<AffineExpr> exprs;
    SmallVector<ReassociationIndices> groups;
    SmallVector<int64_t> kept;
    ReassociationIndices pending;
    for (int64_t own = 0; own < type.getRank(); ++own) {
      pending.push_back(own);
      bool stretched = plan.isUnit[i][own + offset] &&
                       resultType.getDimSize(own + offset) != 1;
      if (stretched)
        continue;
      exprs.push_back(b.getAffineDimExpr(own + offset));
      kept.push_back(type.getDimSize(own));
      groups.push_back(pending);
      pending.clear();
    }
    if (!pending.empty() && !groups.empty())
      groups.back().append(pending);
    if (int64_t(kept.size()) != type.getRank())
      input = tensor::CollapseShapeOp::create(
          b, loc, RankedTensorType::get(kept, type.getElementType()), input,
          groups);
    position.push_back(operands.size());
    operands.push_back(input);
    maps.push_back(AffineMap::get(rank, 0, exprs, b.getContext()));
  }
  // Strides of 0 or 1 along the ambiguous dimensions, as index factors.
  SmallVector<SmallVector<Value>> factors(inputs.size());
  for (auto [i, input] : llvm::enumerate(inputs)) {
    if (position[i] >= 0)
      continue;
    auto type = cast<RankedTensorType>(input.getType());
    Value one = constantIndex(b, loc, 1), zero = constantIndex(b, loc, 0);
    for (int64_t own = 0; own < type.getRank(); ++own) {
      int64_t d = own + rank - type.getRank();
      if (plan.isUnit[i][d])
        factors[i].push_back(zero);
      else if (!plan.isAmbiguous[i][d])
        factors[i].push_back(one);
      else {
        Value size = materialize(b, loc, getDim(b, loc, input, own));
        Value isOne =
            arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq, size, one);
        factors[i].push_back(arith::SelectOp::create(b, loc, isOne, zero, one));
      }
    }
  }
  maps.push_back(b.getMultiDimIdentityMap(rank));
  Value empty = createEmpty(b, loc, resultType, plan.dims);
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange(resultType), operands, ValueRange(empty), maps,
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
      [&](OpBuilder &nested, Location l, ValueRange args) {
        SmallVector<Value> scalars;
        for (auto [i, input] : llvm::enumerate(inputs)) {
          if (position[i] >= 0) {
            scalars.push_back(args[position[i]]);
            continue;
          }
          SmallVector<Value> at;
          int64_t own = cast<RankedTensorType>(input.getType()).getRank();
          for (int64_t k = 0; k < own; ++k) {
            Value index = linalg::IndexOp::create(nested, l, k + rank - own);
            at.push_back(
                arith::MulIOp::create(nested, l, index, factors[i][k]));
          }
          scalars.push_back(tensor::ExtractOp::create(nested, l, input, at));
        }
        linalg::YieldOp::create(nested, l, body(nested, l, scalars));
      });
  return generic.getResult(0);
}

Value quantc::createIndexed(OpBuilder &b, Location loc,
                            RankedTensorType resultType,
                            ArrayRef<OpFoldResult> dims, IndexedBody body,
                            AffineMap map) {
  int64_t rank = resultType.getRank();
  map = map ? map : b.getMultiDimIdentityMap(rank);
  Value empty = createEmpty(b, loc, resultType, dims);
  auto generic = linalg::GenericOp::create(
      b, loc, TypeRange(resultType), ValueRange{}, ValueRange(empty), map,
      SmallVector<utils::IteratorType>(rank, utils::IteratorType::parallel),
      [&](OpBuilder &nested, Location l, ValueRange) {
        SmallVector<Value> indices;
        for (int64_t d = 0; d < rank; ++d)
          indices.push_back(
              linalg::IndexOp::create(nested, l, map.getDimPosition(d)));
        linalg::YieldOp::create(nested, l, body(nested, l, indices));
      });
  return generic.getResult(0);
}
