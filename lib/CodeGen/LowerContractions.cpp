//===- LowerContractions.cpp - Contractions as blocked vector code --------===//

#include "quantc/CodeGen/Passes.h"

#include "DepthwiseEmitter.h"
#include "IntegerDepthwise.h"
#include "LowBitWeights.h"
#include "PackWeights.h"
#include "ProductRoots.h"

#include "mlir/Dialect/OpenMP/OpenMPDialect.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCONTRACTIONSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

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
