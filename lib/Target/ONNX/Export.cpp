//===- Export.cpp - The exporter's border ---------------------------------===//
// No exception of ONNX or protobuf leaves this file.

#include "quantc/Target/ONNX/Export.h"

#include "GraphExporter.h"

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/Dominance.h"
#include "mlir/Interfaces/LoopLikeInterface.h"
#include "mlir/Transforms/ControlFlowSinkUtils.h"

#include "onnx/checker.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_export;

/// Constants of one branch or loop become initializers of its graph. ONNX
/// Runtime looks nowhere else for the scales of weights in a branch, and
/// refuses the model; in a loop it does not see that weights are constants.
static void sinkConstants(func::FuncOp func) {
  DominanceInfo dominance(func);
  func.walk<WalkOrder::PreOrder>([&](RegionBranchOpInterface branch) {
    SmallVector<Region *> regions;
    if (auto loop = dyn_cast<LoopLikeOpInterface>(*branch))
      regions = loop.getLoopRegions();
    else
      getSinglyExecutedRegionsToSink(branch, regions);
    controlFlowSink(
        regions, dominance,
        [](Operation *op, Region *) { return isa<qnn::ConstantOp>(op); },
        [](Operation *op, Region *region) {
          op->moveBefore(&region->front(), region->front().begin());
        });
  });
}

/// ONNX Runtime's products of unsigned by signed bytes sum pairs in 16 bits on
/// x86 without VNNI, where they saturate; those of unsigned bytes are exact on
/// all processors.
static void makeUnsigned(Value input, OpOperand &weights,
                         MutableOperandRange zeroPoint) {
  auto constant = weights.get().getDefiningOp<qnn::ConstantOp>();
  if (!constant || !constant.getType().getElementType().isSignlessInteger(8) ||
      !getElementTypeOrSelf(input).isUnsignedInteger(8))
    return;
  OpBuilder b(weights.getOwner());
  auto type = RankedTensorType::get({}, b.getIntegerType(8, false));
  ElementsAttr zero = DenseElementsAttr::get(
      type, b.getIntegerAttr(type.getElementType(), 128));
  if (!zeroPoint.empty()) {
    auto given = zeroPoint[0].get().getDefiningOp<qnn::ConstantOp>();
    zero = given ? qnn::moveToOtherSign(given.getValue()) : ElementsAttr();
  }
  ElementsAttr bytes = qnn::moveToOtherSign(constant.getValue());
  if (!bytes || !zero)
    return;
  weights.set(qnn::ConstantOp::create(b, constant.getLoc(), bytes));
  zeroPoint.assign(qnn::ConstantOp::create(b, constant.getLoc(), zero));
}

/// Of signed bytes around 0 that are made for one reader ONNX Runtime makes
/// unsigned ones on x86, with a single zero point, which its kernel refuses if
/// there are scales for blocks. So those are unsigned here already, around 128.
static void makeTokensUnsigned(qnn::QuantizeOp op) {
  RankedTensorType type = op.getType();
  auto isReader = [&](Operation *user) {
    if (auto dequantize = dyn_cast<qnn::DequantizeOp>(user))
      return !dequantize.getZeroPoint();
    auto product = dyn_cast<qnn::MatMulOp>(user);
    return product && product.getRhs() != op && !product.getLhsZeroPoint();
  };
  if (!type.getElementType().isSignlessInteger(8) || !op.getBlockSize() ||
      op.getZeroPoint() || !llvm::all_of(op->getUsers(), isReader))
    return;
  OpBuilder b(op);
  Type byte = b.getIntegerType(8, false);
  Value middle = qnn::ConstantOp::create(
      b, op.getLoc(),
      DenseElementsAttr::get(RankedTensorType::get({}, byte),
                             Attribute(b.getIntegerAttr(byte, 128))));
  op.getZeroPointMutable().assign(middle);
  op.getResult().setType(type.clone(byte));
  for (Operation *user : op->getUsers()) {
    if (auto dequantize = dyn_cast<qnn::DequantizeOp>(user))
      dequantize.getZeroPointMutable().assign(middle);
    else
      cast<qnn::MatMulOp>(user).getLhsZeroPointMutable().assign(middle);
  }
}

static void makeUnsigned(func::FuncOp func) {
  func.walk(makeTokensUnsigned);
  func.walk([](qnn::MatMulOp op) {
    makeUnsigned(op.getLhs(), op.getRhsMutable(), op.getRhsZeroPointMutable());
  });
  func.walk([](qnn::ConvOp op) {
    makeUnsigned(op.getInput(), op.getWeightsMutable(),
                 op.getWeightsZeroPointMutable());
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
  makeUnsigned(func);
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
