//===- QNNToLinalg.cpp - The pass convert-qnn-to-linalg -------------------===//

#include "Conversion/QNNToLinalg/Contractions/WeightOnly.h"

#include "quantc/Conversion/Passes.h"
#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Func/Transforms/FuncConversions.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/SCF/Transforms/Patterns.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/BuiltinOps.h"

namespace quantc {
#define GEN_PASS_DEF_CONVERTQNNTOLINALGPASS
#include "quantc/Conversion/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// The name that the run time's description of a model gives an element type.
static std::string getDTypeName(Type type) {
  std::string name;
  llvm::raw_string_ostream os(name);
  os << type;
  return name;
}

/// Storage types lose signedness and bool: what callers must pass stays written
/// beside each argument and result of an entry function.
static void recordElementTypes(func::FuncOp func) {
  if (func.isPrivate())
    return;
  auto record = [&](Type type, auto set) {
    if (auto tensor = dyn_cast<RankedTensorType>(type))
      set(StringAttr::get(func.getContext(),
                          getDTypeName(tensor.getElementType())));
  };
  for (auto [i, type] : llvm::enumerate(func.getArgumentTypes()))
    if (!func.getArgAttr(i, "qnn.dtype"))
      record(type,
             [&, i = i](Attribute a) { func.setArgAttr(i, "qnn.dtype", a); });
  for (auto [i, type] : llvm::enumerate(func.getResultTypes()))
    if (!func.getResultAttr(i, "qnn.dtype"))
      record(type, [&, i = i](Attribute a) {
        func.setResultAttr(i, "qnn.dtype", a);
      });
}

namespace {

/// Ops of other dialects that carry a tensor along without looking into it.
struct ConvertTensorCast : QNNPattern<tensor::CastOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(tensor::CastOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<tensor::CastOp>(op, getResultType(op),
                                                adaptor.getSource());
    return success();
  }
};

/// Scalars that enter and leave tensors, such as a loop's condition, keep
/// their type: i1 is a byte within a tensor only.
struct ConvertExtract : OpConversionPattern<tensor::ExtractOp> {
  using OpConversionPattern::OpConversionPattern;
  LogicalResult
  matchAndRewrite(tensor::ExtractOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    Value stored = tensor::ExtractOp::create(
        rewriter, op.getLoc(), adaptor.getTensor(), adaptor.getIndices());
    rewriter.replaceOp(op,
                       loadScalar(rewriter, op.getLoc(), stored, op.getType()));
    return success();
  }
};

struct ConvertFromElements : QNNPattern<tensor::FromElementsOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(tensor::FromElementsOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    SmallVector<Value> stored;
    for (Value v : adaptor.getElements())
      stored.push_back(storeScalar(rewriter, op.getLoc(), v, v.getType()));
    rewriter.replaceOpWithNewOp<tensor::FromElementsOp>(op, getResultType(op),
                                                        stored);
    return success();
  }
};

struct ConvertEmpty : QNNPattern<tensor::EmptyOp> {
  using QNNPattern::QNNPattern;
  LogicalResult
  matchAndRewrite(tensor::EmptyOp op, OpAdaptor adaptor,
                  ConversionPatternRewriter &rewriter) const override {
    rewriter.replaceOpWithNewOp<tensor::EmptyOp>(op, getResultType(op),
                                                 adaptor.getDynamicSizes());
    return success();
  }
};

struct ConvertQNNToLinalg
    : quantc::impl::ConvertQNNToLinalgPassBase<ConvertQNNToLinalg> {
  void runOnOperation() override {
    ModuleOp module = getOperation();
    for (auto func : module.getOps<func::FuncOp>()) {
      recordElementTypes(func);
      checkLengthsFirst(func);
    }

    MLIRContext *ctx = &getContext();
    QNNTypeConverter converter;
    RewritePatternSet patterns(ctx);
    ConversionTarget target(*ctx);
    target.addLegalDialect<arith::ArithDialect, cf::ControlFlowDialect,
                           linalg::LinalgDialect, math::MathDialect,
                           tensor::TensorDialect>();
    target.addLegalOp<ModuleOp>();
    target.addIllegalDialect<qnn::QNNDialect>();
    target.addDynamicallyLegalOp<tensor::CastOp, tensor::EmptyOp,
                                 tensor::ExtractOp, tensor::FromElementsOp>(
        [&](Operation *op) { return converter.isLegal(op); });

    populateElementwisePatterns(converter, patterns);
    populateTensorPatterns(converter, patterns);
    populateMovementPatterns(converter, patterns);
    populateSqueezePatterns(converter, patterns);
    populateExpandPatterns(converter, patterns);
    populateSlicePatterns(converter, patterns);
    populateScatterPatterns(converter, patterns);
    populateContractionPatterns(converter, patterns);
    populateReductionPatterns(converter, patterns);
    populateIndexingPatterns(converter, patterns);
    populateNormalizationPatterns(converter, patterns);
    populateConvolutionPatterns(converter, patterns);
    populatePoolingPatterns(converter, patterns);
    populateSpatialPatterns(converter, patterns);
    populateQuantizationPatterns(converter, patterns);
    populateCodebookPatterns(converter, patterns);
    populateWeightOnlyPatterns(converter, patterns);
    patterns.add<ConvertTensorCast, ConvertExtract, ConvertFromElements,
                 ConvertEmpty>(converter, ctx);

    scf::populateSCFStructuralTypeConversionsAndLegality(converter, patterns,
                                                         target);
    populateFunctionOpInterfaceTypeConversionPattern<func::FuncOp>(patterns,
                                                                   converter);
    populateCallOpTypeConversionPattern(patterns, converter);
    populateReturnOpTypeConversionPattern(patterns, converter);
    target.addDynamicallyLegalOp<func::FuncOp>([&](func::FuncOp op) {
      return converter.isSignatureLegal(op.getFunctionType()) &&
             converter.isLegal(&op.getBody());
    });
    target.addDynamicallyLegalOp<func::CallOp, func::ReturnOp>(
        [&](Operation *op) { return converter.isLegal(op); });
    // Everything inside scf regions that is no qnn op stays as it is.
    target.markUnknownOpDynamicallyLegal([&](Operation *op) {
      return !isa<scf::SCFDialect>(op->getDialect()) || converter.isLegal(op);
    });
    int64_t checks = countChecks();
    module.walk([&](Operation *op) {
      numOps += isa<qnn::QNNDialect>(op->getDialect());
    });
    if (failed(applyFullConversion(module, target, std::move(patterns))))
      signalPassFailure();
    numChecks += countChecks() - checks;
  }

  int64_t countChecks() {
    int64_t count = 0;
    getOperation().walk([&](cf::AssertOp) { ++count; });
    return count;
  }
};

} // namespace
