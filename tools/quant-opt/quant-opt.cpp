//===- quant-opt.cpp - Runs any pass or pipeline on textual IR ------------===//

#include "quantc/Pipelines/Pipelines.h"

#include "mlir/IR/DialectRegistry.h"
#include "mlir/InitAllPasses.h"
#include "mlir/Tools/mlir-opt/MlirOptMain.h"

int main(int argc, char **argv) {
  mlir::DialectRegistry registry;
  quantc::registerDialects(registry);
  mlir::registerAllPasses();
  quantc::registerAllPassesAndPipelines();
  return mlir::asMainReturnCode(
      mlir::MlirOptMain(argc, argv, "Quantc's optimizer\n", registry));
}
