//===- LabelEncoder.cpp - Tables from keys to values ----------------------===//
//
// Keys are sorted at compile time, and a run searches them by halves: code for
// one of n keys is that for log n steps. Strings are searched by a hash of
// their bytes, which no two keys share; one that is found is compared.
//
//===----------------------------------------------------------------------===//

#include "LabelEncoder.h"

#include "StringBytes.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"

#include "llvm/Support/MathExtras.h"

#include <random>
#include <unordered_map>

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::CompareKind;
using qnn::UnaryKind;

namespace {
/// One of the lists that LabelEncoder has in several types.
struct Labels {
  SmallVector<std::string> strings;
  /// A list of numbers, if they are no strings.
  DenseElementsAttr numbers;
  size_t size() const {
    return numbers ? size_t(numbers.getNumElements()) : strings.size();
  }
};

/// Sorted keys: which of them, in their order. As many as a power of two, the
/// last one again where there are fewer.
struct SortedKeys {
  SmallVector<int64_t> order;
  /// The first key that is NaN, which is greater than all, and equal to others.
  std::optional<int64_t> nan;
};

/// Strings as numbers: the sum of their bytes, each times its column's factor.
struct Hash {
  SmallVector<int64_t> factors;
  uint64_t operator()(StringRef text) const {
    uint64_t sum = 0;
    for (auto [byte, factor] : llvm::zip(text.bytes(), factors))
      sum += uint64_t(byte) * uint64_t(factor);
    return sum;
  }
};
} // namespace

static DenseElementsAttr makeList(ArrayRef<Attribute> numbers, Type type) {
  if (numbers.empty())
    return {};
  return DenseElementsAttr::get(
      RankedTensorType::get({int64_t(numbers.size())}, type), numbers);
}

static Labels readLabels(NodeContext &ctx, StringRef prefix) {
  Labels labels;
  Builder &b = ctx.builder;
  auto name = [&](StringRef suffix) { return (prefix + suffix).str(); };
  labels.strings = ctx.getStrings(name("_strings"));
  SmallVector<Attribute> numbers;
  for (int64_t v : ctx.getInts(name("_int64s")))
    numbers.push_back(b.getI64IntegerAttr(v));
  labels.numbers = makeList(numbers, b.getI64Type());
  numbers.clear();
  for (double v : ctx.getFloats(name("_floats")))
    numbers.push_back(b.getF32FloatAttr(v));
  if (!numbers.empty())
    labels.numbers = makeList(numbers, b.getF32Type());
  const onnx::AttributeProto *attr = ctx.findAttr(name("_tensor"));
  ElementsAttr value = attr ? ctx.getTensor(name("_tensor")) : ElementsAttr();
  if (!value)
    return labels;
  if (attr->t().data_type() == onnx::TensorProto::STRING) {
    labels.strings.assign(attr->t().string_data().begin(),
                          attr->t().string_data().end());
  } else {
    auto type = cast<RankedTensorType>(value.getType());
    auto dense = dyn_cast<DenseElementsAttr>(value);
    if (auto bytes = dense ? std::nullopt : qnn::getConstantBytes(value))
      dense = DenseElementsAttr::getFromRawBuffer(type, *bytes);
    if (dense && dense.getNumElements() > 0)
      labels.numbers = dense.reshape(type.clone({dense.getNumElements()}));
  }
  return labels;
}

/// Orders the keys, of which the first of equal ones counts.
template <typename T> static SmallVector<int64_t> sortKeys(ArrayRef<T> keys) {
  SmallVector<int64_t> order =
      llvm::to_vector(llvm::seq<int64_t>(0, keys.size()));
  llvm::stable_sort(order,
                    [&](int64_t a, int64_t b) { return keys[a] < keys[b]; });
  order.erase(
      llvm::unique(order,
                   [&](int64_t a, int64_t b) { return keys[a] == keys[b]; }),
      order.end());
  return order;
}

static SortedKeys sortNumbers(DenseElementsAttr keys) {
  SortedKeys sorted;
  Type type = keys.getElementType();
  if (!isa<FloatType>(type)) {
    SmallVector<int64_t> ints;
    for (const APInt &v : keys.getValues<APInt>())
      ints.push_back(type.isSignlessInteger(1) || type.isUnsignedInteger()
                         ? v.getZExtValue()
                         : v.getSExtValue());
    sorted.order = sortKeys<int64_t>(ints);
    return sorted;
  }
  SmallVector<double> floats;
  SmallVector<int64_t> positions;
  for (auto [i, v] : llvm::enumerate(keys.getValues<APFloat>())) {
    if (v.isNaN()) {
      sorted.nan = sorted.nan.value_or(i);
      continue;
    }
    floats.push_back(v.convertToDouble());
    positions.push_back(i);
  }
  for (int64_t i : sortKeys<double>(floats))
    sorted.order.push_back(positions[i]);
  if (sorted.nan)
    sorted.order.push_back(*sorted.nan);
  return sorted;
}

/// A hash that tells all keys apart.
static Hash chooseHash(ArrayRef<std::string> keys, size_t width) {
  Hash hash;
  for (uint64_t seed = 1;; ++seed) {
    std::mt19937_64 random(seed);
    hash.factors.clear();
    for (size_t i = 0; i < width; ++i)
      hash.factors.push_back(int64_t(random() | 1));
    // Not LLVM's maps, which reserve two numbers for themselves.
    std::unordered_map<uint64_t, StringRef> seen;
    bool isUnique = llvm::all_of(keys, [&](StringRef key) {
      return seen.try_emplace(hash(key), key).first->second == key;
    });
    if (isUnique)
      return hash;
  }
}

/// The hashes of strings, of which the bytes behind the longest key are left
/// out: what is longer is found out when it is compared.
static Value computeHashes(NodeContext &ctx, Value x, const Hash &hash) {
  int64_t width = hash.factors.size(), axis = rankOf(x) - 1;
  Value bytes = widenTo(ctx, x, ctx.i64List(width));
  bytes = ctx.create<qnn::SliceOp>(bytes, ctx.i64List(int64_t(0)),
                                   ctx.i64List(width), ctx.i64List(axis),
                                   ctx.i64List(1));
  Value products =
      ctx.binary(BinaryKind::mul, ctx.castTo(bytes, ctx.builder.getI64Type()),
                 ctx.i64List(hash.factors));
  return ctx.create<qnn::ReduceOp>(qnn::ReduceKind::sum, products,
                                   ctx.i64List(axis), /*keepdims=*/false,
                                   /*noop_with_empty_axes=*/false);
}

static Value take(NodeContext &ctx, Value table, Value at) {
  return ctx.create<qnn::GatherOp>(table, at, ctx.builder.getI64IntegerAttr(0));
}

/// Which of the sorted keys each x is, if it is one of them: the number of keys
/// below it, at most all but one.
static Value search(NodeContext &ctx, Value x, Value keys, int64_t count) {
  Value place = ctx.i64Scalar(0);
  for (int64_t step = count / 2; step > 0; step /= 2) {
    Value probe = take(
        ctx, keys, ctx.binary(BinaryKind::add, place, ctx.i64Scalar(step - 1)));
    Value isBehind = ctx.create<qnn::CompareOp>(CompareKind::less, probe, x);
    place = ctx.binary(BinaryKind::add, place,
                       ctx.create<qnn::SelectOp>(isBehind, ctx.i64Scalar(step),
                                                 ctx.i64Scalar(0)));
  }
  return place;
}

/// The default for values of numbers: an attribute, or -1 (-0.0 of floats).
static Value readDefault(NodeContext &ctx, Type type) {
  if (ctx.hasAttr("default_tensor"))
    return ctx.reshape(ctx.constant(ctx.getTensor("default_tensor")), {});
  if (isa<FloatType>(type))
    return ctx.scalar(type, ctx.getFloat("default_float", -0.0));
  // All 64 bits of it.
  return ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({}, type),
      APInt(type.getIntOrFloatBitWidth(), ctx.getInt("default_int64", -1),
            /*isSigned=*/true, /*implicitTrunc=*/true)));
}

/// Strings as a table of `width` columns, in the order given.
static Value makeTable(NodeContext &ctx, ArrayRef<std::string> texts,
                       ArrayRef<int64_t> order, size_t width) {
  std::vector<uint8_t> bytes(order.size() * width);
  for (auto [row, i] : llvm::enumerate(order))
    llvm::copy(texts[i], bytes.begin() + row * width);
  return ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({int64_t(order.size()), int64_t(width)},
                            byteType(ctx)),
      ArrayRef<uint8_t>(bytes)));
}

/// The values in the order of the keys, and the one of what is no key.
static std::pair<Value, Value>
readValues(NodeContext &ctx, const Labels &values, ArrayRef<int64_t> order) {
  if (values.numbers)
    return {take(ctx, ctx.constant(values.numbers), ctx.i64List(order)),
            readDefault(ctx, values.numbers.getElementType())};
  std::string otherwise = ctx.getString("default_string", "_Unused");
  if (const onnx::AttributeProto *attr = ctx.findAttr("default_tensor");
      attr && ctx.getTensor("default_tensor") &&
      attr->t().string_data_size() == 1)
    otherwise = attr->t().string_data(0);
  size_t width = std::max<size_t>(otherwise.size(), 1);
  for (const std::string &text : values.strings)
    width = std::max(width, text.size());
  return {makeTable(ctx, values.strings, order, width),
          literal(ctx, otherwise, width)};
}

LogicalResult quantc::onnx_import::importLabelEncoder(NodeContext &ctx) {
  Labels keys = readLabels(ctx, "keys"), values = readLabels(ctx, "values");
  if (ctx.hasFailed())
    return failure();
  if (keys.size() != values.size() || keys.size() == 0)
    return ctx.emitError("its keys and values must be lists of one length");
  if (ctx.isString(0) == bool(keys.numbers))
    return ctx.emitError("its keys do not have the input's type");
  Value x = ctx.input(0), searched = x;
  SortedKeys sorted;
  Hash hash;
  size_t width = 1;
  if (keys.numbers) {
    sorted = sortNumbers(keys.numbers);
  } else {
    for (const std::string &key : keys.strings)
      width = std::max(width, key.size());
    hash = chooseHash(keys.strings, width);
    SmallVector<int64_t> hashes;
    for (const std::string &key : keys.strings)
      hashes.push_back(int64_t(hash(key)));
    sorted.order = sortKeys<int64_t>(hashes);
    searched = computeHashes(ctx, x, hash);
  }
  SmallVector<int64_t> order = sorted.order;
  order.resize(llvm::PowerOf2Ceil(order.size()), order.back());

  Value place, same;
  if (keys.numbers) {
    Value table = take(ctx, ctx.constant(keys.numbers), ctx.i64List(order));
    place = search(ctx, searched, table, order.size());
    same = ctx.create<qnn::CompareOp>(CompareKind::equal, x,
                                      take(ctx, table, place));
  } else {
    SmallVector<int64_t> hashes;
    for (int64_t i : order)
      hashes.push_back(int64_t(hash(keys.strings[i])));
    place = search(ctx, searched, ctx.i64List(hashes), order.size());
    same = areEqual(
        ctx, x, take(ctx, makeTable(ctx, keys.strings, order, width), place));
  }
  // Nothing is less than a NaN, nor equal to it. ONNX Runtime finds such a key
  // from this version on.
  if (sorted.nan && ctx.opset >= 4) {
    Value isNaN = ctx.unary(UnaryKind::is_nan, x);
    Value last = ctx.i64Scalar(sorted.order.size() - 1);
    place = ctx.create<qnn::SelectOp>(isNaN, last, place);
    same = ctx.binary(BinaryKind::logical_or, same, isNaN);
  }
  auto [table, otherwise] = readValues(ctx, values, order);
  Value found = take(ctx, table, place);
  if (!found || !same)
    return failure();
  if (!values.numbers)
    same = ctx.create<qnn::UnsqueezeOp>(same, ctx.i64List(rankOf(same)));
  Value result = ctx.create<qnn::SelectOp>(same, found, otherwise);
  return values.numbers ? ctx.setOutput(0, result) : ctx.setStrings(0, result);
}
