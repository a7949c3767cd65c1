//===- quant-opt.cpp - Runs any pass or pipeline on textual IR ------------===//

#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Pipelines/Pipelines.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllDialects.h"
#include "mlir/InitAllExtensions.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  mlir::registerAllDialects(registry);
  mlir::registerAllExtensions(registry);
  mlir::registerAllPasses();
  quantc::registerAllPassesAndPipelines();
  registry.insert<quantc::qnn::QNNDialect>();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Quantc's optimizer\n", registry));
}
