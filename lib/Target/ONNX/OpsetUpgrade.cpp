//===- OpsetUpgrade.cpp - Brings models from before opset 7 up to it ------===//
// A file of its own, because ONNX's header takes long to compile.

#include "ModelPreparation.h"
#include "RuleRegistry.h"

#include "onnx/version_converter/convert.h"

using namespace mlir;
using namespace quantc::onnx_import;

void quantc::onnx_import::upgradeOldModel(onnx::ModelProto &model) {
  bool isOld = false;
  for (const auto &opset : model.opset_import())
    isOld |= normalizeDomain(opset.domain()).empty() && opset.version() > 0 &&
             opset.version() < kMinOpset;
  if (isOld)
    model = onnx::version_conversion::ConvertVersion(model, kMinOpset);
}
