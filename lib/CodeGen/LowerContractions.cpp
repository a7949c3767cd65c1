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

namespace {
/// What is known about sums of pairs of bytes in a product.
struct BytePairs {
  std::optional<WordCount> count; // If the product is multiplied so.
  StringRef whyNot;
};
} // namespace

/// Matches a product of constant weights again, to be multiplied in pairs of
/// bytes, if so many of the weights can be proved not to saturate that it pays.
static BytePairs usePairs(KernelEmitter &e, WeightPacker &packer,
                          MatchedProduct &match, VectorUnit unit) {
  if (!match.matrixOperand)
    return {std::nullopt, "the right-hand side is windows"};
  auto matchAgain = [&] {
    FailureOr<MatchedProduct> result = matchProduct(e, match.root, unit);
    assert(succeeded(result) && "it matched before");
    return std::move(*result);
  };
  unit.usesBytePairs = unit.hasWideWords = true;
  MatchedProduct pairs = matchAgain();
  std::optional<WordCount> count = packer.countWords(e, pairs);
  if (!count || !pairs.kernel.dot.sumsPairs)
    return {std::nullopt, "the right-hand side is not constant"};
  if (count->wideWords == 0) {
    unit.hasWideWords = false;
    match = matchAgain();
    return {count, {}};
  }
  // Few rows read the weights once: what counts is their size.
  std::optional<int64_t> m = e.asConstant(pairs.problem.m);
  if (m && *m <= 2 * pairs.kernel.rows)
    return {std::nullopt, "there are few rows"};
  if (*e.asConstant(pairs.problem.k) > kMaxPairDepth)
    return {std::nullopt, "the sums are long"};
  if (count->wideWords > kMaxWideShare * count->words)
    return {std::nullopt, "too many of the weights are large"};
  match = std::move(pairs);
  return {count, {}};
}

static void remarkOn(MatchedProduct &match, const BytePairs &pairs,
                     bool hasBytePairs) {
  auto remark = [&](StringRef name, std::string text) {
    remark::analysis(
        match.root.getLoc(),
        remark::RemarkOpts::name(name).category("lower-contractions"))
        << text;
  };
  if (pairs.count)
    remark("BytePairs",
           llvm::formatv("sums of two products in 16 bits could saturate: {0} "
                         "of {1} panels of weights are proved not to, {2} of "
                         "{3} words are widened",
                         pairs.count->provedPanels, pairs.count->panels,
                         pairs.count->wideWords, pairs.count->words));
  else if (hasBytePairs && match.kernel.dot.takesDifferences())
    remark("BytePairs",
           llvm::formatv("sums of two products in 16 bits could saturate: all "
                         "bytes are widened, as {0}",
                         pairs.whyNot));
  remark("Kernel",
         llvm::formatv("multiplies {0} in blocks of {1} x {2}",
                       match.depthwise ? StringRef("channel by channel")
                                       : match.kernel.dot.describe(),
                       match.kernel.rows, match.kernel.columns()));
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
      BytePairs pairs;
      if (unit.hasBytePairs && match->kernel.dot.takesDifferences())
        pairs = usePairs(emitter, packer, *match, unit);
      if (pairs.count) {
        numProvedPanels += pairs.count->provedPanels;
        numMixedPanels += pairs.count->panels - pairs.count->provedPanels;
      }
      remarkOn(*match, pairs, unit.hasBytePairs);
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
