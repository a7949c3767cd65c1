//===- LoadedModel.cpp - A compiled model, opened at run time -------------===//

#include "quantc/Driver/LoadedModel.h"

#include "llvm/Support/FileSystem.h"

#include <dlfcn.h>

using namespace quantc;

llvm::Expected<std::shared_ptr<LoadedModel>>
LoadedModel::load(llvm::StringRef path) {
  // A name without a slash would be searched for in the system's folders.
  llvm::SmallString<128> absolute(path);
  llvm::sys::fs::make_absolute(absolute);
  if (!llvm::sys::fs::exists(absolute))
    return llvm::createStringError("'" + path + "' does not exist");
  void *handle = dlopen(absolute.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle)
    return llvm::createStringError("'" + path +
                                   "' cannot be loaded: " + dlerror());
  auto *interface =
      static_cast<const QuantcInterface *>(dlsym(handle, "quantc_interface"));
  std::string problem;
  if (!interface)
    problem = "is not a library compiled by quantc";
  else if (interface->abi_version != QUANTC_ABI_VERSION)
    problem = "was compiled by another version of quantc (ABI " +
              std::to_string(interface->abi_version) + ", expected " +
              std::to_string(QUANTC_ABI_VERSION) + ")";
  if (!problem.empty()) {
    dlclose(handle);
    return llvm::createStringError("'" + path + "' " + problem);
  }
  return std::shared_ptr<LoadedModel>(new LoadedModel(handle, interface));
}

const QuantcProfile *LoadedModel::profile() const {
  return static_cast<const QuantcProfile *>(dlsym(handle, "quantc_profile"));
}

LoadedModel::~LoadedModel() { dlclose(handle); }

llvm::Expected<llvm::SmallVector<OwnedTensor>>
LoadedModel::run(llvm::ArrayRef<const DLTensor *> inputs) const {
  llvm::SmallVector<DLManagedTensor *> results(info().num_outputs);
  if (interface->run(inputs.data(), inputs.size(), results.data(),
                     results.size()))
    return llvm::createStringError(interface->last_error());
  llvm::SmallVector<OwnedTensor> owned;
  for (DLManagedTensor *result : results)
    owned.emplace_back(result);
  return owned;
}
