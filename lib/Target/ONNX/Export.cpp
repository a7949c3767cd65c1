//===- Export.cpp - The exporter's border ---------------------------------===//
// No exception of ONNX or protobuf leaves this file.

#include "quantc/Target/ONNX/Export.h"

#include "GraphExporter.h"

#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Transforms/ControlFlowSinkUtils.h"

#include "onnx/checker.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// Constants of one branch become initializers of its graph: ONNX Runtime looks
/// nowhere else for the scales of weights there, and refuses the model.
static void sinkConstants(func::FuncOp func) {
  DominanceInfo dominance(func);
  func.walk<WalkOrder::PreOrder>([&](RegionBranchOpInterface branch) {
    SmallVector<Region *> regions;
    getSinglyExecutedRegionsToSink(branch, regions);
    controlFlowSink(
        regions, dominance,
        [](Operation *op, Region *) { return isa<qnn::ConstantOp>(op); },
        [](Operation *op, Region *region) {
          op->moveBefore(&region->front(), region->front().begin());
        });
  });
}

static LogicalResult exportModel(ModuleOp module, std::string &bytes,
                                 const ExportOptions &options) {
  auto func = module.lookupSymbol<func::FuncOp>("main");
  if (!func)
    return module.emitError("there is no function @main to export");
  onnx::ModelProto model;
  model.set_ir_version(10);
  model.set_producer_name("quantc");
  auto &import = *model.add_opset_import();
  import.set_version(opset);
  auto name = module->getAttrOfType<StringAttr>("qnn.graph_name");
  model.mutable_graph()->set_name(name ? name.str() : "main");
  sinkConstants(func);
  GraphExporter exporter(*model.mutable_graph(), options);
  if (failed(exporter.run(func)))
    return failure();
  if (exporter.usesContribOps()) {
    auto &contrib = *model.add_opset_import();
    contrib.set_domain("com.microsoft");
    contrib.set_version(1);
  }
  if (model.ByteSizeLong() >= (size_t(1) << 31))
    return module.emitError("the model is larger than the 2 GB that one ONNX "
                            "file can hold");
  onnx::checker::check_model(model);
  model.SerializeToString(&bytes);
  return success();
}

LogicalResult onnx_export::exportONNX(ModuleOp module, std::string &bytes,
                                      const ExportOptions &options) {
  try {
    return exportModel(module, bytes, options);
  } catch (const std::exception &e) {
    return module.emitError("the exported model is invalid: ")
           << StringRef(e.what()).trim();
  }
}
