//===- ExportRoundings.cpp - Floats that ONNX Runtime rounds as we do -----===//
//
// What quantizes floats behind an op may round one that differs in its last bit
// to the next step, and all that follows makes more of it. ONNX Runtime has
// kernels, and rewrites, that round otherwise than our library. Here are forms
// of the same functions that none of those take.
//
//===----------------------------------------------------------------------===//

#include "GraphExporter.h"

#include "quantc/Dialect/QNN/IR/ShapeInference.h"

#include "mlir/IR/Matchers.h"
#include "llvm/ADT/SetVector.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// As many dimensions as an equation of Einsum has letters for.
static constexpr int64_t kMostLetters = 26;

static bool isFloatSum(Operation *op) {
  auto reduce = dyn_cast<qnn::ReduceOp>(op);
  return reduce &&
         (reduce.getKind() == qnn::ReduceKind::sum ||
          reduce.getKind() == qnn::ReduceKind::mean) &&
         isa<FloatType>(reduce.getInput().getType().getElementType());
}

/// A transposition as an Einsum.
void GraphExporter::writeEinsum(Operation *op, const std::string &input,
                                ArrayRef<int64_t> permutation,
                                const std::string &output) {
  std::string from, to;
  for (size_t i = 0; i < permutation.size(); ++i)
    from += char('a' + i);
  for (int64_t i : permutation)
    to += from[i];
  namedNode(op, "Einsum", {input}, {output}).set("equation", from + "->" + to);
}

/// A sum of floats over dimensions between others. We add up one element after
/// the other, and so does ONNX Runtime if the first dimensions are reduced; in
/// between it multiplies by a matrix of ones, four elements at a time. Its
/// optimizer would move a Transpose behind the sum again, but not an Einsum.
LogicalResult GraphExporter::writeOrderedSum(qnn::ReduceOp op) {
  RankedTensorType type = op.getInput().getType();
  auto axes = op.getAxes() ? qnn::getConstantInts(op.getAxes()) : std::nullopt;
  int64_t rank = type.getRank();
  if (!isFloatSum(op) || !axes || axes->empty() || rank > kMostLetters)
    return failure();
  for (int64_t &axis : *axes)
    axis += axis < 0 ? rank : 0;
  llvm::sort(*axes);
  int64_t first = axes->front(), count = axes->size();
  bool isOneBlock = axes->back() - first + 1 == count;
  auto isOne = [&](ArrayRef<int64_t> sizes) {
    return llvm::all_of(sizes, [](int64_t size) { return size == 1; });
  };
  if (!isOneBlock || isOne(type.getShape().take_front(first)) ||
      isOne(type.getShape().drop_front(first + count)))
    return failure();

  SmallVector<int64_t> permutation(*axes);
  for (int64_t i = 0; i < rank; ++i)
    if (i < first || i >= first + count)
      permutation.push_back(i);
  std::string moved = freshName("moved");
  writeEinsum(op, nameOf(op.getInput()), permutation, moved);
  std::string sum = op.getKeepdims() ? freshName("sum") : nameOf(op);
  auto leading = llvm::to_vector(llvm::seq<int64_t>(0, count));
  namedNode(op,
            op.getKind() == qnn::ReduceKind::sum ? "ReduceSum" : "ReduceMean",
            {moved, initializer(leading)}, {sum})
      .set("keepdims", int64_t(0));
  if (op.getKeepdims())
    namedNode(op, "Unsqueeze", {sum, initializer(*axes)}, {nameOf(op)});
  return success();
}

/// A transposition whose result is added up, through elementwise ops: ONNX
/// Runtime would move it behind the sum, which then is one over dimensions
/// between others.
LogicalResult GraphExporter::writeKeptTranspose(qnn::TransposeOp op) {
  if (!op.getType().getElementType().isF32() ||
      op.getType().getRank() > kMostLetters)
    return failure();
  llvm::SetVector<Operation *> reached;
  reached.insert(op);
  for (size_t i = 0; i < reached.size(); ++i) {
    for (Operation *user : reached[i]->getUsers()) {
      if (isFloatSum(user)) {
        writeEinsum(op, nameOf(op.getInput()), op.getPermutation(), nameOf(op));
        return success();
      }
      if (user->hasTrait<qnn::ElementwiseTrait>())
        reached.insert(user);
    }
  }
  return failure();
}

/// 1 / (1 + exp(-x)), with the exponential that we share. ONNX Runtime's own
/// function is a quotient of polynomials, whose last bits are others. A
/// quotient of 1 would become one of what is multiplied by it.
LogicalResult GraphExporter::writeSigmoid(qnn::UnaryOp op) {
  Type element = op.getType().getElementType();
  bool isSwish = op.getKind() == qnn::UnaryKind::swish;
  // Between integers both are tables.
  bool isTable = op.getInput().getDefiningOp<qnn::DequantizeOp>() &&
                 llvm::all_of(op->getUsers(), llvm::IsaPred<qnn::QuantizeOp>);
  if (!element.isF32() || isTable)
    return failure();
  std::string x = nameOf(op.getInput());
  double alpha = isSwish ? op.getAlpha().convertToDouble() : 1.0;
  std::string power = alpha == 1
                          ? compute(op, "Neg", {x})
                          : compute(op, "Mul", {x, scalar(element, -alpha)});
  std::string sum =
      compute(op, "Add", {compute(op, "Exp", {power}), scalar(element, 1)});
  if (isSwish)
    namedNode(op, "Div", {x, sum}, {nameOf(op)});
  else
    namedNode(op, "Reciprocal", {sum}, {nameOf(op)});
  return success();
}

/// A number that a factor or the result of a matrix product is multiplied or
/// divided by. ONNX Runtime makes a product of those two numbers that it
/// multiplies sums by; it does so with scalars only, so this is a row of them.
std::optional<std::string> GraphExporter::spreadScale(qnn::BinaryOp op) {
  RankedTensorType type = op.getType();
  bool isScale = op.getKind() == qnn::BinaryKind::mul ||
                 op.getKind() == qnn::BinaryKind::div;
  if (!isScale || !type.getElementType().isF32() || type.getRank() == 0)
    return std::nullopt;
  DenseElementsAttr scale;
  int64_t size = type.getShape().back();
  if (ShapedType::isDynamic(size) || size == 1 ||
      !matchPattern(op.getRhs(), m_Constant(&scale)) ||
      scale.getNumElements() != 1)
    return std::nullopt;
  bool scalesProduct = op.getLhs().getDefiningOp<qnn::MatMulOp>();
  llvm::SetVector<Operation *> reached;
  reached.insert(op);
  for (size_t i = 0; i < reached.size() && !scalesProduct; ++i)
    for (Operation *user : reached[i]->getUsers()) {
      scalesProduct |= isa<qnn::MatMulOp>(user);
      if (isa<qnn::TransposeOp>(user))
        reached.insert(user);
    }
  if (!scalesProduct)
    return std::nullopt;
  // Dimensions of extent 1 before are dimensions of the result.
  SmallVector<int64_t> shape(std::max<int64_t>(1, scale.getType().getRank()),
                             1);
  shape.back() = size;
  return initializer("scale",
                     DenseElementsAttr::get(
                         RankedTensorType::get(shape, type.getElementType()),
                         scale.getSplatValue<Attribute>()));
}

/// Whether ONNX Runtime would make something else of a sum and what is around
/// it: of one that is normalized, SkipLayerNormalization, which adds up in
/// another order, and of one with an erf, Gelu, which multiplies by the inverse
/// of what x is divided by. It leaves Sum alone.
bool GraphExporter::isFusedSum(qnn::BinaryOp op) {
  if (op.getKind() != qnn::BinaryKind::add ||
      !op.getType().getElementType().isF32())
    return false;
  auto isErf = [](Value value) {
    auto unary = value.getDefiningOp<qnn::UnaryOp>();
    return unary && unary.getKind() == qnn::UnaryKind::erf;
  };
  return llvm::any_of(op->getOperands(), isErf) ||
         llvm::any_of(op->getUsers(), llvm::IsaPred<qnn::NormalizeOp>);
}
