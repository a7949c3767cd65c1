//===- LoadedModel.h - A compiled model, opened at run time -----*- C++ -*-===//
#ifndef QUANTC_DRIVER_LOADEDMODEL_H
#define QUANTC_DRIVER_LOADEDMODEL_H

#include "quantc/Runtime/model.h"

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace quantc {

/// Frees a result of a model.
struct TensorDeleter {
  void operator()(DLManagedTensor *tensor) const { tensor->deleter(tensor); }
};
using OwnedTensor = std::unique_ptr<DLManagedTensor, TensorDeleter>;

/// A library that quantc compiled. Results hold memory that the library frees,
/// so they must not outlive this object.
class LoadedModel {
public:
  /// Opens the file that is at `path` now, whatever was loaded from there.
  static llvm::Expected<std::shared_ptr<LoadedModel>>
  load(llvm::StringRef path);
  ~LoadedModel();

  const QuantcModelInfo &info() const { return *interface->info(); }
  llvm::ArrayRef<QuantcTensorInfo> inputs() const {
    return {info().inputs, info().num_inputs};
  }
  llvm::ArrayRef<QuantcTensorInfo> outputs() const {
    return {info().outputs, info().num_outputs};
  }

  /// Safe to call from several threads at a time.
  llvm::Expected<llvm::SmallVector<OwnedTensor>>
  run(llvm::ArrayRef<const DLTensor *> inputs) const;

  /// For later calls from the calling thread; 0 means all processors.
  void setNumThreads(int count) const { interface->set_num_threads(count); }

  /// The counters of its kernels; null unless it was compiled with --profile.
  const QuantcProfile *profile() const;

private:
  LoadedModel(std::string name, void *handle, const QuantcInterface *interface)
      : name(std::move(name)), handle(handle), interface(interface) {}

  /// As the loader knows the library.
  std::string name;
  void *handle;
  const QuantcInterface *interface;
};

} // namespace quantc

#endif // QUANTC_DRIVER_LOADEDMODEL_H
