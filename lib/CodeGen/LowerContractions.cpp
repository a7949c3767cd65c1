//===- LowerContractions.cpp - Contractions as blocked vector code --------===//

#include "quantc/CodeGen/Passes.h"

#include "DepthwiseEmitter.h"
#include "IntegerDepthwise.h"
#include "LowBitWeights.h"
#include "PackWeights.h"
#include "ProductRoots.h"

#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/FormatVariadic.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCONTRACTIONSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Most of k, and the share of words that may need wide products, for sums of
/// pairs of bytes to pay.
static constexpr int64_t kMaxPairDepth = 8192;
static constexpr double kMaxWideShare = 0.6;

/// Matches a product of constant weights again, to be multiplied in pairs of
/// bytes, if so many of the weights can be proved not to saturate that it pays.
static std::optional<WordCount> usePairs(KernelEmitter &e, WeightPacker &packer,
                                         MatchedProduct &match,
                                         VectorUnit unit) {
  if (!unit.hasBytePairs || !match.kernel.dot.takesDifferences() ||
      !match.matrixOperand)
    return std::nullopt;
  auto matchAgain = [&] {
    FailureOr<MatchedProduct> result = matchProduct(e, match.root, unit);
    assert(succeeded(result) && "it matched before");
    return std::move(*result);
  };
  unit.usesBytePairs = unit.hasWideWords = true;
  MatchedProduct pairs = matchAgain();
  std::optional<WordCount> count = packer.countWords(e, pairs);
  if (!count || !pairs.kernel.dot.sumsPairs)
    return std::nullopt;
  if (count->wideWords == 0) {
    unit.hasWideWords = false;
    match = matchAgain();
    return count;
  }
  // Few rows read the weights once: what counts is their size.
  std::optional<int64_t> m = e.asConstant(pairs.problem.m);
  if ((m && *m <= 2 * pairs.kernel.rows) ||
      *e.asConstant(pairs.problem.k) > kMaxPairDepth ||
      count->wideWords > kMaxWideShare * count->words)
    return std::nullopt;
  match = std::move(pairs);
  return count;
}

namespace {
struct LowerContractionsPass
    : public quantc::impl::LowerContractionsPassBase<LowerContractionsPass> {
  using LowerContractionsPassBase::LowerContractionsPassBase;

  void runOnOperation() override {
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    WeightPacker packer(getOperation(), releaseWeights);
    SmallVector<linalg::LinalgOp> roots;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (isProductRoot(op))
        roots.push_back(op);
    });
    for (linalg::LinalgOp root : roots) {
      OpBuilder builder(root);
      KernelEmitter emitter(builder, root.getLoc());
      if (emitLowBitProduct(emitter, packer, root, unit, threads)) {
        ++numContractions;
        ++numPackedWeights;
        continue;
      }
      FailureOr<MatchedProduct> match = matchProduct(emitter, root, unit);
      if (failed(match)) {
        ++numUnmatched;
        continue;
      }
      if (auto count = usePairs(emitter, packer, *match, unit)) {
        numProvedPanels += count->provedPanels;
        numMixedPanels += count->panels - count->provedPanels;
        remark::analysis(root.getLoc(), remark::RemarkOpts::name("BytePairs")
                                            .category("lower-contractions"))
            << llvm::formatv("sums pairs of bytes: {0} of {1} panels cannot "
                             "saturate, {2} of {3} words are widened",
                             count->provedPanels, count->panels,
                             count->wideWords, count->words)
                   .str();
      }
      if (match->matrixOperand)
        ++numContractions;
      else
        ++numConvolutions;
      numPackedWeights += packer.pack(emitter, *match);
      // Only kernels run on several threads: nothing calls them in parallel.
      if (match->depthwise)
        emitDepthwise(emitter, match->problem, match->kernel, *match->depthwise,
                      threads);
      else if (!emitIntegerDepthwise(emitter, *match, threads))
        emitGemm(emitter, match->problem, match->kernel, *match->columns,
                 threads);
      for (Operation *op : match->absorbed)
        op->erase();
    }
  }
};
} // namespace
