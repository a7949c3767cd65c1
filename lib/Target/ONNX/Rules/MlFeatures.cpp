//===- MlFeatures.cpp - Features for the models of ai.onnx.ml -------------===//

#include "../LoopBuilder.h"
#include "MlScores.h"

#include <unordered_set>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;
using qnn::UnaryKind;

//===- Normalizer ---------------------------------------------------------===//

/// Rows divided by their norm; what has none stays as it is.
static LogicalResult importNormalizer(NodeContext &ctx) {
  std::string norm = ctx.getString("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2")
    return ctx.emitError("norm '" + norm + "' is unknown");
  Type f32 = ctx.builder.getF32Type();
  Value x = ctx.castTo(ctx.input(0), f32);
  int64_t rank = ctx.inputType(0).getRank();
  if (rank != 1 && rank != 2)
    return ctx.emitError("its input must be (rows, features)");
  ReduceKind kind = norm == "MAX"  ? ReduceKind::max
                    : norm == "L1" ? ReduceKind::l1
                                   : ReduceKind::l2;
  Value size = ctx.create<qnn::ReduceOp>(kind, x, ctx.i64List(rank - 1),
                                         /*keepdims=*/true,
                                         /*noop_with_empty_axes=*/false);
  Value zero = ctx.scalar(f32, 0);
  Value isNone = ctx.create<qnn::CompareOp>(CompareKind::equal, size, zero);
  Value divisor = ctx.create<qnn::SelectOp>(isNone, ctx.scalar(f32, 1), size);
  return ctx.setOutput(0, ctx.binary(BinaryKind::div, x, divisor));
}

//===- Imputer ------------------------------------------------------------===//

/// Emits an error, perhaps when it runs, unless the input has `count` columns:
/// one would be widened to as many as there are values.
static LogicalResult checkColumns(NodeContext &ctx, int64_t count) {
  RankedTensorType type = ctx.inputType(0);
  int64_t last = type.getRank() - 1;
  // ONNX Runtime counts along the second dimension of all, which is no column.
  if (last > 1)
    return ctx.emitError("it has " + Twine(count) +
                         " values to impute, which takes an input of rows and "
                         "columns");
  if (last >= 0 && type.isDynamicDim(last)) {
    Value columns = ctx.create<qnn::ShapeOp>(ctx.input(0), last, last + 1);
    Value fits = extractScalar(
        ctx, ctx.create<qnn::CompareOp>(CompareKind::equal, columns,
                                        ctx.i64List(count)));
    if (!fits)
      return failure();
    assertWhenRun(ctx, fits,
                  " (Imputer): the input has not " + Twine(count) +
                      " columns, as many as there are values to impute");
    return success();
  }
  if (last < 0 || type.getDimSize(last) != count)
    return ctx.emitError("it has " + Twine(count) +
                         " values to impute, which are not one for each "
                         "column");
  return success();
}

/// One value (NaN too) replaced by another, or by one for each column.
static LogicalResult importImputer(NodeContext &ctx) {
  Type type = ctx.inputElementType(0);
  Value x = ctx.input(0), isMissing, values;
  size_t count = 0;
  if (isa<FloatType>(type)) {
    SmallVector<double> imputed = ctx.getFloats("imputed_value_floats");
    count = imputed.size();
    double replaced = ctx.getFloat("replaced_value_float", 0);
    values = imputed.empty()
                 ? Value()
                 : ctx.castTo(ctx.reshape(matrix(ctx, ctx.builder.getF32Type(),
                                                 1, imputed.size(), imputed),
                                          {-1}),
                              type);
    isMissing = std::isnan(replaced)
                    ? ctx.unary(UnaryKind::is_nan, x)
                    : ctx.create<qnn::CompareOp>(CompareKind::equal, x,
                                                 ctx.scalar(type, replaced));
  } else {
    SmallVector<int64_t> imputed = ctx.getInts("imputed_value_int64s");
    count = imputed.size();
    values = imputed.empty() ? Value() : ctx.castTo(ctx.i64List(imputed), type);
    isMissing = ctx.create<qnn::CompareOp>(
        CompareKind::equal, x,
        ctx.castTo(ctx.i64Scalar(ctx.getInt("replaced_value_int64", 0)), type));
  }
  if (!values)
    return ctx.emitError("it has no values of the input's type to impute");
  if (count > 1 && failed(checkColumns(ctx, count)))
    return failure();
  if (ctx.inputType(0).getRank() == 0)
    return ctx.emitError("its input is no tensor of columns, but a scalar");
  return ctx.setOutput(0, ctx.create<qnn::SelectOp>(isMissing, values, x));
}

//===- OneHotEncoder ------------------------------------------------------===//

/// Which category each element is, along a new last dimension.
static LogicalResult importOneHotEncoder(NodeContext &ctx) {
  SmallVector<int64_t> categories = ctx.getInts("cats_int64s");
  Type i64 = ctx.builder.getI64Type(), f32 = ctx.builder.getF32Type();
  int64_t rank = ctx.inputType(0).getRank();
  if (categories.empty())
    return ctx.emitError("it has no categories of the input's type");
  Value x = ctx.castTo(
      ctx.create<qnn::UnsqueezeOp>(ctx.input(0), ctx.i64List(rank)), i64);
  Value is = ctx.castTo(ctx.create<qnn::CompareOp>(CompareKind::equal, x,
                                                   ctx.i64List(categories)),
                        f32);
  // Of categories that are equal, the last one counts.
  SmallVector<double> counts(categories.size(), 1);
  // Not LLVM's sets, which reserve two numbers for themselves.
  std::unordered_set<int64_t> later;
  for (auto [count, category] :
       llvm::zip(llvm::reverse(counts), llvm::reverse(categories)))
    if (!later.insert(category).second)
      count = 0;
  if (llvm::is_contained(counts, 0))
    is = ctx.binary(
        BinaryKind::mul, is,
        ctx.reshape(matrix(ctx, f32, 1, counts.size(), counts), {-1}));
  if (!ctx.getInt("zeros", 1)) {
    // Each element must be in a category.
    auto reduce = [&](ReduceKind kind, Value v, Value axes) {
      return ctx.create<qnn::ReduceOp>(kind, v, axes, /*keepdims=*/false,
                                       /*noop_with_empty_axes=*/false);
    };
    Value found = reduce(ReduceKind::max, is, ctx.i64List(rank));
    Value all = reduce(ReduceKind::min, found, Value());
    Value ok = extractScalar(ctx, ctx.castTo(all, ctx.builder.getI1Type()));
    if (!ok)
      return failure();
    assertWhenRun(ctx, ok,
                  " (OneHotEncoder): an element is in no category, and zeros "
                  "is 0");
  }
  return ctx.setOutput(0, is);
}

//===- FeatureVectorizer --------------------------------------------------===//

/// The inputs' columns side by side.
static LogicalResult importFeatureVectorizer(NodeContext &ctx) {
  SmallVector<int64_t> sizes = ctx.getInts("inputdimensions");
  if (sizes.size() != ctx.numInputs() || sizes.empty())
    return ctx.emitError("inputdimensions needs a number for each input");
  SmallVector<Value> parts;
  for (auto [i, size] : llvm::enumerate(sizes)) {
    RankedTensorType type = ctx.inputType(i);
    if (!type || type.getRank() != 2)
      return ctx.emitError("its inputs must be (rows, features)");
    Value x = ctx.castTo(ctx.input(i), ctx.builder.getF32Type());
    // Of another number of columns, the rest is left out or 0.
    if (type.getDimSize(1) != size) {
      Value missing =
          ctx.binary(BinaryKind::sub, ctx.i64List(size),
                     ctx.create<qnn::ShapeOp>(x, int64_t(1), int64_t(2)));
      Value pads =
          ctx.create<qnn::ConcatOp>(ValueRange{ctx.i64List(0), missing},
                                    ctx.builder.getI64IntegerAttr(0));
      x = ctx.create<qnn::PadOp>(qnn::PadMode::constant, x, pads,
                                 ctx.i64List(1),
                                 ctx.scalar(ctx.builder.getF32Type(), 0));
    }
    parts.push_back(x);
  }
  return ctx.setOutput(0, joinColumns(ctx, parts));
}

void quantc::onnx_import::registerMlFeatureRules(RuleRegistry &registry) {
  registry.add(kOnnxMl, "FeatureVectorizer", 1, importFeatureVectorizer);
  registry.add(kOnnxMl, "Imputer", 1, importImputer);
  registry.add(kOnnxMl, "Normalizer", 1, importNormalizer);
  registry.add(kOnnxMl, "OneHotEncoder", 1, importOneHotEncoder);
}
