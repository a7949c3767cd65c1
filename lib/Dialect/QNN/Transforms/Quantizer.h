//===- Quantizer.h - What qnn-quantize does to a function -------*- C++ -*-===//

#ifndef QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZER_H
#define QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZER_H

#include "RecipeMatching.h"
#include "WeightQuantization.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QNN.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"
#include "quantc/Dialect/QNN/Transforms/Quantize.h"
#include "quantc/Quantization/Statistics.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "llvm/ADT/SetVector.h"

namespace quantc::qnn {

/// An op that will be quantized.
struct Candidate {
  QuantizableOpInterface op;
  OpPlan plan;
  llvm::SmallVector<unsigned> weights, activations;
};

/// A value and how it becomes integers: all that ask for the same share it.
struct ActivationKey {
  mlir::Value value;
  ActivationRecipe recipe;
  /// Whether signed integers are stored as unsigned ones: all moved by half the
  /// range, the zero point with them.
  bool isMoved = false;
  bool operator==(const ActivationKey &other) const {
    return value == other.value && recipe == other.recipe &&
           isMoved == other.isMoved;
  }
};

/// What a pair of quantize and dequantize gives.
struct QuantizedActivation {
  ActivationKey key;
  mlir::Value real;
  /// Known for static ones.
  float scale = 0;
  /// The ops that the pair is made of.
  llvm::SmallVector<mlir::Operation *> ops;
};

/// What qnn-quantize does to a function.
class Quantizer {
public:
  Quantizer(mlir::func::FuncOp func, const Recipe &recipe,
            const Statistics *statistics, QuantizationReport &report,
            const Recalibrate *recalibrate, const QuantizeSettings &settings)
      : func(func), recipe(recipe), statistics(statistics), report(report),
        recalibrate(recalibrate), settings(settings) {
    if (settings.releaseWeights)
      release.emplace(func->getParentOp());
  }

  mlir::LogicalResult run();

private:
  void consider(QuantizableOpInterface op, const OpPlan &plan);
  void keepSlowerInFloat();
  bool wasReached(const Candidate &candidate);
  mlir::LogicalResult requireStatistics(llvm::ArrayRef<Candidate> some);
  mlir::LogicalResult getNames(llvm::ArrayRef<Candidate> some,
                               llvm::SetVector<llvm::StringRef> &names);
  mlir::LogicalResult quantizeSequentially();
  mlir::LogicalResult quantizeOp(Candidate &candidate);
  void quantizeTable(SameScaleOpInterface op, const OpPlan &plan);
  mlir::FailureOr<QuantizedActivation *> quantizeActivation(ActivationKey key);
  mlir::LogicalResult createStatic(mlir::OpBuilder &b,
                                   QuantizedActivation &activation);
  void createDynamic(mlir::OpBuilder &b, QuantizedActivation &activation);
  void createPerToken(mlir::OpBuilder &b, QuantizedActivation &activation);
  void quantizeBias(Candidate &candidate, const QuantizedWeight &weight,
                    float activationScale);
  void redirectOtherUses();
  GramMatrix getGram(const Candidate &candidate);
  void skip(mlir::Operation *op, const llvm::Twine &reason) {
    remark(op, "stays in float: " + reason);
    ++report.numSkipped;
  }
  void remark(mlir::Operation *op, const llvm::Twine &text) {
    if (report.keepRemarks)
      report.remarks.push_back(
          ("node '" + getNodeName(op->getLoc()) + "' " + text).str());
    else
      op->emitRemark(text);
  }

  mlir::func::FuncOp func;
  const Recipe &recipe;
  const Statistics *statistics;
  QuantizationReport &report;
  const Recalibrate *recalibrate;
  const QuantizeSettings &settings;
  std::optional<ConstantRelease> release;
  std::vector<Candidate> candidates;
  std::vector<std::unique_ptr<QuantizedActivation>> activations;
};

} // namespace quantc::qnn

#endif // QUANTC_LIB_DIALECT_QNN_TRANSFORMS_QUANTIZER_H
