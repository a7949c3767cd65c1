//===- ImportFuzzer.cpp - Feeds arbitrary bytes to the importer -----------===//
// Whatever the bytes are, importing ends with a module or with a diagnostic.

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Target/ONNX/Import.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/Verifier.h"

#include <cstdio>
#include <cstdlib>

using namespace mlir;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  // A fresh context for each input: types and attributes of hostile models
  // would pile up in a shared one.
  MLIRContext context(MLIRContext::Threading::DISABLED);
  context
      .loadDialect<quantc::qnn::QNNDialect, arith::ArithDialect,
                   func::FuncDialect, scf::SCFDialect, tensor::TensorDialect>();
  bool diagnosed = false;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    diagnosed |= diagnostic.getSeverity() == DiagnosticSeverity::Error;
    return success();
  });
  llvm::StringRef bytes(reinterpret_cast<const char *>(data), size);
  OwningOpRef<ModuleOp> module =
      quantc::onnx_import::importONNXFromBytes(bytes, {}, context);
  if (!module && !diagnosed) {
    std::fprintf(stderr, "the importer failed without a diagnostic\n");
    std::abort();
  }
  if (module && failed(verify(*module))) {
    std::fprintf(stderr, "the importer made a module that does not verify\n");
    std::abort();
  }
  return 0;
}
