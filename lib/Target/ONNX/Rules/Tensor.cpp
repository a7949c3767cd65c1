//===- Tensor.cpp - Constants, shapes and the movement of elements --------===//

#include "../LoopBuilder.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

static LogicalResult importConstant(NodeContext &ctx) {
  Builder &b = ctx.builder;
  auto elements = [&](Type type, int64_t rank1Size = -1) {
    SmallVector<int64_t> shape;
    if (rank1Size >= 0)
      shape.push_back(rank1Size);
    return RankedTensorType::get(shape, type);
  };
  auto set = [&](ElementsAttr value) {
    return ctx.setOutput(0, ctx.constant(value));
  };
  if (auto *attr = ctx.findAttr("value");
      attr && attr->t().data_type() == onnx::TensorProto::STRING)
    return ctx.setStrings(0, ctx.constant(ctx.getTensor("value")));
  if (ctx.hasAttr("value"))
    return set(ctx.getTensor("value"));
  if (ctx.hasAttr("sparse_value"))
    return set(ctx.getSparseTensor("sparse_value"));
  if (ctx.hasAttr("value_float"))
    return set(DenseElementsAttr::get(elements(b.getF32Type()),
                                      float(ctx.getFloat("value_float"))));
  if (ctx.hasAttr("value_int"))
    return set(DenseElementsAttr::get(elements(b.getI64Type()),
                                      ctx.getInt("value_int")));
  if (ctx.hasAttr("value_floats")) {
    SmallVector<double> values = ctx.getFloats("value_floats");
    SmallVector<float> floats(values.begin(), values.end());
    return set(DenseElementsAttr::get(elements(b.getF32Type(), floats.size()),
                                      ArrayRef<float>(floats)));
  }
  if (ctx.hasAttr("value_ints")) {
    SmallVector<int64_t> ints = ctx.getInts("value_ints");
    return set(DenseElementsAttr::get(elements(b.getI64Type(), ints.size()),
                                      ArrayRef<int64_t>(ints)));
  }
  return ctx.emitError("constants of strings are not supported");
}

static LogicalResult importIdentity(NodeContext &ctx) {
  if (ctx.isSequence(0))
    return ctx.passSequence();
  if (ctx.isNone(0))
    return ctx.setNone(0);
  if (ctx.isString(0))
    return ctx.setStrings(0, ctx.input(0));
  return ctx.setOutput(0, ctx.input(0));
}

static LogicalResult importReshape(NodeContext &ctx) {
  bool allowZero = ctx.getInt("allowzero", 0);
  return ctx.setOutput(
      0, ctx.create<qnn::ReshapeOp>(ctx.input(0), ctx.input(1), allowZero));
}

static LogicalResult importTranspose(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  SmallVector<int64_t> reversed(llvm::reverse(llvm::seq<int64_t>(0, rank)));
  return ctx.setOutput(
      0, ctx.transpose(ctx.input(0), ctx.getInts("perm", reversed)));
}

static LogicalResult importShape(NodeContext &ctx) {
  int64_t rank = ctx.inputType(0).getRank();
  auto clampAxis = [&](int64_t axis) {
    return std::clamp<int64_t>(axis < 0 ? axis + rank : axis, 0, rank);
  };
  int64_t start = clampAxis(ctx.getInt("start", 0));
  int64_t end = std::max(start, clampAxis(ctx.getInt("end", rank)));
  return ctx.setOutput(0, ctx.create<qnn::ShapeOp>(ctx.input(0), start, end));
}

//===- shapes -------------------------------------------------------------===//

/// Dimension `i` of `x` as a tensor<1xi64>.
static Value dim(NodeContext &ctx, Value x, int64_t i) {
  return ctx.create<qnn::ShapeOp>(x, ctx.builder.getI64IntegerAttr(i),
                                  ctx.builder.getI64IntegerAttr(i + 1));
}

static Value times(NodeContext &ctx, Value a, int64_t factor) {
  return ctx.binary(qnn::BinaryKind::mul, a, ctx.i64List(factor));
}

static Value over(NodeContext &ctx, Value a, int64_t divisor) {
  return ctx.binary(qnn::BinaryKind::div, a, ctx.i64List(divisor));
}

/// Dimensions as a shape.
static Value join(NodeContext &ctx, ArrayRef<Value> dims) {
  return ctx.create<qnn::ConcatOp>(dims, ctx.builder.getI64IntegerAttr(0));
}

/// 0, 1, ... up to a dimension.
static Value iota(NodeContext &ctx, Value limit) {
  return ctx.create<qnn::RangeOp>(ctx.i64Scalar(0), limit, ctx.i64Scalar(1));
}

static LogicalResult importSize(NodeContext &ctx) {
  Value size = ctx.i64List(1);
  for (int64_t i = 0, e = ctx.inputType(0).getRank(); i < e; ++i)
    size = ctx.binary(qnn::BinaryKind::mul, size, dim(ctx, ctx.input(0), i));
  return ctx.setOutput(0, ctx.reshape(size, {}));
}

static LogicalResult importFlatten(NodeContext &ctx) {
  RankedTensorType type = ctx.inputType(0);
  auto axis = ctx.getInt("axis", 1);
  if (axis < 0)
    axis += type.getRank();
  if (axis < 0 || axis > type.getRank())
    return ctx.emitError("its axis is out of range");
  auto product = [&](ArrayRef<int64_t> dims) {
    int64_t count = 1;
    for (int64_t d : dims)
      count = ShapedType::isDynamic(d) || count < 0 ? -1 : count * d;
    return count;
  };
  int64_t rows = product(type.getShape().take_front(axis));
  int64_t columns = product(type.getShape().drop_front(axis));
  if (rows >= 0 || columns >= 0)
    return ctx.setOutput(
        0, ctx.reshape(ctx.input(0), {rows, rows > 0 ? -1 : columns}));
  Value count = ctx.i64List(1);
  for (int64_t i = 0; i < axis; ++i)
    count = ctx.binary(qnn::BinaryKind::mul, count, dim(ctx, ctx.input(0), i));
  Value shape = join(ctx, {count, ctx.i64List(-1)});
  return ctx.setOutput(0,
                       ctx.create<qnn::ReshapeOp>(ctx.input(0), shape, false));
}

/// The axes of Squeeze and Unsqueeze: an attribute, then an input.
static Value getAxes(NodeContext &ctx) {
  if (ctx.hasInput(1))
    return ctx.input(1);
  if (ctx.hasAttr("axes"))
    return ctx.i64List(ctx.getInts("axes"));
  return {};
}

/// The dimensions that Squeeze removes without axes: those of extent 1. The
/// result's rank cannot depend on data, so a dynamic dimension stays (and has
/// to be another number when the model runs), unless the model declares a rank
/// for which all of them have to go.
static FailureOr<SmallVector<int64_t>> findOnes(NodeContext &ctx) {
  RankedTensorType type = ctx.inputType(0);
  SmallVector<int64_t> ones, dynamic;
  for (auto [i, d] : llvm::enumerate(type.getShape())) {
    if (d == 1)
      ones.push_back(i);
    else if (ShapedType::isDynamic(d))
      dynamic.push_back(i);
  }
  RankedTensorType declared = ctx.outputType(0);
  int64_t removed = declared ? type.getRank() - declared.getRank() : -1;
  if (removed == int64_t(ones.size() + dynamic.size())) {
    llvm::append_range(ones, dynamic);
    llvm::sort(ones);
    return ones;
  }
  for (int64_t i : dynamic) {
    Value isOne = ctx.create<qnn::CompareOp>(
        qnn::CompareKind::equal, dim(ctx, ctx.input(0), i), ctx.i64List(1));
    Value stays =
        extractScalar(ctx, ctx.unary(qnn::UnaryKind::logical_not, isOne));
    if (!stays)
      return failure();
    assertWhenRun(ctx, stays,
                  " (Squeeze): dimension " + std::to_string(i) +
                      " is 1, which would change the result's rank; "
                      "give the node axes, or pin it with --shape");
  }
  return ones;
}

static LogicalResult importSqueeze(NodeContext &ctx) {
  Value axes = getAxes(ctx);
  if (!axes) {
    auto ones = findOnes(ctx);
    if (failed(ones))
      return failure();
    axes = ctx.i64List(*ones);
  }
  return ctx.setOutput(0, ctx.create<qnn::SqueezeOp>(ctx.input(0), axes));
}

static LogicalResult importUnsqueeze(NodeContext &ctx) {
  Value axes = getAxes(ctx);
  if (!axes)
    return ctx.emitError("it has no axes");
  return ctx.setOutput(0, ctx.create<qnn::UnsqueezeOp>(ctx.input(0), axes));
}

//===- tensors made of shapes ---------------------------------------------===//

static LogicalResult importExpand(NodeContext &ctx) {
  return ctx.setOutput(0,
                       ctx.create<qnn::ExpandOp>(ctx.input(0), ctx.input(1)));
}

static LogicalResult importConstantOfShape(NodeContext &ctx) {
  Value value = ctx.scalar(ctx.builder.getF32Type(), 0);
  if (ctx.hasAttr("value")) {
    ElementsAttr attr = ctx.getTensor("value");
    if (!attr || attr.getNumElements() != 1)
      return ctx.emitError("its attribute 'value' must have one element");
    value = ctx.reshape(ctx.constant(attr), {});
  }
  return ctx.setOutput(0, ctx.create<qnn::ExpandOp>(value, ctx.input(0)));
}

static LogicalResult importRange(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.create<qnn::RangeOp>(ctx.input(0), ctx.input(1), ctx.input(2)));
}

/// Row numbers as a column and column numbers as a row, of the last two
/// dimensions.
static std::pair<Value, Value> numberMatrix(NodeContext &ctx, Value x) {
  int64_t rank = cast<RankedTensorType>(x.getType()).getRank();
  Value rows = iota(ctx, dim(ctx, x, rank - 2));
  Value columns = iota(ctx, dim(ctx, x, rank - 1));
  return {ctx.create<qnn::UnsqueezeOp>(rows, ctx.i64List(1)), columns};
}

static LogicalResult importEyeLike(NodeContext &ctx) {
  if (ctx.inputType(0).getRank() != 2)
    return ctx.emitError("its input must be a matrix");
  Type type = ctx.hasAttr("dtype") ? ctx.getElementType("dtype")
                                   : ctx.inputElementType(0);
  auto [rows, columns] = numberMatrix(ctx, ctx.input(0));
  Value diagonal =
      ctx.binary(qnn::BinaryKind::add, rows, ctx.i64Scalar(ctx.getInt("k", 0)));
  Value ones =
      ctx.create<qnn::CompareOp>(qnn::CompareKind::equal, diagonal, columns);
  return type ? ctx.setOutput(0, ctx.castTo(ones, type)) : failure();
}

static LogicalResult importTrilu(NodeContext &ctx) {
  RankedTensorType type = ctx.inputType(0);
  if (type.getRank() < 2)
    return ctx.emitError("its input must have two dimensions at least");
  auto [rows, columns] = numberMatrix(ctx, ctx.input(0));
  Value diagonal = rows;
  if (ctx.hasInput(1))
    diagonal =
        ctx.binary(qnn::BinaryKind::add, rows, ctx.reshape(ctx.input(1), {}));
  auto kind = ctx.getInt("upper", 1) ? qnn::CompareKind::greater_or_equal
                                     : qnn::CompareKind::less_or_equal;
  Value keep = ctx.create<qnn::CompareOp>(kind, columns, diagonal);
  Value zero = ctx.scalar(type.getElementType(), 0);
  return ctx.setOutput(0, ctx.create<qnn::SelectOp>(keep, ctx.input(0), zero));
}

//===- depth and space ----------------------------------------------------===//

/// [N, C, H, W] and the block size.
static FailureOr<int64_t> getBlockSize(NodeContext &ctx) {
  int64_t block = ctx.getInt("blocksize");
  if (ctx.inputType(0).getRank() != 4 || block <= 0)
    return ctx.emitError("needs an input of rank 4 and a positive blocksize");
  return block;
}

static Value reshapeTo(NodeContext &ctx, Value x, ArrayRef<Value> dims) {
  return ctx.create<qnn::ReshapeOp>(x, join(ctx, dims), false);
}

static LogicalResult importDepthToSpace(NodeContext &ctx) {
  auto block = getBlockSize(ctx);
  if (failed(block))
    return failure();
  Value x = ctx.input(0), b = ctx.i64List(*block);
  Value n = dim(ctx, x, 0), h = dim(ctx, x, 2), w = dim(ctx, x, 3);
  Value depth = over(ctx, dim(ctx, x, 1), *block * *block);
  if (ctx.getString("mode", "DCR") == "DCR") {
    x = reshapeTo(ctx, x, {n, b, b, depth, h, w});
    x = ctx.transpose(x, {0, 3, 4, 1, 5, 2});
  } else {
    x = reshapeTo(ctx, x, {n, depth, b, b, h, w});
    x = ctx.transpose(x, {0, 1, 4, 2, 5, 3});
  }
  return ctx.setOutput(
      0, reshapeTo(ctx, x,
                   {n, depth, times(ctx, h, *block), times(ctx, w, *block)}));
}

static LogicalResult importSpaceToDepth(NodeContext &ctx) {
  auto block = getBlockSize(ctx);
  if (failed(block))
    return failure();
  Value x = ctx.input(0), b = ctx.i64List(*block);
  Value n = dim(ctx, x, 0), c = dim(ctx, x, 1);
  Value h = over(ctx, dim(ctx, x, 2), *block);
  Value w = over(ctx, dim(ctx, x, 3), *block);
  x = reshapeTo(ctx, x, {n, c, h, b, w, b});
  if (ctx.getString("mode", "DCR") == "DCR")
    x = ctx.transpose(x, {0, 3, 5, 1, 2, 4});
  else
    x = ctx.transpose(x, {0, 1, 3, 5, 2, 4});
  return ctx.setOutput(
      0, reshapeTo(ctx, x, {n, times(ctx, c, *block * *block), h, w}));
}

void quantc::onnx_import::registerTensorRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Constant", 1, importConstant);
  registry.add(kOnnx, "Identity", 1, importIdentity);
  registry.allowSequences(kOnnx, "Identity");
  registry.add(kOnnx, "Reshape", 5, importReshape);
  registry.add(kOnnx, "Transpose", 1, importTranspose);
  registry.add(kOnnx, "Shape", 1, importShape);
  registry.add(kOnnx, "Size", 1, importSize);
  registry.add(kOnnx, "Flatten", 1, importFlatten);
  registry.add(kOnnx, "Squeeze", 1, importSqueeze);
  registry.add(kOnnx, "Unsqueeze", 1, importUnsqueeze);
  registry.add(kOnnx, "Expand", 8, importExpand);
  registry.add(kOnnx, "ConstantOfShape", 9, importConstantOfShape);
  registry.add(kOnnx, "Range", 11, importRange);
  registry.add(kOnnx, "EyeLike", 9, importEyeLike);
  registry.add(kOnnx, "Trilu", 14, importTrilu);
  registry.add(kOnnx, "DepthToSpace", 1, importDepthToSpace);
  registry.add(kOnnx, "SpaceToDepth", 1, importSpaceToDepth);
}
