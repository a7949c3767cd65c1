//===- Passes.td - Conversions between dialects ---------------------------===//
#ifndef QUANTC_CONVERSION_PASSES
#define QUANTC_CONVERSION_PASSES

include "mlir/Pass/PassBase.td"

def ConvertQNNToLinalgPass : Pass<"convert-qnn-to-linalg", "::mlir::ModuleOp"> {
  let summary = "Lower the qnn dialect to linalg on tensors";
  let description = [{
    Replaces every qnn op by linalg, tensor, arith, math and scf ops on tensors.
    Storage types change on the way: integers become signless, and bool, 2- and
    4-bit integers, 8- and 4-bit floats become `i8`, one element a byte. The
    arguments and results of `@main` keep the name of their ONNX element type in
    the attribute `qnn.dtype`.

    What only the run time can check (an index, a dimension that must match)
    becomes a `cf.assert` that names the node.
  }];
  let dependentDialects = [
    "::mlir::arith::ArithDialect", "::mlir::cf::ControlFlowDialect",
    "::mlir::linalg::LinalgDialect", "::mlir::math::MathDialect",
    "::mlir::scf::SCFDialect", "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numOps", "ops-lowered", "Ops of qnn">,
    Statistic<"numChecks", "checks", "Run-time checks">
  ];
}

#endif // QUANTC_CONVERSION_PASSES
