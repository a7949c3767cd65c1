//===- TfIdf.cpp - Counts of n-grams --------------------------------------===//
//
// Each n-gram is compared with all windows of the input at once.
//
//===----------------------------------------------------------------------===//

#include "../NodeContext.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::ReduceKind;

static Value reduce(NodeContext &ctx, ReduceKind kind, Value x, int64_t axis) {
  return ctx.create<qnn::ReduceOp>(kind, x, ctx.i64List(axis),
                                   /*keepdims=*/false,
                                   /*noop_with_empty_axes=*/false);
}

/// Windows of `size` elements of each row, `step` apart: (rows, windows, size).
static Value takeWindows(NodeContext &ctx, Value x, int64_t size,
                         int64_t step) {
  SmallVector<Value> columns;
  for (int64_t j = 0; j < size; ++j) {
    int64_t rest = (size - 1 - j) * step;
    Value column = ctx.create<qnn::SliceOp>(
        x, ctx.i64List(j * step),
        ctx.i64List(rest ? -rest : std::numeric_limits<int64_t>::max()),
        ctx.i64List(1), ctx.i64List(1));
    columns.push_back(ctx.create<qnn::UnsqueezeOp>(column, ctx.i64List(2)));
  }
  return ctx.create<qnn::ConcatOp>(columns, ctx.builder.getI64IntegerAttr(2));
}

/// How often each of `grams` (count, size) occurs in each row.
static Value countGrams(NodeContext &ctx, Value x, ArrayRef<int64_t> grams,
                        int64_t size, int64_t maxSkip) {
  Type f32 = ctx.builder.getF32Type(), i32 = ctx.builder.getI32Type();
  Value wanted = ctx.reshape(ctx.i64List(grams), {-1, size});
  Value sum;
  // Skips make no difference to single elements.
  for (int64_t step = 1; step <= (size == 1 ? 1 : maxSkip + 1); ++step) {
    Value windows = ctx.create<qnn::UnsqueezeOp>(
        takeWindows(ctx, x, size, step), ctx.i64List(2));
    Value same =
        ctx.create<qnn::CompareOp>(CompareKind::equal, windows, wanted);
    Value hits = reduce(ctx, ReduceKind::min, ctx.castTo(same, i32), 3);
    Value counts = reduce(ctx, ReduceKind::sum, ctx.castTo(hits, f32), 1);
    sum = sum ? ctx.binary(BinaryKind::add, sum, counts) : counts;
  }
  return sum;
}

static LogicalResult importTfIdf(NodeContext &ctx) {
  if (ctx.hasAttr("pool_strings"))
    return ctx.emitError("n-grams of strings are not supported");
  SmallVector<int64_t> pool = ctx.getInts("pool_int64s");
  SmallVector<int64_t> starts = ctx.getInts("ngram_counts");
  SmallVector<int64_t> columns = ctx.getInts("ngram_indexes");
  int64_t least = ctx.getInt("min_gram_length"),
          most = ctx.getInt("max_gram_length"),
          maxSkip = ctx.getInt("max_skip_count");
  int64_t rank = ctx.inputType(0).getRank();
  if (rank != 1 && rank != 2)
    return ctx.emitError("its input must be [C] or [N, C]");
  if (least < 1 || most < least || most > int64_t(starts.size()) ||
      maxSkip < 0 || maxSkip > 1024 || columns.empty())
    return ctx.emitError("the lengths of its n-grams do not fit its pool");
  Value x = ctx.castTo(ctx.input(0), ctx.builder.getI64Type());
  if (rank == 1)
    x = ctx.create<qnn::UnsqueezeOp>(x, ctx.i64List(int64_t(0)));
  if (!x)
    return failure();

  // Which column of the counts each column of the result shows; the last of the
  // counts is 0.
  SmallVector<Value> counts;
  int64_t width = *llvm::max_element(columns) + 1;
  if (*llvm::min_element(columns) < 0 || width > 1 << 24)
    return ctx.emitError("its ngram_indexes are out of range");
  SmallVector<int64_t> shown(width, -1), order(width, 0);
  int64_t gram = 0, counted = 0;
  for (int64_t size = 1; size <= int64_t(starts.size()); ++size) {
    int64_t begin = starts[size - 1];
    int64_t end = size < int64_t(starts.size()) ? starts[size] : pool.size();
    if (begin < 0 || end < begin || end > int64_t(pool.size()) ||
        (end - begin) % size)
      return ctx.emitError("its ngram_counts do not fit its pool");
    int64_t number = (end - begin) / size;
    bool isCounted = size >= least && size <= most && number > 0;
    for (int64_t i = 0; i < number; ++i, ++gram) {
      if (gram >= int64_t(columns.size()))
        return ctx.emitError("its ngram_indexes are too few");
      order[columns[gram]] = gram;
      if (isCounted)
        shown[columns[gram]] = counted++;
    }
    if (isCounted)
      counts.push_back(countGrams(
          ctx, x, ArrayRef(pool).slice(begin, end - begin), size, maxSkip));
  }
  Type f32 = ctx.builder.getF32Type();
  Value rows = ctx.create<qnn::ShapeOp>(x, int64_t(0), int64_t(1));
  counts.push_back(ctx.create<qnn::ExpandOp>(
      ctx.scalar(f32, 0),
      ctx.create<qnn::ConcatOp>(ValueRange{rows, ctx.i64List(1)},
                                ctx.builder.getI64IntegerAttr(0))));
  for (int64_t &column : shown)
    if (column < 0)
      column = counted;
  Value all =
      ctx.create<qnn::ConcatOp>(counts, ctx.builder.getI64IntegerAttr(1));
  Value result = ctx.create<qnn::GatherOp>(all, ctx.i64List(shown),
                                           ctx.builder.getI64IntegerAttr(1));

  std::string mode = ctx.getString("mode");
  if (mode != "TF" && mode != "IDF" && mode != "TFIDF")
    return ctx.emitError("mode '" + mode + "' is unknown");
  if (mode == "IDF")
    result = ctx.castTo(ctx.create<qnn::CompareOp>(CompareKind::greater, result,
                                                   ctx.scalar(f32, 0)),
                        f32);
  SmallVector<double> weights = ctx.getFloats("weights");
  if (mode != "TF" && !weights.empty()) {
    if (int64_t(weights.size()) < gram)
      return ctx.emitError("its weights are too few");
    SmallVector<float> ordered;
    for (int64_t i : order)
      ordered.push_back(weights[i]);
    Value factors = ctx.constant(DenseElementsAttr::get(
        RankedTensorType::get({width}, f32), ArrayRef<float>(ordered)));
    result = ctx.binary(BinaryKind::mul, result, factors);
  }
  if (rank == 1)
    result = ctx.create<qnn::SqueezeOp>(result, ctx.i64List(int64_t(0)));
  return ctx.setOutput(0, result);
}

void quantc::onnx_import::registerTfIdfRules(RuleRegistry &registry) {
  registry.add(kOnnx, "TfIdfVectorizer", 9, importTfIdf);
}
