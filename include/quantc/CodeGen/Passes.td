//===- Passes.td - Passes from linalg on tensors to LLVM --*- tablegen -*-===//

#ifndef QUANTC_CODEGEN_PASSES
#define QUANTC_CODEGEN_PASSES

include "mlir/Pass/PassBase.td"

def PrepareEntryPass : Pass<"quantc-prepare-entry", "mlir::ModuleOp"> {
  let summary = "Keep the entry point's results apart from its arguments";
  let description = [{
    The caller of the public functions owns their results, and keeps its
    arguments. So before bufferization this pass marks the arguments as not
    writable and copies each returned tensor that may share its buffer with an
    argument, a constant or another result.
  }];
  let dependentDialects = ["mlir::bufferization::BufferizationDialect"];
  let statistics = [
    Statistic<"numCopied", "results-copied", "Results returned through a copy">
  ];
}

def DecomposeTensorOpsPass : Pass<"quantc-decompose-tensor-ops"> {
  let summary = "Rewrite the tensor ops that bufferization does not know";
  let description = [{
    Decomposes `tensor.concat`, and linalg ops that aggregate others, into ops
    that one-shot bufferization and the loop lowering handle.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
    "mlir::tensor::TensorDialect", "mlir::scf::SCFDialect"
  ];
}

def ExpandMathPass : Pass<"quantc-expand-math"> {
  let summary = "Expand math functions into arithmetic";
  let description = [{
    Replaces the f32 functions of the math dialect with polynomials (at most
    1e-6 off, relative), so that loops over them vectorize and the library
    calls nothing per element. f16 and bf16 compute in f32; f64 keeps its
    calls into libm.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::math::MathDialect",
    "mlir::vector::VectorDialect"
  ];
}

def LowerAssertsPass : Pass<"quantc-lower-asserts", "mlir::ModuleOp"> {
  let summary = "Turn failed assertions into errors of the model";
  let description = [{
    Lowers `cf.assert` to a branch to a block that calls the run time's
    `quantc_rt_fail` with the message. That function does not return: it
    leaves the model's entry with an error.
  }];
  let dependentDialects = [
    "mlir::cf::ControlFlowDialect", "mlir::LLVM::LLVMDialect"
  ];
  let statistics = [
    Statistic<"numAsserts", "asserts", "Assertions lowered">
  ];
}

def LowerCopiesPass : Pass<"quantc-lower-copies"> {
  let summary = "Make copies between strided buffers loops";
  let description = [{
    Bufferization leaves `memref.copy`. Between contiguous buffers that becomes
    a memcpy; any other would call a function of MLIR's runtime library, which
    a model does not have, so it becomes a linalg op here.
  }];
  let dependentDialects = ["mlir::linalg::LinalgDialect"];
}

#endif // QUANTC_CODEGEN_PASSES
