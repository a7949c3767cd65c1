//===- Contraction.cpp - Matrix products ----------------------------------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

static LogicalResult importMatMul(NodeContext &ctx) {
  return ctx.setOutput(0, ctx.create<qnn::MatMulOp>(ctx.input(0), ctx.input(1),
                                                    Value(), Value()));
}

/// alpha · A' · B' + beta · C. Factors go to the smaller operands, B and C,
/// that are constants most of the time.
static LogicalResult importGemm(NodeContext &ctx) {
  if (ctx.inputType(0).getRank() != 2 || ctx.inputType(1).getRank() != 2)
    return ctx.emitError("A and B must be matrices");
  auto scaled = [&](Value v, double factor) {
    if (factor == 1 || !v)
      return v;
    Type type = cast<RankedTensorType>(v.getType()).getElementType();
    return ctx.binary(qnn::BinaryKind::mul, v, ctx.scalar(type, factor));
  };
  Value a = ctx.input(0), b = ctx.input(1);
  if (ctx.getInt("transA"))
    a = ctx.transpose(a, {1, 0});
  if (ctx.getInt("transB"))
    b = ctx.transpose(b, {1, 0});
  Value product = ctx.create<qnn::MatMulOp>(
      a, scaled(b, ctx.getFloat("alpha", 1)), Value(), Value());
  double beta = ctx.getFloat("beta", 1);
  if (!ctx.hasInput(2) || beta == 0)
    return ctx.setOutput(0, product);
  return ctx.setOutput(
      0, ctx.binary(qnn::BinaryKind::add, product, scaled(ctx.input(2), beta)));
}

static LogicalResult importEinsum(NodeContext &ctx) {
  return ctx.setOutput(
      0, ctx.create<qnn::EinsumOp>(
             ValueRange(ctx.inputs()),
             ctx.builder.getStringAttr(ctx.getString("equation"))));
}

//===- determinant --------------------------------------------------------===//

/// By Gaussian elimination with the largest pivot of each column, written out
/// for all matrices of a batch at once.
static LogicalResult importDet(NodeContext &ctx) {
  using qnn::BinaryKind;
  using qnn::CompareKind;
  RankedTensorType type = ctx.inputType(0);
  int64_t rank = type.getRank();
  int64_t n = rank < 2 ? -1 : type.getDimSize(rank - 1);
  if (n < 1 || n > 64 || type.getDimSize(rank - 2) != n)
    return ctx.emitError("its matrices must be square, of a known size up to "
                         "64");
  Type element = type.getElementType(), i64 = ctx.builder.getI64Type();
  auto number = [&](double v) { return ctx.scalar(element, v); };
  auto select = [&](Value c, Value a, Value b) {
    return ctx.create<qnn::SelectOp>(c, a, b);
  };
  auto equal = [&](Value a, Value b) {
    return ctx.create<qnn::CompareOp>(CompareKind::equal, a, b);
  };
  auto sumOver = [&](Value v, int64_t axis) {
    return ctx.create<qnn::ReduceOp>(qnn::ReduceKind::sum, v, ctx.i64List(axis),
                                     /*keepdims=*/true,
                                     /*noop_with_empty_axes=*/false);
  };
  SmallVector<int64_t> numbers = llvm::to_vector(llvm::seq<int64_t>(0, n));
  Value rows = ctx.reshape(ctx.i64List(numbers), {n, 1});
  // [..., rows, columns]; everything of one number a matrix is [..., 1, 1].
  Value a = ctx.input(0), result;
  for (int64_t k = 0; k < n; ++k) {
    Value column =
        ctx.create<qnn::SliceOp>(a, ctx.i64List(k), ctx.i64List(k + 1),
                                 ctx.i64List(rank - 1), ctx.i64List(1));
    // The row from k on with the largest number.
    Value isLeft = ctx.create<qnn::CompareOp>(CompareKind::greater_or_equal,
                                              rows, ctx.i64Scalar(k));
    Value sizes =
        select(isLeft, ctx.unary(qnn::UnaryKind::abs, column), number(-1));
    Value best = ctx.castTo(
        ctx.create<qnn::ArgReduceOp>(qnn::ExtremumKind::max, sizes, rank - 2,
                                     /*keepdims=*/true, /*select_last=*/false),
        i64);
    Value isBest = equal(rows, best), isK = equal(rows, ctx.i64Scalar(k));
    Value pivotRow = sumOver(select(isBest, a, number(0)), rank - 2);
    Value oldRow = sumOver(select(isK, a, number(0)), rank - 2);
    Value pivot = sumOver(select(isBest, column, number(0)), rank - 2);
    Value sign = select(equal(best, ctx.i64Scalar(k)), number(1), number(-1));
    Value factor = ctx.binary(BinaryKind::mul, pivot, sign);
    result = result ? ctx.binary(BinaryKind::mul, result, factor) : factor;
    if (k + 1 == n)
      break;
    // Exchange the two rows, then take multiples of the pivot's from the others
    // below. Without a pivot the result is 0 whatever follows.
    a = select(isK, pivotRow, select(isBest, oldRow, a));
    Value divisor = select(equal(pivot, number(0)), number(1), pivot);
    Value below =
        ctx.create<qnn::SliceOp>(a, ctx.i64List(k), ctx.i64List(k + 1),
                                 ctx.i64List(rank - 1), ctx.i64List(1));
    Value multiples = ctx.binary(BinaryKind::div, below, divisor);
    Value isBelow = ctx.create<qnn::CompareOp>(CompareKind::greater, rows,
                                               ctx.i64Scalar(k));
    multiples = select(isBelow, multiples, number(0));
    a = ctx.binary(BinaryKind::sub, a,
                   ctx.binary(BinaryKind::mul, multiples, pivotRow));
  }
  return ctx.setOutput(
      0, ctx.create<qnn::SqueezeOp>(result, ctx.i64List({rank - 2, rank - 1})));
}

void quantc::onnx_import::registerContractionRules(RuleRegistry &registry) {
  registry.add(kOnnx, "Det", 11, importDet);
  registry.add(kOnnx, "Einsum", 12, importEinsum);
  registry.add(kOnnx, "Gemm", 7, importGemm);
  registry.add(kOnnx, "MatMul", 1, importMatMul);
}
