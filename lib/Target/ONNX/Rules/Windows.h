//===- Windows.h - The attributes of sliding windows ------------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_ONNX_RULES_WINDOWS_H
#define QUANTC_LIB_TARGET_ONNX_RULES_WINDOWS_H

#include "../NodeContext.h"

namespace quantc::onnx_import {

/// strides, dilations, pads and auto_pad of a node, complete: ONNX's defaults
/// are filled in.
struct WindowAttrs {
  llvm::SmallVector<int64_t> strides, dilations, pads;
  qnn::AutoPadAttr autoPad;
};

/// Reads the attributes for `spatial` dimensions; null after an error.
inline std::optional<WindowAttrs> readWindow(NodeContext &ctx,
                                             int64_t spatial) {
  WindowAttrs w;
  llvm::SmallVector<int64_t> ones(spatial, 1), zeros(2 * spatial, 0);
  w.strides = ctx.getInts("strides", ones);
  w.dilations = ctx.getInts("dilations", ones);
  std::string autoPad = ctx.getString("auto_pad", "NOTSET");
  bool isExplicit = autoPad == "NOTSET";
  w.pads = isExplicit ? ctx.getInts("pads", zeros) : zeros;
  auto kind = qnn::AutoPad::none;
  if (autoPad == "SAME_UPPER") {
    kind = qnn::AutoPad::same_upper;
  } else if (autoPad == "SAME_LOWER") {
    kind = qnn::AutoPad::same_lower;
  } else if (!isExplicit && autoPad != "VALID") {
    (void)ctx.emitError("its auto_pad '" + autoPad + "' is unknown");
    return std::nullopt;
  }
  w.autoPad = qnn::AutoPadAttr::get(ctx.getContext(), kind);
  return w;
}

/// A convolution of inputs `x` and `w` of the node, with its attributes; of
/// integers if there are zero points. Pads that depend on static sizes only
/// become numbers. Null after an error.
mlir::Value createConv(NodeContext &ctx, size_t x, size_t w, mlir::Value bias,
                       mlir::Value inputZero, mlir::Value weightsZero);

/// The average pool of `x`, which stands for input 0, with the node's
/// attributes. Null after an error.
mlir::Value createAveragePool(NodeContext &ctx, mlir::Value x);

} // namespace quantc::onnx_import

#endif // QUANTC_LIB_TARGET_ONNX_RULES_WINDOWS_H
