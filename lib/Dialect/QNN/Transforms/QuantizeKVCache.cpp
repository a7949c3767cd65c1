//===- QuantizeKVCache.cpp - A decoder's cache in few bits ----------------===//
//
// The tensors that a graph takes and returns become codes and their scales. In
// the graph, what is new is quantized once and appended, and attention reads
// numbers made of codes.
//
//===----------------------------------------------------------------------===//

#include "CachePairs.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/ImplicitLocOpBuilder.h"
#include "llvm/ADT/SetVector.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_QUANTIZEKVCACHEPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

/// Scales are no less, so that nothing is divided by 0: the least normal number
/// of f16, which holds scales of groups.
static constexpr float minScale = 0x1p-14f;

/// Whether products sum over the tokens of a cache (values) or not (keys);
/// nothing if that is not clear.
static std::optional<bool> areTokensSummed(Value present) {
  std::optional<bool> answer;
  llvm::SetVector<Value> values;
  values.insert(present);
  for (size_t i = 0; i < values.size(); ++i)
    for (OpOperand &use : values[i].getUses()) {
      Operation *op = use.getOwner();
      auto matmul = dyn_cast<MatMulOp>(op);
      if (!matmul) {
        if (op->getNumResults() == 1 &&
            isa<RankedTensorType>(op->getResult(0).getType()) &&
            !isa<ShapeOp>(op))
          values.insert(op->getResult(0));
        continue;
      }
      RankedTensorType type = typeOf(use.get());
      if (type.getNumDynamicDims() != 1 || type.getRank() < 2)
        return std::nullopt;
      bool isLeft = use.getOperandNumber() == 0;
      bool summed = type.isDynamicDim(type.getRank() - (isLeft ? 1 : 2));
      if (answer && *answer != summed)
        return std::nullopt;
      answer = summed;
    }
  return answer;
}

namespace {

/// Builds what takes the place of one pair.
class CacheQuantizer {
public:
  CacheQuantizer(func::FuncOp func, CachePair pair)
      : func(func), pair(pair),
        b(getNodeLoc(pair.concat.getLoc()), pair.concat),
        name(getValueName(pair.past).str()),
        presentName(getOutputName(func, pair.getResultNumber()).str()),
        dims(getArgumentDims(pair.past)), type(pair.getType()) {}

  void quantizeTokens(Type codeType, float largest);
  void quantizeGroups(bool areValues, int64_t group, int64_t window);

private:
  Value ints(ArrayRef<int64_t> list) { return ConstantOp::create(b, list); }
  Value number(float value) {
    return ConstantOp::create(b, makeFloatConstant(b.getContext(), {}, value));
  }
  Value reshape(Value value, ArrayRef<int64_t> shape) {
    return ReshapeOp::create(b, value, ints(shape));
  }
  Value slice(Value value, Value start, Value end, int64_t axis,
              int64_t step = 1) {
    return SliceOp::create(b, value, start, end, ints({axis}), ints({step}));
  }
  Value concat(Value first, Value second, int64_t axis = 2) {
    return ConcatOp::create(b, ValueRange{first, second}, axis);
  }
  Value binary(BinaryKind kind, Value lhs, Value rhs) {
    return BinaryOp::create(b, kind, lhs, rhs);
  }
  Value reduce(ReduceKind kind, Value value, int64_t axis) {
    return ReduceOp::create(b, kind, value, ints({axis}), /*keepdims=*/true,
                            /*noop_with_empty_axes=*/false);
  }
  Value cast(Value value, Type element) {
    return CastOp::create(b, typeOf(value).clone(element), value);
  }
  /// Rounded and saturated.
  Value round(Value value, Type element) {
    return QuantizeOp::create(b, typeOf(value).clone(element), value, number(1),
                              Value(), IntegerAttr(), 0, true, TypeAttr());
  }
  /// The new tensor, which is an input and an output, grows by `appended`.
  Value append(Value appended, const Twine &suffix, StringRef dim);
  Value addInput(RankedTensorType inputType, const Twine &suffix,
                 StringRef dim);
  void addOutput(Value value, const Twine &suffix, StringRef dim);
  void finish(Value present);

  func::FuncOp func;
  CachePair pair;
  ImplicitLocOpBuilder b;
  std::string name, presentName;
  SmallVector<StringRef> dims;
  RankedTensorType type;
  unsigned numInputs = 0, numOutputs = 0;
};

} // namespace

Value CacheQuantizer::addInput(RankedTensorType inputType, const Twine &suffix,
                               StringRef dim) {
  SmallVector<StringRef> names(inputType.getRank());
  names[2] = dim;
  return insertInput(func, pair.past.getArgNumber() + 1 + numInputs++,
                     inputType, (name + suffix).str(), names);
}

void CacheQuantizer::addOutput(Value value, const Twine &suffix,
                               StringRef dim) {
  SmallVector<StringRef> names(typeOf(value).getRank());
  names[2] = dim;
  insertOutput(func, pair.getResultNumber() + 1 + numOutputs++, value,
               (presentName + suffix).str(), names);
}

Value CacheQuantizer::append(Value appended, const Twine &suffix,
                             StringRef dim) {
  SmallVector<int64_t> shape(typeOf(appended).getShape());
  shape[2] = ShapedType::kDynamic;
  Value past = addInput(typeOf(appended).clone(shape), suffix, dim);
  Value present = concat(past, appended);
  addOutput(present, suffix, "");
  return present;
}

/// The old input and output go; what came after them takes their places.
void CacheQuantizer::finish(Value present) {
  auto ret = ::cast<func::ReturnOp>(func.getBody().front().getTerminator());
  unsigned number = pair.getResultNumber();
  ret->eraseOperand(number);
  (void)func.eraseResult(number);
  pair.concat.getOutput().replaceAllUsesWith(present);
  pair.concat.erase();
  (void)func.eraseArgument(pair.past.getArgNumber());
}

/// Each token has a scale for each head.
void CacheQuantizer::quantizeTokens(Type codeType, float largest) {
  Value added = pair.makeAppended(b);
  Value magnitude = UnaryOp::create(b, UnaryKind::abs, added,
                                    llvm::APFloat(0.0), llvm::APFloat(0.0));
  Value most = reduce(ReduceKind::max, magnitude, 3);
  Value scale = binary(BinaryKind::max,
                       binary(BinaryKind::mul, most, number(1 / largest)),
                       number(minScale));
  Value codes = round(binary(BinaryKind::div, added, scale), codeType);
  Value all = append(codes, "", dims[2]);
  Value scales = append(scale, ".scale", dims[2]);
  Value present = binary(BinaryKind::mul, cast(all, b.getF32Type()), scales);
  // The codes have the shape that the floats had.
  for (ShapeOp shape : pair.shapes)
    shape.getInputMutable().assign(
        func.getArgument(pair.past.getArgNumber() + 1));
  finish(present);
}

/// 4 bits, between the least and the largest number of a group: a channel of
/// `group` tokens for keys, `group` channels of a token for values. Tokens
/// leave the float window by whole groups.
void CacheQuantizer::quantizeGroups(bool areValues, int64_t group,
                                    int64_t window) {
  int64_t batch = type.getDimSize(0), heads = type.getDimSize(1),
          size = type.getDimSize(3), any = ShapedType::kDynamic;
  int64_t width = std::min(group, size);
  std::string base = dims[2].empty() ? name : dims[2].str();
  std::string coded = base + ":coded", groups = base + ":groups",
              recent = base + ":recent";

  // What is in float now, and how much of it gets codes.
  Value past = addInput(type, ".recent", recent);
  Value floats = concat(past, pair.makeAppended(b));
  Value count = ShapeOp::create(b, floats, 2, 3);
  Value done = binary(BinaryKind::sub, count, ints({window}));
  done = binary(BinaryKind::max, done, ints({0}));
  done = binary(BinaryKind::mul, binary(BinaryKind::div, done, ints({group})),
                ints({group}));
  Value old = slice(floats, ints({0}), done, 2);
  Value rest = slice(floats, done, ints({INT64_MAX}), 2);

  SmallVector<int64_t> grouped = {batch, heads, -1, group, size};
  int64_t axis = 3;
  if (areValues) {
    grouped = {batch, heads, -1, size / width, width};
    axis = 4;
  }
  SmallVector<int64_t> perGroup(grouped);
  perGroup[axis] = 1;
  SmallVector<int64_t> stored = {batch, heads, -1,
                                 areValues ? size / width : size};
  Value numbers = reshape(old, grouped);
  Value least = reduce(ReduceKind::min, numbers, axis);
  Value most = reduce(ReduceKind::max, numbers, axis);
  Value range = binary(BinaryKind::sub, most, least);
  Value scale =
      binary(BinaryKind::max, binary(BinaryKind::mul, range, number(1 / 15.0f)),
             number(minScale));
  // Codes belong to the scale and offset that are stored.
  scale = cast(scale, b.getF16Type());
  least = cast(least, b.getF16Type());
  Value codes =
      binary(BinaryKind::div,
             binary(BinaryKind::sub, numbers, cast(least, b.getF32Type())),
             cast(scale, b.getF32Type()));
  Type nibble = b.getIntegerType(4, /*isSigned=*/false);
  Type byte = b.getIntegerType(8, /*isSigned=*/false);
  codes = cast(round(codes, nibble), byte);
  // Two in a byte, the first in the low bits.
  codes = reshape(codes, {batch, heads, -1, size / 2, 2});
  Value sixteen = ConstantOp::create(
      b, DenseElementsAttr::get(RankedTensorType::get({}, byte), APInt(8, 16)));
  Value low = slice(codes, ints({0}), ints({1}), 4);
  Value high = slice(codes, ints({1}), ints({2}), 4);
  codes = binary(BinaryKind::add, low, binary(BinaryKind::mul, high, sixteen));
  codes = reshape(codes, {batch, heads, -1, size / 2});

  Value all = append(codes, "", coded);
  StringRef scaleDim = areValues ? coded : groups;
  Value scales = append(reshape(scale, stored), ".scale", scaleDim);
  Value offsets = append(reshape(least, stored), ".offset", scaleDim);
  addOutput(rest, ".recent", "");

  Value unpacked =
      UnpackOp::create(b, typeOf(all).clone({batch, heads, any, size}, nibble),
                       all, b.getI64IntegerAttr(4), b.getI64IntegerAttr(size));
  Value real = reshape(cast(unpacked, b.getF32Type()), grouped);
  auto spread = [&](Value value) {
    return reshape(cast(value, b.getF32Type()), perGroup);
  };
  real = binary(BinaryKind::add, binary(BinaryKind::mul, real, spread(scales)),
                spread(offsets));
  Value present = concat(reshape(real, {batch, heads, -1, size}), rest);

  for (ShapeOp shape : pair.shapes) {
    b.setInsertionPoint(shape);
    Value tokens =
        binary(BinaryKind::add,
               ShapeOp::create(
                   b, func.getArgument(pair.past.getArgNumber() + 2), 2, 3),
               ShapeOp::create(b, past, 2, 3));
    SmallVector<Value> parts;
    for (int64_t i = shape.getStart(); i < int64_t(shape.getEnd()); ++i)
      parts.push_back(i == 2 ? tokens : ints({type.getDimSize(i)}));
    Value result = parts.size() == 1
                       ? parts[0]
                       : ConcatOp::create(b, parts, 0).getOutput();
    shape.getOutput().replaceAllUsesWith(result);
    shape.erase();
  }
  finish(present);
}

namespace {

struct QuantizeKVCachePass
    : qnn::impl::QuantizeKVCachePassBase<QuantizeKVCachePass> {
  using Base::Base;

  LogicalResult initialize(MLIRContext *context) override {
    Location loc = UnknownLoc::get(context);
    if (format != "int8" && format != "int4" && format != "fp8")
      return emitError(loc)
             << "a cache is stored in int8, int4 or fp8, not in '" << format
             << "'";
    if (group < 1 || window < 0)
      return emitError(loc)
             << "a cache's group of " << group.getValue() << " and window of "
             << window.getValue() << ": group >= 1 and window >= 0";
    return success();
  }

  void runOnOperation() override {
    Builder b(&getContext());
    for (auto func : getOperation().getOps<func::FuncOp>()) {
      if (func.isPrivate() || func.isExternal())
        continue;
      unsigned count = 0;
      // The last first: what is inserted does not move the others.
      SmallVector<CachePair> pairs = findCachePairs(func);
      for (CachePair &pair : llvm::reverse(pairs)) {
        RankedTensorType type = pair.getType();
        if (!type.getElementType().isF32() || type.getRank() != 4 ||
            pair.getAxis() != 2)
          continue;
        if (format == "int8")
          CacheQuantizer(func, pair).quantizeTokens(b.getI8Type(), 127);
        else if (format == "fp8")
          CacheQuantizer(func, pair)
              .quantizeTokens(b.getType<Float8E4M3FNType>(), 448);
        else if (failed(quantizeGroups(func, pair)))
          return signalPassFailure();
        ++count;
      }
      if (count == 0) {
        func.emitError("has no cache to quantize: no input f32 [batch, heads, "
                       "tokens, size], all but the tokens of known size, that "
                       "only a concatenation along the tokens reads, whose "
                       "result is an output");
        return signalPassFailure();
      }
      numQuantized += count;
      forgetInterface(func);
    }
  }

private:
  LogicalResult quantizeGroups(func::FuncOp func, CachePair pair) {
    int64_t size = pair.getType().getDimSize(3);
    if (size % 2 || size % std::min<int64_t>(group, size))
      return pair.concat.emitError("cannot store heads of ")
             << size << " numbers by 4 bits in groups of " << group.getValue();
    std::optional<bool> areValues = areTokensSummed(pair.concat.getOutput());
    if (!areValues)
      return pair.concat.emitError("cannot tell whether these are keys or "
                                   "values: no product of known form reads "
                                   "them");
    CacheQuantizer(func, pair).quantizeGroups(*areValues, group, window);
    return success();
  }
};

} // namespace
