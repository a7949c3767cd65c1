//===- ElementCost.cpp - What scalar ops cost -----------------------------===//

#include "quantc/CodeGen/ElementCost.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/IR/DialectRegistry.h"

using namespace mlir;
using namespace quantc;

#include "quantc/CodeGen/ElementCost.cpp.inc"

/// A division, or a polynomial.
static constexpr int64_t slow = 10;

namespace {
template <typename Op>
struct Slow : ElementCostOpInterface::ExternalModel<Slow<Op>, Op> {
  int64_t getElementCost(Operation *) const { return slow; }
};

template <typename... Ops> struct SlowOps {
  static void attach(MLIRContext *context) {
    (Ops::template attachInterface<Slow<Ops>>(*context), ...);
  }
};
} // namespace

int64_t quantc::getElementCost(Operation *op) {
  if (auto costly = dyn_cast<ElementCostOpInterface>(op))
    return costly.getElementCost();
  if (op->hasTrait<OpTrait::ConstantLike>())
    return 0;
  return op->getNumRegions() ? slow : 1;
}

void quantc::registerElementCosts(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *context, arith::ArithDialect *) {
    SlowOps<arith::DivFOp, arith::DivSIOp, arith::DivUIOp, arith::RemFOp,
            arith::RemSIOp, arith::RemUIOp>::attach(context);
  });
  // All of this dialect, whatever it gets: most become polynomials.
  registry.addExtension(+[](MLIRContext *context, math::MathDialect *) {
    SlowOps<
#define GET_OP_LIST
#include "mlir/Dialect/Math/IR/MathOps.cpp.inc"
        >::attach(context);
  });
}
