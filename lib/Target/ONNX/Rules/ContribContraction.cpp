//===- ContribContraction.cpp - Matrix products of com.microsoft ----------===//

#include "../Codebooks.h"
#include "QuantizationRules.h"
#include "Windows.h"

#include "llvm/ADT/StringSwitch.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;
using qnn::BinaryKind;
using qnn::UnaryKind;

static int64_t rankOf(Value value) {
  return cast<RankedTensorType>(value.getType()).getRank();
}

static Value matmul(NodeContext &ctx, Value a, Value b) {
  return ctx.create<qnn::MatMulOp>(a, b, Value(), Value());
}

/// `value` times a number; itself for 1.
static Value scaled(NodeContext &ctx, Value value, double factor) {
  if (!value || factor == 1)
    return value;
  Type type = cast<RankedTensorType>(value.getType()).getElementType();
  return ctx.binary(BinaryKind::mul, value, ctx.scalar(type, factor));
}

static Value addBias(NodeContext &ctx, Value x, size_t i) {
  return ctx.hasInput(i) ? ctx.binary(BinaryKind::add, x, ctx.input(i)) : x;
}

//===- FusedMatMul, FusedGemm, GemmFastGelu -------------------------------===//

/// An operand as a batch of matrices: `transBatch` says that the first batch
/// dimension is the last but one, `trans` that rows and columns are exchanged.
static Value arrange(NodeContext &ctx, Value x, bool trans, bool transBatch) {
  int64_t rank = rankOf(x);
  if (rank < 2 || (!trans && !transBatch))
    return x;
  auto order = llvm::to_vector(llvm::seq<int64_t>(0, rank));
  if (transBatch)
    // (r, b1, ..., c) to (b1, ..., r, c).
    std::rotate(order.begin(), order.begin() + 1, order.end() - 1);
  if (trans)
    std::swap(order[rank - 1], order[rank - 2]);
  return ctx.transpose(x, order);
}

static LogicalResult importFusedMatMul(NodeContext &ctx) {
  Value a = arrange(ctx, ctx.input(0), ctx.getInt("transA"),
                    ctx.getInt("transBatchA"));
  Value b = arrange(ctx, ctx.input(1), ctx.getInt("transB"),
                    ctx.getInt("transBatchB"));
  return ctx.setOutput(
      0, scaled(ctx, matmul(ctx, a, b), ctx.getFloat("alpha", 1)));
}

/// The function that a fused op applies to its result.
static FailureOr<Value> applyActivation(NodeContext &ctx, Value x) {
  std::string name = ctx.getString("activation");
  double alpha = ctx.getFloat("activation_alpha", 0.01f);
  if (name.empty())
    return x;
  if (name == "LeakyRelu")
    return ctx.unary(UnaryKind::leaky_relu, x, alpha);
  auto kind = llvm::StringSwitch<std::optional<UnaryKind>>(name)
                  .Case("Relu", UnaryKind::relu)
                  .Case("Sigmoid", UnaryKind::sigmoid)
                  .Case("Tanh", UnaryKind::tanh)
                  .Case("Softplus", UnaryKind::softplus)
                  .Case("Softsign", UnaryKind::softsign)
                  .Case("Elu", UnaryKind::elu)
                  .Default(std::nullopt);
  if (!kind)
    return ctx.emitError("activation '" + name + "' is not supported");
  return ctx.unary(*kind, x, ctx.getFloat("activation_alpha", 1));
}

static LogicalResult importFusedGemm(NodeContext &ctx) {
  Value a = arrange(ctx, ctx.input(0), ctx.getInt("transA"), false);
  Value b = arrange(ctx, ctx.input(1), ctx.getInt("transB"), false);
  Value y = matmul(ctx, a, scaled(ctx, b, ctx.getFloat("alpha", 1)));
  if (ctx.hasInput(2))
    y = ctx.binary(BinaryKind::add, y,
                   scaled(ctx, ctx.input(2), ctx.getFloat("beta", 1)));
  FailureOr<Value> result = applyActivation(ctx, y);
  if (failed(result))
    return failure();
  return ctx.setOutput(0, *result);
}

/// X, W, B?, Z?: the convolution plus Z, and an activation whose parameters are
/// in a list.
static LogicalResult importFusedConv(NodeContext &ctx) {
  Value y = createConv(ctx, 0, 1, ctx.input(2), Value(), Value());
  if (ctx.hasInput(3))
    y = ctx.binary(BinaryKind::add, y, ctx.input(3));
  if (!y)
    return failure();
  std::string name = ctx.getString("activation");
  SmallVector<double> params = ctx.getFloats("activation_params");
  auto param = [&](size_t i, double otherwise) {
    return i < params.size() ? params[i] : otherwise;
  };
  Type element = ctx.inputElementType(0);
  if (name == "LeakyRelu") {
    y = ctx.unary(UnaryKind::leaky_relu, y, param(0, 0.01f));
  } else if (name == "HardSigmoid") {
    y = ctx.unary(UnaryKind::hard_sigmoid, y, param(0, 0.2f), param(1, 0.5));
  } else if (name == "Clip") {
    double most = std::numeric_limits<float>::max();
    y = ctx.binary(BinaryKind::max, y, ctx.scalar(element, param(0, -most)));
    y = ctx.binary(BinaryKind::min, y, ctx.scalar(element, param(1, most)));
  } else {
    FailureOr<Value> activated = applyActivation(ctx, y);
    if (failed(activated))
      return failure();
    y = *activated;
  }
  return ctx.setOutput(0, y);
}

static LogicalResult importGemmFastGelu(NodeContext &ctx) {
  Value y = addBias(ctx, matmul(ctx, ctx.input(0), ctx.input(1)), 2);
  return ctx.setOutput(0, ctx.unary(UnaryKind::gelu_tanh, y));
}

//===- weights of few bits ------------------------------------------------===//

/// The first `size` integers of each row of packed bytes.
static Value unpack(NodeContext &ctx, Value bytes, int64_t bits, int64_t size,
                    bool highFirst = false) {
  if (!bytes)
    return {};
  return ctx.create<qnn::UnpackOp>(bytes, bits, size, highFirst);
}

/// A, B (N, blocks, bytes), scales (N, blocks), zero_points?, g_idx?, bias?:
/// A times the transposed, dequantized B.
static LogicalResult importMatMulNBits(NodeContext &ctx) {
  int64_t k = ctx.getInt("K"), n = ctx.getInt("N");
  int64_t bits = ctx.getInt("bits", 4), blockSize = ctx.getInt("block_size");
  if (k <= 0 || n <= 0 || blockSize < 16 || !llvm::isPowerOf2_64(blockSize))
    return ctx.emitError("K and N must be positive and block_size a power of 2 "
                         "from 16 on");
  if (bits != 2 && bits != 4 && bits != 8)
    return ctx.emitError("weights of " + Twine(bits) +
                         " bits are not supported");
  int64_t blocks = llvm::divideCeil(k, blockSize);
  if (ctx.hasInput(4)) {
    // Groups in order are what the blocks say already.
    auto groups = ctx.constantInts(4);
    bool inOrder = groups && int64_t(groups->size()) >= k;
    for (int64_t i = 0; inOrder && i < k; ++i)
      inOrder = (*groups)[i] == i / blockSize;
    if (!inOrder)
      return ctx.emitError("g_idx that reorders the groups is not supported");
  }
  Value bytes = ctx.reshape(ctx.input(1), {n, blocks * blockSize * bits / 8});
  Value weights = unpack(ctx, bytes, bits, k);
  Value scales = ctx.reshape(ctx.input(2), {n, blocks});
  Type unsignedType = ctx.builder.getIntegerType(bits, /*isSigned=*/false);
  Value zeros;
  if (!ctx.hasInput(3)) {
    zeros = ctx.scalar(unsignedType, int64_t(1) << (bits - 1));
  } else if (isa<FloatType>(ctx.inputElementType(3))) {
    zeros = ctx.castTo(ctx.reshape(ctx.input(3), {n, blocks}),
                       ctx.inputElementType(2));
  } else {
    int64_t rowBytes = llvm::divideCeil(blocks * bits, 8);
    zeros = unpack(ctx, ctx.reshape(ctx.input(3), {n, rowBytes}), bits, blocks);
  }
  if (!weights || !scales || !zeros)
    return failure();
  Type element = ctx.inputElementType(0);
  Value real = ctx.createTyped<qnn::DequantizeOp>(
      RankedTensorType::get({n, k}, element), weights, scales, zeros,
      ctx.builder.getI64IntegerAttr(1), blockSize);
  if (!real)
    return failure();
  Value y = matmul(ctx, ctx.input(0), ctx.transpose(real, {1, 0}));
  return ctx.setOutput(0, addBias(ctx, y, 5));
}

/// A, B (packed), absmax: codes of a table, scaled by blocks of B's elements.
static LogicalResult importMatMulBnb4(NodeContext &ctx) {
  int64_t k = ctx.getInt("K"), n = ctx.getInt("N");
  int64_t blockSize = ctx.getInt("block_size"), kind = ctx.getInt("quant_type");
  if (k <= 0 || n <= 0 || blockSize <= 0)
    return ctx.emitError("K, N and block_size must be positive");
  if (kind != 0 && kind != 1)
    return ctx.emitError("quant_type must be 0 (FP4) or 1 (NF4), got " +
                         Twine(kind));
  Type f32 = ctx.builder.getF32Type();
  Value codes = unpack(ctx, ctx.reshape(ctx.input(1), {-1}), 4, n * k,
                       /*highFirst=*/true);
  Value table = ctx.constant(DenseElementsAttr::get(
      RankedTensorType::get({16}, f32),
      ArrayRef<float>(kind == 0 ? bnb4Float4 : bnb4NormalFloat4)));
  Value real = ctx.create<qnn::LookupOp>(codes, table);
  Value absmax = ctx.castTo(ctx.reshape(ctx.input(2), {-1}), f32);
  if (!real || !absmax)
    return failure();
  if ((n * k) % blockSize)
    return ctx.emitError("N * K must be a multiple of block_size");
  real = ctx.binary(BinaryKind::mul,
                    ctx.reshape(real, {n * k / blockSize, blockSize}),
                    ctx.reshape(absmax, {n * k / blockSize, 1}));
  bool isTransposed = ctx.getInt("transB", 1);
  SmallVector<int64_t> shape{n, k};
  if (!isTransposed)
    std::swap(shape[0], shape[1]);
  Value b = ctx.castTo(ctx.reshape(real, shape), ctx.inputElementType(0));
  if (isTransposed)
    b = ctx.transpose(b, {1, 0});
  return ctx.setOutput(0, matmul(ctx, ctx.input(0), b));
}

void onnx_import::registerContribContractionRules(RuleRegistry &registry) {
  registry.add(kMicrosoft, "FusedMatMul", 1, importFusedMatMul,
               /*numRequired=*/2);
  // Its name before.
  registry.add(kMicrosoft, "TransposeMatMul", 1, importFusedMatMul,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "FusedGemm", 1, importFusedGemm, /*numRequired=*/2);
  registry.add(kMicrosoft, "FusedConv", 1, importFusedConv, /*numRequired=*/2);
  registry.add(kMicrosoft, "GemmFastGelu", 1, importGemmFastGelu,
               /*numRequired=*/2);
  registry.add(kMicrosoft, "MatMulNBits", 1, importMatMulNBits,
               /*numRequired=*/3);
  registry.add(kMicrosoft, "MatMulBnb4", 1, importMatMulBnb4,
               /*numRequired=*/3);
}
