//===- Passes.td - Passes on the qnn dialect ------------------------------===//
#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_PASSES
#define QUANTC_DIALECT_QNN_TRANSFORMS_PASSES

include "mlir/Pass/PassBase.td"

def InferShapesPass : Pass<"qnn-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "Infer result types again, and make them more static";
  let description = [{
    Shapes that were computed become constants by folding, and then results
    have more static dimensions than when their ops were built. Types are
    refined from operands to results, out of scf.if, and to the function's
    results; loops keep the types that they carry.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numRefined", "types-refined", "Values with a more static type">
  ];
}

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_PASSES
