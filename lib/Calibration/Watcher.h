//===- Watcher.h - What sees the values of a running graph ------*- C++ -*-===//
#ifndef QUANTC_LIB_CALIBRATION_WATCHER_H
#define QUANTC_LIB_CALIBRATION_WATCHER_H

#include "quantc/Calibration/Calibrate.h"

namespace quantc {

/// Gets the tensors that observers see in the course of a call.
class Watcher {
public:
  virtual ~Watcher() = default;
  /// `number` is the observer's (qnn-lower-observers).
  virtual void see(int64_t number, llvm::ArrayRef<float> values,
                   llvm::ArrayRef<int64_t> shape) = 0;

  /// For tensors that are not contiguous float32.
  std::vector<float> scratch;
};

/// Calls a function whose observers tell `watcher`.
mlir::LogicalResult runWatched(const JITFunction &function,
                               llvm::ArrayRef<TensorView> inputs,
                               llvm::SmallVectorImpl<Tensor> &outputs,
                               std::string &error, Watcher &watcher);

/// A graph with observers, compiled.
struct WatchedFunction {
  JITFunction function;
  /// The names and channel axes (-1 for none) by the observers' numbers.
  std::vector<std::string> names;
  llvm::SmallVector<int64_t> axes;
};

/// Lowers the observers of `module`, which is consumed, and compiles it.
mlir::FailureOr<WatchedFunction> compileWatched(mlir::ModuleOp module);

} // namespace quantc

#endif // QUANTC_LIB_CALIBRATION_WATCHER_H
