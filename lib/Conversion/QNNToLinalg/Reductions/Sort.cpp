//===- Sort.cpp - Lowers ops that sort ------------------------------------===//

#include "ReductionBuilder.h"
#include "Sorting.h"

#include "quantc/Dialect/QNN/IR/ReductionOps.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"

using namespace mlir;
using namespace quantc;
using P = arith::CmpIPredicate;

namespace {

//===- unique -------------------------------------------------------------===//

/// Sorts the slices, walks along and gives each distinct one a number.
struct ConvertUnique : QNNPattern<qnn::UniqueOp> {
  using QNNPattern::QNNPattern;

  LogicalResult
  matchAndRewrite(qnn::UniqueOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Location loc = op.getLoc();
    Value input = adaptor.getInput();
    auto type = cast<RankedTensorType>(input.getType());
    Type qnnElement = op.getInput().getType().getElementType();
    if (isa<FloatType>(qnnElement) && !isa<FloatType>(type.getElementType()))
      return op.emitOpError() << "cannot compare " << qnnElement;
    int64_t axis = op.getAxis().value_or(0);
    if (!op.getAxis())
      input = flatten(rewriter, loc, input);
    Value slices = toMatrix(rewriter, loc, input, axis);
    Value count = materialize(rewriter, loc, getDim(rewriter, loc, slices, 0));
    Value width = materialize(rewriter, loc, getDim(rewriter, loc, slices, 1));
    auto before = [&](OpBuilder &b, Location l, Value i, Value j) {
      return isSmallerSlice(b, l, slices, width, i, j, isUnsigned(qnnElement));
    };
    Groups groups =
        group(rewriter, loc, count,
              createSortedOrder(rewriter, loc, count, before), before);
    if (op.getUnsorted())
      sortByFirst(rewriter, loc, groups, count);

    RankedTensorType outputType = getResultType(op);
    SmallVector<OpFoldResult> dims = getDims(rewriter, loc, input);
    dims[axis] = groups.number;
    Value output = createIndexed(
        rewriter, loc, outputType, dims,
        [&](OpBuilder &b, Location l, ValueRange at) -> Value {
          SmallVector<Value> from(at);
          Value first = tensor::ExtractOp::create(b, l, groups.first, at[axis]);
          from[axis] =
              arith::IndexCastOp::create(b, l, b.getIndexType(), first);
          return tensor::ExtractOp::create(b, l, input, from);
        });
    auto take = [&](Value list, OpFoldResult size) -> Value {
      return tensor::ExtractSliceOp::create(
          rewriter, loc, list, OpFoldResult(rewriter.getIndexAttr(0)), size,
          OpFoldResult(rewriter.getIndexAttr(1)));
    };
    rewriter.replaceOp(op,
                       {output,
                        castTo(rewriter, loc, take(groups.first, groups.number),
                               op.getIndices().getType()),
                        castTo(rewriter, loc, groups.inverse,
                               op.getInverseIndices().getType()),
                        castTo(rewriter, loc, take(groups.sizes, groups.number),
                               op.getCounts().getType())});
    return success();
  }

private:
  /// The distinct slices: how many, and (tensor<?xi64>, with room for all)
  /// where each occurs first and how often; for each slice its group.
  struct Groups {
    Value number, first, sizes, inverse;
  };

  static Value flatten(OpBuilder &b, Location loc, Value input) {
    auto type = cast<RankedTensorType>(input.getType());
    if (type.getRank() == 1)
      return input;
    if (type.getRank() == 0)
      return tensor::ExpandShapeOp::create(
          b, loc, RankedTensorType::get({1}, type.getElementType()), input,
          ArrayRef<ReassociationIndices>{});
    ReassociationIndices all;
    for (int64_t d = 0; d < type.getRank(); ++d)
      all.push_back(d);
    return tensor::CollapseShapeOp::create(b, loc, input,
                                           ArrayRef<ReassociationIndices>(all));
  }

  /// One row for each slice along `axis`.
  static Value toMatrix(OpBuilder &b, Location loc, Value input, int64_t axis) {
    auto type = cast<RankedTensorType>(input.getType());
    if (axis != 0) {
      SmallVector<int64_t> permutation{axis};
      SmallVector<int64_t> shape{type.getDimSize(axis)};
      SmallVector<OpFoldResult> dims{getDim(b, loc, input, axis)};
      for (int64_t d = 0; d < type.getRank(); ++d)
        if (d != axis) {
          permutation.push_back(d);
          shape.push_back(type.getDimSize(d));
          dims.push_back(getDim(b, loc, input, d));
        }
      type = RankedTensorType::get(shape, type.getElementType());
      input = linalg::TransposeOp::create(
                  b, loc, input, createEmpty(b, loc, type, dims), permutation)
                  ->getResult(0);
    }
    if (type.getRank() == 1)
      return tensor::ExpandShapeOp::create(
          b, loc,
          RankedTensorType::get({type.getDimSize(0), 1}, type.getElementType()),
          input, ArrayRef<ReassociationIndices>{{0, 1}},
          {getDim(b, loc, input, 0), b.getIndexAttr(1)});
    SmallVector<ReassociationIndices> rows{{0}, {}};
    for (int64_t d = 1; d < type.getRank(); ++d)
      rows[1].push_back(d);
    return tensor::CollapseShapeOp::create(b, loc, input, rows);
  }

  /// Lexicographic: the first difference decides.
  static Value isSmallerSlice(OpBuilder &b, Location loc, Value slices,
                              Value width, Value i, Value j,
                              bool unsignedInts) {
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Value no = arith::ConstantIntOp::create(b, loc, 0, 1);
    auto loop = scf::ForOp::create(
        b, loc, zero, width, one, ValueRange{no, no},
        [&](OpBuilder &nested, Location l, Value e, ValueRange state) {
          Value x =
              tensor::ExtractOp::create(nested, l, slices, ValueRange{i, e});
          Value y =
              tensor::ExtractOp::create(nested, l, slices, ValueRange{j, e});
          Value smaller = isGreater(nested, l, y, x, unsignedInts);
          Value greater = isGreater(nested, l, x, y, unsignedInts);
          Value differ = arith::OrIOp::create(nested, l, smaller, greater);
          Value result =
              arith::SelectOp::create(nested, l, state[1], state[0], smaller);
          Value decided = arith::OrIOp::create(nested, l, state[1], differ);
          scf::YieldOp::create(nested, l, ValueRange{result, decided});
        });
    return loop.getResult(0);
  }

  static Groups group(OpBuilder &b, Location loc, Value count, Value order,
                      OrderBody before) {
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Type i64 = b.getI64Type();
    auto listType = RankedTensorType::get({ShapedType::kDynamic}, i64);
    auto list = [&] {
      return createFilled(b, loc, listType, OpFoldResult(count),
                          constantScalar(b, loc, i64, 0));
    };
    SmallVector<Value> init{zero, list(), list(), list()};
    auto loop = scf::ForOp::create(
        b, loc, zero, count, one, init,
        [&](OpBuilder &nested, Location l, Value p, ValueRange state) {
          Value slice = tensor::ExtractOp::create(nested, l, order, p);
          Value isFirst = arith::CmpIOp::create(nested, l, P::eq, p, zero);
          // Element 0 compares with itself, which is never smaller.
          Value previousAt = arith::SelectOp::create(
              nested, l, isFirst, p, arith::SubIOp::create(nested, l, p, one));
          Value previous =
              tensor::ExtractOp::create(nested, l, order, previousAt);
          Value isNew = arith::OrIOp::create(
              nested, l, isFirst, before(nested, l, previous, slice));
          Value number = arith::AddIOp::create(
              nested, l, state[0],
              arith::SelectOp::create(nested, l, isNew, one, zero));
          Value current = arith::SubIOp::create(nested, l, number, one);
          auto toI64 = [&](Value v) -> Value {
            return arith::IndexCastOp::create(nested, l, i64, v);
          };
          // The sort is stable: the first of a group comes first.
          Value known = tensor::ExtractOp::create(nested, l, state[1], current);
          Value first = tensor::InsertOp::create(
              nested, l,
              arith::SelectOp::create(nested, l, isNew, toI64(slice), known),
              state[1], current);
          Value size = tensor::ExtractOp::create(nested, l, state[2], current);
          size = arith::AddIOp::create(nested, l, size,
                                       constantScalar(nested, l, i64, 1));
          Value sizes =
              tensor::InsertOp::create(nested, l, size, state[2], current);
          Value inverse = tensor::InsertOp::create(nested, l, toI64(current),
                                                   state[3], slice);
          scf::YieldOp::create(nested, l,
                               ValueRange{number, first, sizes, inverse});
        });
    return {loop.getResult(0), loop.getResult(1), loop.getResult(2),
            loop.getResult(3)};
  }

  /// Renumbers the groups by where they occur first.
  static void sortByFirst(OpBuilder &b, Location loc, Groups &groups,
                          Value count) {
    Value zero = constantIndex(b, loc, 0), one = constantIndex(b, loc, 1);
    Type i64 = b.getI64Type(), index = b.getIndexType();
    auto listType = RankedTensorType::get({ShapedType::kDynamic}, i64);
    Value order = createSortedOrder(
        b, loc, groups.number,
        [&](OpBuilder &nested, Location l, Value i, Value j) -> Value {
          Value x = tensor::ExtractOp::create(nested, l, groups.first, i);
          Value y = tensor::ExtractOp::create(nested, l, groups.first, j);
          return arith::CmpIOp::create(nested, l, P::slt, x, y);
        });
    auto permuted = [&](Value list) {
      return createIndexed(
          b, loc, listType, OpFoldResult(groups.number),
          [&](OpBuilder &nested, Location l, ValueRange at) -> Value {
            Value from = tensor::ExtractOp::create(nested, l, order, at);
            return tensor::ExtractOp::create(nested, l, list, from);
          });
    };
    Value empty = createEmpty(b, loc, listType, OpFoldResult(groups.number));
    Value renumbered =
        scf::ForOp::create(
            b, loc, zero, groups.number, one, empty,
            [&](OpBuilder &nested, Location l, Value i, ValueRange state) {
              Value old = tensor::ExtractOp::create(nested, l, order, i);
              Value now = arith::IndexCastOp::create(nested, l, i64, i);
              Value out =
                  tensor::InsertOp::create(nested, l, now, state[0], old);
              scf::YieldOp::create(nested, l, out);
            })
            .getResult(0);
    groups.inverse = createIndexed(
        b, loc, listType, OpFoldResult(count),
        [&](OpBuilder &nested, Location l, ValueRange at) -> Value {
          Value old = tensor::ExtractOp::create(nested, l, groups.inverse, at);
          return tensor::ExtractOp::create(
              nested, l, renumbered,
              arith::IndexCastOp::create(nested, l, index, old).getResult());
        });
    groups.first = permuted(groups.first);
    groups.sizes = permuted(groups.sizes);
  }
};

} // namespace

void quantc::populateSortPatterns(const TypeConverter &converter,
                                  RewritePatternSet &patterns) {
  patterns.add<ConvertUnique>(converter, patterns.getContext());
}
