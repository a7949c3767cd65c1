//===- Rotate.cpp - Hadamard rotations that weights absorb ----------------===//
//
// A residual stream is the values that sums, normalizations by the root mean
// square and factors of whole rows connect. All of it may be rotated, if what
// writes it and what reads it are constant matrices: these absorb the rotation.
// The inputs of other products are rotated at run time.
//
//===----------------------------------------------------------------------===//

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/IR/ValueTypes.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"
#include "quantc/Quantization/Rotation.h"

#include "llvm/ADT/SetVector.h"

namespace quantc::qnn {
#define GEN_PASS_DEF_ROTATEPASS
#include "quantc/Dialect/QNN/Transforms/Passes.h.inc"
} // namespace quantc::qnn

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

static bool isConstant(Value value) {
  return value.getDefiningOp<ConstantOp>() != nullptr;
}

/// A constant [..., channels] of f32 with no other dimensions but 1.
static bool isChannelConstant(Value value, int64_t channels) {
  RankedTensorType type = typeOf(value);
  return isConstant(value) && type.getElementType().isF32() &&
         type.getRank() >= 1 && type.getShape().back() == channels &&
         type.getNumElements() == channels;
}

/// A float product with a constant matrix.
static bool isConstantProduct(MatMulOp op) {
  RankedTensorType rhs = typeOf(op.getRhs());
  return op && !op.getLhsZeroPoint() && !op.getRhsZeroPoint() &&
         isConstant(op.getRhs()) && rhs.getRank() == 2 &&
         rhs.getElementType().isF32();
}

namespace {

/// Values of one residual stream, and the constants around it.
class Stream {
public:
  explicit Stream(int64_t channels) : channels(channels) {}

  /// Follows the stream from a value. False if something in it would not give
  /// the same for rotated channels.
  bool follow(Value start) {
    values.insert(start);
    for (size_t i = 0; i < values.size(); ++i)
      if (!followDefinition(values[i]) || !followUses(values[i]))
        return false;
    return !readers.empty() && !writers.empty();
  }

  /// Constants [K, channels] that make values of the stream: · R.
  llvm::SetVector<OpOperand *> writers;
  /// Constants [channels, N] that values are multiplied by: Rᵀ · diag(factor) ·
  /// W, with the factor (or null) of a normalization.
  SmallVector<std::pair<OpOperand *, Value>> readers;
  /// Ops with such a factor, which they lose.
  llvm::SetVector<Operation *> scaled;
  llvm::SetVector<Value> values;

private:
  bool isWide(Value value) {
    RankedTensorType type = typeOf(value);
    return type.getRank() >= 1 && type.getShape().back() == channels;
  }
  /// One number for each row.
  bool isRowFactor(Value value) {
    RankedTensorType type = typeOf(value);
    return type.getRank() == 0 || type.getShape().back() == 1;
  }

  bool followDefinition(Value value) {
    Operation *op = value.getDefiningOp();
    if (!op || !typeOf(value).getElementType().isF32())
      return false;
    if (auto gather = dyn_cast<GatherOp>(op)) {
      RankedTensorType table = typeOf(gather.getInput());
      writers.insert(&gather.getInputMutable());
      return isConstant(gather.getInput()) && table.getRank() == 2 &&
             gather.getAxis() == 0;
    }
    if (auto matmul = dyn_cast<MatMulOp>(op)) {
      writers.insert(&matmul.getRhsMutable());
      return isConstantProduct(matmul);
    }
    if (auto normalize = dyn_cast<NormalizeOp>(op))
      return values.contains(normalize.getInput()) ||
             values.insert(normalize.getInput());
    auto binary = dyn_cast<BinaryOp>(op);
    if (!binary)
      return false;
    switch (binary.getKind()) {
    case BinaryKind::add:
    case BinaryKind::sub:
      for (OpOperand &operand : op->getOpOperands()) {
        if (isChannelConstant(operand.get(), channels))
          writers.insert(&operand);
        else if (isWide(operand.get()))
          values.insert(operand.get());
        else
          return false;
      }
      return true;
    case BinaryKind::mul:
    case BinaryKind::div:
      if (isRowFactor(binary.getRhs()) && isWide(binary.getLhs())) {
        values.insert(binary.getLhs());
        return true;
      }
      if (binary.getKind() == BinaryKind::mul && isRowFactor(binary.getLhs()) &&
          isWide(binary.getRhs())) {
        values.insert(binary.getRhs());
        return true;
      }
      return false;
    default:
      return false;
    }
  }

  /// All that is done with what is `value` times `factor`.
  bool addReaders(Value value, Value factor) {
    for (OpOperand &use : value.getUses()) {
      auto matmul = dyn_cast<MatMulOp>(use.getOwner());
      if (isa<ShapeOp>(use.getOwner()))
        continue;
      if (!matmul || use.getOperandNumber() != 0 || !isConstantProduct(matmul))
        return false;
      readers.emplace_back(&matmul.getRhsMutable(), factor);
    }
    return true;
  }

  /// Squares may only be summed over all channels.
  bool isSummed(Value squares) {
    return llvm::all_of(squares.getUsers(), [&](Operation *user) {
      auto reduce = dyn_cast<ReduceOp>(user);
      if (!reduce || !reduce.getAxes() ||
          (reduce.getKind() != ReduceKind::mean &&
           reduce.getKind() != ReduceKind::sum))
        return false;
      auto axes = getConstantInts(reduce.getAxes());
      int64_t rank = typeOf(squares).getRank();
      return axes && axes->size() == 1 &&
             ((*axes)[0] == -1 || (*axes)[0] == rank - 1);
    });
  }

  bool followUses(Value value) {
    for (OpOperand &use : value.getUses()) {
      Operation *op = use.getOwner();
      if (isa<ShapeOp>(op))
        continue;
      if (auto matmul = dyn_cast<MatMulOp>(op)) {
        if (use.getOperandNumber() != 0 || !isConstantProduct(matmul))
          return false;
        readers.emplace_back(&matmul.getRhsMutable(), Value());
        continue;
      }
      if (auto normalize = dyn_cast<NormalizeOp>(op)) {
        if (!followNormalize(normalize, use))
          return false;
        continue;
      }
      auto binary = dyn_cast<BinaryOp>(op);
      if (!binary || !followBinary(binary, use))
        return false;
    }
    return true;
  }

  bool followNormalize(NormalizeOp op, OpOperand &use) {
    int64_t rank = typeOf(op.getInput()).getRank();
    if (op.getKind() != NormalizeKind::rms || use.getOperandNumber() != 0 ||
        op.getBias() || int64_t(op.getAxis()) != rank - 1)
      return false;
    if (!op.getScale()) {
      values.insert(op.getOutput());
      return true;
    }
    scaled.insert(op);
    return isChannelConstant(op.getScale(), channels) &&
           addReaders(op.getOutput(), op.getScale());
  }

  bool followBinary(BinaryOp op, OpOperand &use) {
    Value other = op->getOperand(1 - use.getOperandNumber());
    switch (op.getKind()) {
    case BinaryKind::add:
    case BinaryKind::sub:
      // Its definition looks at the other operand.
      values.insert(op.getResult());
      return true;
    case BinaryKind::mul:
      if (op.getLhs() == op.getRhs())
        return isSummed(op.getResult());
      if (isChannelConstant(other, channels)) {
        scaled.insert(op);
        return addReaders(op.getResult(), other);
      }
      [[fallthrough]];
    case BinaryKind::div:
      if (!isRowFactor(other) ||
          (op.getKind() == BinaryKind::div && use.getOperandNumber() != 0))
        return false;
      values.insert(op.getResult());
      return true;
    default:
      return false;
    }
  }

  int64_t channels;
};

struct RotatePass : qnn::impl::RotatePassBase<RotatePass> {
  using Base::Base;

  void runOnOperation() override {
    func::FuncOp func = getOperation();
    // Before constants become products of constants.
    SmallVector<MatMulOp> all;
    func.walk([&](MatMulOp op) {
      if (isConstantProduct(op))
        all.push_back(op);
    });
    rotatedProducts.clear();
    isChanged = false;
    rotateStreams(func);
    if (online)
      rotateOthers(all);
    if (!isChanged)
      return;
    // Statistics of the values as they were do not hold any more.
    auto module = func->getParentOfType<ModuleOp>();
    if (auto hash = module->getAttrOfType<StringAttr>("qnn.model_hash"))
      module->setAttr(
          "qnn.model_hash",
          StringAttr::get(&getContext(), hash.getValue() + "-rotated" +
                                             Twine(seed) +
                                             (online ? "-online" : "")));
  }

private:
  Value createRotation(OpBuilder &b, Location loc, int64_t size,
                       bool isTransposed) {
    std::vector<float> matrix = makeRotation(size, uint32_t(seed));
    if (isTransposed) {
      std::vector<float> original = matrix;
      for (int64_t i = 0; i < size; ++i)
        for (int64_t j = 0; j < size; ++j)
          matrix[i * size + j] = original[j * size + i];
    }
    return ConstantOp::create(
        b, loc, makeFloatConstant(&getContext(), {size, size}, matrix));
  }

  Value multiply(OpBuilder &b, Location loc, Type type, Value lhs, Value rhs) {
    return MatMulOp::create(b, loc, type, lhs, rhs, Value(), Value());
  }

  void rotateStreams(func::FuncOp func) {
    SmallVector<Value> starts;
    func.walk([&](Operation *op) {
      if (auto normalize = dyn_cast<NormalizeOp>(op);
          normalize && normalize.getKind() == NormalizeKind::rms)
        starts.push_back(normalize.getInput());
      if (auto square = dyn_cast<BinaryOp>(op);
          square && square.getKind() == BinaryKind::mul &&
          square.getLhs() == square.getRhs())
        starts.push_back(square.getLhs());
    });
    llvm::DenseSet<Value> done;
    for (Value start : starts) {
      RankedTensorType type = typeOf(start);
      if (done.contains(start) || type.getRank() == 0 ||
          type.isDynamicDim(type.getRank() - 1))
        continue;
      Stream stream(type.getShape().back());
      bool isStream = stream.follow(start);
      done.insert(stream.values.begin(), stream.values.end());
      if (isStream)
        rotate(stream, type.getShape().back());
    }
  }

  /// The arithmetic is left to constant folding.
  void rotate(Stream &stream, int64_t channels) {
    for (OpOperand *operand : stream.writers) {
      OpBuilder b(operand->getOwner());
      Location loc = getNodeLoc(operand->get().getLoc());
      Value old = operand->get();
      RankedTensorType type = typeOf(old);
      operand->set(
          multiply(b, loc, type, old, createRotation(b, loc, channels, false)));
    }
    for (auto [operand, factor] : stream.readers) {
      OpBuilder b(operand->getOwner());
      Location loc = getNodeLoc(operand->get().getLoc());
      Value old = operand->get();
      RankedTensorType type = typeOf(old);
      if (factor) {
        Value dims = ConstantOp::create(b, loc, {channels, 1});
        Value column = ReshapeOp::create(
            b, loc, RankedTensorType::get({channels, 1}, b.getF32Type()),
            factor, dims, /*allowzero=*/false);
        old = BinaryOp::create(b, loc, type, BinaryKind::mul, old, column);
      }
      operand->set(
          multiply(b, loc, type, createRotation(b, loc, channels, true), old));
      rotatedProducts.insert(operand->getOwner());
    }
    for (Operation *op : stream.scaled) {
      if (auto normalize = dyn_cast<NormalizeOp>(op)) {
        normalize.getScaleMutable().clear();
        continue;
      }
      auto product = cast<BinaryOp>(op);
      Value input = stream.values.contains(product.getLhs()) ? product.getLhs()
                                                             : product.getRhs();
      product.getResult().replaceAllUsesWith(input);
    }
    isChanged = true;
    ++numStreams;
    numMatrices += stream.writers.size() + stream.readers.size();
  }

  /// x · W = (x · R) · (Rᵀ · W), with R = Rₐ ⊗ R_b as two small products.
  void rotateOthers(ArrayRef<MatMulOp> all) {
    llvm::MapVector<Value, SmallVector<MatMulOp>> products;
    for (MatMulOp op : all)
      if (!rotatedProducts.contains(op) && typeOf(op.getLhs()).getRank() >= 2)
        products[op.getLhs()].push_back(op);
    for (auto &[input, ops] : products) {
      RankedTensorType type = typeOf(input);
      int64_t channels = typeOf(ops.front().getRhs()).getDimSize(0);
      int64_t a = getRotationFactor(channels), rest = channels / a;
      if (a == 1 || !type.getElementType().isF32() ||
          type.getShape().back() != channels)
        continue;
      OpBuilder b(&getContext());
      b.setInsertionPointAfterValue(input);
      Location loc = getNodeLoc(input.getLoc());
      Value rotated = rotateAtRunTime(b, loc, input, a, rest);
      if (StringRef name = getValueName(input); !name.empty())
        setValueName(rotated, (name + ":rotated").str());
      for (MatMulOp op : ops) {
        op.getLhsMutable().assign(rotated);
        OpBuilder before(op);
        Value old = op.getRhs();
        op.getRhsMutable().assign(unrotateRows(before, loc, old, a, rest));
      }
      isChanged = true;
      ++numOnline;
    }
  }

  /// Small products of transformations are no layers to quantize.
  static Value keepFloat(Value product) {
    Operation *op = product.getDefiningOp();
    op->setAttr("qnn.keep_float", UnitAttr::get(op->getContext()));
    return product;
  }

  Value reshape(OpBuilder &b, Location loc, Value value,
                ArrayRef<int64_t> shape) {
    // A dimension that is not known keeps its size by a 0.
    SmallVector<int64_t> list;
    for (int64_t size : shape)
      list.push_back(ShapedType::isDynamic(size) ? 0 : size);
    Value dims = ConstantOp::create(b, loc, list);
    return ReshapeOp::create(
        b, loc, RankedTensorType::get(shape, b.getF32Type()), value, dims,
        /*allowzero=*/false);
  }

  Value rotateAtRunTime(OpBuilder &b, Location loc, Value x, int64_t a,
                        int64_t rest) {
    RankedTensorType type = typeOf(x);
    SmallVector<int64_t> split(type.getShape().drop_back());
    split.append({a, rest});
    auto splitType = RankedTensorType::get(split, b.getF32Type());
    Value value = reshape(b, loc, x, split);
    value = keepFloat(multiply(b, loc, splitType, value,
                               createRotation(b, loc, rest, false)));
    value = keepFloat(
        multiply(b, loc, splitType, createRotation(b, loc, a, true), value));
    return reshape(b, loc, value, type.getShape());
  }

  /// (Rₐ ⊗ R_b)ᵀ · W.
  Value unrotateRows(OpBuilder &b, Location loc, Value w, int64_t a,
                     int64_t rest) {
    RankedTensorType type = typeOf(w);
    int64_t n = type.getDimSize(1);
    auto flat = RankedTensorType::get({a, rest * n}, b.getF32Type());
    Value value = reshape(b, loc, w, {a, rest * n});
    value = multiply(b, loc, flat, createRotation(b, loc, a, true), value);
    value = reshape(b, loc, value, {a, rest, n});
    value = multiply(b, loc, typeOf(value), createRotation(b, loc, rest, true),
                     value);
    return reshape(b, loc, value, type.getShape());
  }

  llvm::DenseSet<Operation *> rotatedProducts;
  bool isChanged = false;
};

} // namespace
