//===- FoldLookup.cpp - Functions of one byte as tables -------------------===//
//
// However many ops lie between them: a byte that depends on one other byte only
// has 256 values. That is a chain such as quantize(f(dequantize(x))), and also
// x * sigmoid(x) where both factors became bytes on the way.
//
//===----------------------------------------------------------------------===//

#include "FoldPatterns.h"
#include "QuantizedValues.h"

#include "quantc/Dialect/QNN/IR/QNN.h"

#include "mlir/IR/IRMapping.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::qnn;

namespace {

bool isByteTensor(Type type) {
  auto tensor = dyn_cast<RankedTensorType>(type);
  return tensor && tensor.getElementType().isInteger(8);
}

bool isConstant(Value v) { return !v || v.getDefiningOp<ConstantOp>(); }

/// The ops that compute a tensor of bytes from another one, element by element.
class ByteFunction {
public:
  /// Finds the nearest tensor of bytes that `end` is a function of.
  bool find(QuantizeOp end) {
    shape = end.getType().getShape();
    block = end->getBlock();
    if (!collect(end.getInput()))
      return false;
    while (sources.size() > 1) {
      Value last = *llvm::max_element(sources, [](Value x, Value y) {
        // What comes later may depend on the others.
        Operation *opX = x.getDefiningOp(), *opY = y.getDefiningOp();
        return opX && opY ? opX->isBeforeInBlock(opY) : opY != nullptr;
      });
      sources.remove(last);
      Operation *op = last.getDefiningOp();
      if (!op)
        return stop("computes with several inputs of the model");
      if (!collect(op))
        return false;
    }
    if (sources.empty())
      return stop("is a constant");
    llvm::sort(
        ops, [](Operation *x, Operation *y) { return x->isBeforeInBlock(y); });
    return true;
  }

  Value source() const { return sources.front(); }
  StringRef whyNot() const { return reason; }

  /// One or two cheap operations vectorize, which a table does not; but two
  /// tables become one.
  bool pays(QuantizeOp end) const {
    auto before = source().getDefiningOp<LookupOp>();
    if ((before && before->hasOneUse()) ||
        (end->hasOneUse() && isa<LookupOp>(*end->user_begin())))
      return true;
    unsigned count = 0;
    for (Operation *op : ops) {
      auto unary = dyn_cast<UnaryOp>(op);
      if (isa<LookupOp>(op) || (unary && unary.getKind() != UnaryKind::relu &&
                                unary.getKind() != UnaryKind::abs &&
                                unary.getKind() != UnaryKind::neg))
        return true;
      if (!isa<DequantizeOp, CastOp>(op))
        ++count;
    }
    return count > 2;
  }

  /// Whether all of the ops go away with `end` and other quantize ops.
  bool isClosed(Operation *end) const {
    return llvm::all_of(ops, [&](Operation *op) {
      return llvm::all_of(op->getUsers(), [&](Operation *user) {
        return user == end || llvm::is_contained(ops, user) ||
               (isa<QuantizeOp>(user) &&
                !isByteTensor(op->getResult(0).getType()));
      });
    });
  }

  Value evaluate(QuantizeOp end, PatternRewriter &rewriter) const;

private:
  bool stop(StringRef why) {
    reason = why;
    return false;
  }

  /// Adds what computes `v`; bytes are where the function may begin.
  bool collect(Value v) {
    auto type = dyn_cast<RankedTensorType>(v.getType());
    Operation *op = v.getDefiningOp();
    if (op && isa<ConstantOp>(op)) {
      if (!type.hasStaticShape() || type.getNumElements() != 1 ||
          type.getRank() > int64_t(shape.size()))
        return stop("computes with a list of constants");
      return true;
    }
    if (isByteTensor(type) && type.getShape() == shape) {
      if (!op || !llvm::is_contained(ops, op))
        sources.insert(v);
      return true;
    }
    if (!op)
      return stop("computes with an input of the model");
    return collect(op);
  }

  bool collect(Operation *op) {
    if (llvm::is_contained(ops, op))
      return true;
    if (ops.size() > 64)
      return stop("is a long chain");
    if (op->getBlock() != block)
      return stop("computes with what a loop or branch does not");
    unsigned data = op->getNumOperands();
    if (auto quantize = dyn_cast<QuantizeOp>(op)) {
      if (!isPerTensor(quantize) || !isConstant(quantize.getScale()) ||
          !isConstant(quantize.getZeroPoint()))
        return stop("computes with tensors of several scales");
      data = 1;
    } else if (auto dequantize = dyn_cast<DequantizeOp>(op)) {
      if (!isPerTensor(dequantize) || !isConstant(dequantize.getScale()) ||
          !isConstant(dequantize.getZeroPoint()))
        return stop("computes with tensors of several scales");
      data = 1;
    } else if (isa<LookupOp>(op)) {
      data = 1;
    } else if (!isElementwise(op)) {
      return stop("computes with several elements");
    }
    for (Value operand : op->getOperands().take_front(data))
      if (!collect(operand))
        return false;
    ops.push_back(op);
    return true;
  }

  ArrayRef<int64_t> shape;
  Block *block = nullptr;
  SetVector<Value> sources;
  SmallVector<Operation *> ops; // In order: operands come first.
  std::string reason;
};

/// A constant of one element as one of rank 1, which is one number in a table's
/// shape, too.
Value flatten(Value constant, PatternRewriter &rewriter) {
  Value shape = ConstantOp::create(rewriter, constant.getLoc(), {-1});
  return ReshapeOp::create(rewriter, constant.getLoc(), constant, shape,
                           /*allowzero=*/false);
}

/// The function, applied to all 256 bytes.
Value ByteFunction::evaluate(QuantizeOp end, PatternRewriter &rewriter) const {
  Location loc = end.getLoc();
  Type element = cast<RankedTensorType>(source().getType()).getElementType();
  SmallVector<char> bytes;
  for (int i = 0; i < 256; ++i)
    bytes.push_back(char(i));
  auto all = RankedTensorType::get({256}, element);
  IRMapping mapping;
  mapping.map(source(), ConstantOp::create(
                            rewriter, loc,
                            DenseElementsAttr::getFromRawBuffer(all, bytes))
                            .getResult());
  auto copy = [&](Operation *op) {
    for (Value operand : op->getOperands())
      if (auto type = cast<RankedTensorType>(operand.getType());
          !mapping.contains(operand) && type.getRank() > 1)
        mapping.map(operand, flatten(operand, rewriter));
    Operation *clone = rewriter.clone(*op, mapping);
    rewriter.modifyOpInPlace(clone, [&] {
      auto type = cast<RankedTensorType>(clone->getResult(0).getType());
      int64_t rank = 0, size = 1;
      for (Value v : clone->getOperands()) {
        auto operand = cast<RankedTensorType>(v.getType());
        rank = std::max(rank, operand.getRank());
        size = std::max(size, operand.getNumElements());
      }
      clone->getResult(0).setType(type.clone(SmallVector<int64_t>(rank, size)));
    });
  };
  for (Operation *op : ops)
    copy(op);
  copy(end);
  return mapping.lookup(end.getResult());
}

struct FoldLookup : OpRewritePattern<QuantizeOp> {
  FoldLookup(MLIRContext *context, FoldCounts &counts)
      : OpRewritePattern(context), counts(counts) {}

  LogicalResult matchAndRewrite(QuantizeOp op,
                                PatternRewriter &rewriter) const override {
    if (!isPerTensor(op) || !isByteTensor(op.getType()))
      return rewriter.notifyMatchFailure(op, "does not quantize to bytes");
    if (!isConstant(op.getScale()) || !isConstant(op.getZeroPoint()))
      return rewriter.notifyMatchFailure(op, "has scales of the run");
    ByteFunction function;
    if (!function.find(op))
      return rewriter.notifyMatchFailure(op, function.whyNot());
    if (isConstant(function.source()))
      return rewriter.notifyMatchFailure(op, "is a constant"); // A table.
    if (!function.pays(op))
      return rewriter.notifyMatchFailure(op, "is cheaper than a table");
    if (!function.isClosed(op))
      return rewriter.notifyMatchFailure(op, "others use what is between");
    Value table = function.evaluate(op, rewriter);
    rewriter.replaceOpWithNewOp<LookupOp>(op, function.source(), table);
    ++counts.lookups;
    return success();
  }

private:
  FoldCounts &counts;
};

/// A table of a table is a table.
struct ComposeLookups : OpRewritePattern<LookupOp> {
  using OpRewritePattern::OpRewritePattern;

  LogicalResult matchAndRewrite(LookupOp op,
                                PatternRewriter &rewriter) const override {
    auto first = op.getInput().getDefiningOp<LookupOp>();
    if (!first || !first->hasOneUse() || isConstant(first.getInput()))
      return rewriter.notifyMatchFailure(op, "looks up what no table gives");
    auto type = cast<RankedTensorType>(op.getTable().getType());
    Value table =
        LookupOp::create(rewriter, op.getLoc(),
                         type.clone(first.getTable().getType().getShape()),
                         first.getTable(), op.getTable());
    rewriter.replaceOpWithNewOp<LookupOp>(op, op.getType(), first.getInput(),
                                          table);
    return success();
  }
};

} // namespace

void qnn::populateLookupPatterns(RewritePatternSet &patterns,
                                 FoldCounts &counts) {
  patterns.add<FoldLookup>(patterns.getContext(), counts);
  patterns.add<ComposeLookups>(patterns.getContext());
}
