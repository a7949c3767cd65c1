//===- LowerCopies.cpp - Strided copies as loops --------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Linalg/Utils/Utils.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/SymbolTable.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCOPIESPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

/// Copies of fewer elements take less code than a call.
static constexpr int64_t kLeastElements = 8;

/// Loops over these first dimensions are left for threads.
static constexpr size_t kTaskDims = 2;

static bool isContiguous(MemRefType type) {
  return type.getLayout().isIdentity();
}

namespace {
/// A copy between strided buffers, dimension by dimension.
class StridedCopy {
public:
  StridedCopy(OpBuilder &b, Location loc, Value source, Value target);

  /// Makes one line of the last dimensions, as far as they lie one behind the
  /// other in both buffers, where only the run knows how long lines are: those
  /// of images may be as short as a vector. False if nothing is joined.
  bool joinLines();
  /// Views of the buffers of these sizes.
  SmallVector<Value> getViews();

private:
  struct Dim {
    OpFoldResult size, strides[2];
  };
  Value toValue(OpFoldResult value) {
    return getValueOrCreateConstantIndexOp(b, loc, value);
  }

  OpBuilder &b;
  Location loc;
  Value buffers[2];
  memref::ExtractStridedMetadataOp metadata[2];
  SmallVector<Dim> dims;
};
} // namespace

StridedCopy::StridedCopy(OpBuilder &b, Location loc, Value source, Value target)
    : b(b), loc(loc), buffers{source, target} {
  auto type = cast<MemRefType>(buffers[1].getType());
  dims.resize(type.getRank());
  for (int side : {0, 1}) {
    metadata[side] =
        memref::ExtractStridedMetadataOp::create(b, loc, buffers[side]);
    auto [strides, offset] =
        cast<MemRefType>(buffers[side].getType()).getStridesAndOffset();
    for (auto [i, dim] : llvm::enumerate(dims))
      dim.strides[side] = ShapedType::isDynamic(strides[i])
                              ? OpFoldResult(metadata[side].getStrides()[i])
                              : b.getIndexAttr(strides[i]);
  }
  for (auto [i, dim] : llvm::enumerate(dims)) {
    dim.size = type.isDynamicDim(i) ? OpFoldResult(metadata[1].getSizes()[i])
                                    : b.getIndexAttr(type.getDimSize(i));
  }
}

bool StridedCopy::joinLines() {
  if (dims.size() < kTaskDims + 2)
    return false;
  Dim &line = dims.back();
  auto others = llvm::reverse(
      MutableArrayRef<Dim>(dims).drop_front(kTaskDims).drop_back());
  auto isKnown = [](const Dim &dim) {
    return getConstantIntValue(dim.size).has_value();
  };
  if ((isKnown(line) && llvm::all_of(others, isKnown)) ||
      isConstantIntValue(line.size, 1) ||
      !isConstantIntValue(line.strides[0], 1) ||
      !isConstantIntValue(line.strides[1], 1))
    return false;
  Value one = toValue(b.getIndexAttr(1)), length = toValue(line.size);
  Value isJoined;
  for (Dim &dim : others) {
    for (OpFoldResult stride : dim.strides) {
      Value isNext = arith::CmpIOp::create(b, loc, arith::CmpIPredicate::eq,
                                           toValue(stride), length);
      isJoined =
          isJoined ? arith::AndIOp::create(b, loc, isJoined, isNext) : isNext;
    }
    Value size = toValue(dim.size);
    length = arith::MulIOp::create(b, loc, length, size);
    line.size = OpFoldResult(
        arith::SelectOp::create(b, loc, isJoined, length, toValue(line.size)));
    dim.size =
        OpFoldResult(arith::SelectOp::create(b, loc, isJoined, one, size));
  }
  return true;
}

SmallVector<Value> StridedCopy::getViews() {
  SmallVector<OpFoldResult> sizes;
  SmallVector<int64_t> shape;
  for (const Dim &dim : dims) {
    sizes.push_back(dim.size);
    shape.push_back(
        getConstantIntValue(dim.size).value_or(ShapedType::kDynamic));
  }
  SmallVector<Value> views;
  for (int side : {0, 1}) {
    SmallVector<OpFoldResult> strides;
    SmallVector<int64_t> known;
    for (const Dim &dim : dims) {
      strides.push_back(dim.strides[side]);
      known.push_back(getConstantIntValue(dim.strides[side])
                          .value_or(ShapedType::kDynamic));
    }
    auto layout =
        StridedLayoutAttr::get(b.getContext(), ShapedType::kDynamic, known);
    auto type = MemRefType::get(
        shape, getElementTypeOrSelf(buffers[side].getType()), layout);
    views.push_back(memref::ReinterpretCastOp::create(
        b, loc, type, metadata[side].getBaseBuffer(),
        OpFoldResult(metadata[side].getOffset()), sizes, strides));
  }
  return views;
}

namespace {
struct LowerCopiesPass
    : public quantc::impl::LowerCopiesPassBase<LowerCopiesPass> {
  void runOnOperation() override {
    SmallVector<memref::CopyOp> copies;
    getOperation()->walk([&](memref::CopyOp op) {
      auto source = dyn_cast<MemRefType>(op.getSource().getType());
      auto target = dyn_cast<MemRefType>(op.getTarget().getType());
      if (source && target && !(isContiguous(source) && isContiguous(target)))
        copies.push_back(op);
      else
        ++numLeft;
    });
    for (memref::CopyOp op : copies) {
      OpBuilder builder(op);
      auto type = cast<MemRefType>(op.getTarget().getType());
      bool isSmall =
          type.hasStaticShape() && type.getNumElements() < kLeastElements;
      // Kernels have one copy each; the function that calls them, some for each
      // layer of a model.
      if (isSmall || op->getParentOfType<func::FuncOp>().isPrivate())
        linalg::makeMemRefCopyOp(builder, op.getLoc(), op.getSource(),
                                 op.getTarget());
      else
        func::CallOp::create(builder, op.getLoc(), getCopier(op),
                             op->getOperands());
      op.erase();
      ++numLowered;
    }
  }

  /// The function that copies between buffers of such types.
  func::FuncOp getCopier(memref::CopyOp op) {
    Type source = op.getSource().getType(), target = op.getTarget().getType();
    func::FuncOp &copier = copiers[{source, target}];
    if (copier)
      return copier;
    ++numCopiers;
    OpBuilder builder = OpBuilder::atBlockEnd(getOperation().getBody());
    copier =
        func::FuncOp::create(builder, op.getLoc(), "copy",
                             builder.getFunctionType({source, target}, {}));
    copier.setPrivate();
    SymbolTable(getOperation()).insert(copier);
    Block *body = copier.addEntryBlock();
    builder.setInsertionPointToStart(body);
    SmallVector<Value> buffers(body->getArguments());
    StridedCopy copy(builder, op.getLoc(), buffers[0], buffers[1]);
    if (copy.joinLines()) {
      buffers = copy.getViews();
      ++numJoined;
    }
    linalg::makeMemRefCopyOp(builder, op.getLoc(), buffers[0], buffers[1]);
    func::ReturnOp::create(builder, op.getLoc());
    return copier;
  }

  llvm::DenseMap<std::pair<Type, Type>, func::FuncOp> copiers;
};
} // namespace
