//===- LoadedModel.cpp - A compiled model, opened at run time -------------===//

#include "quantc/Driver/LoadedModel.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

#include <dlfcn.h>
#include <mutex>

using namespace quantc;

namespace {
/// The names under which libraries are loaded. The loader returns a library it
/// has for any file of the same name, though the file may have been replaced:
/// another spelling of the name makes it look at the file.
class LoadedNames {
public:
  static LoadedNames &get() {
    static LoadedNames names;
    return names;
  }

  /// A name of the file at `path` under which nothing else is loaded. To be
  /// released once for each time it is taken.
  std::string take(llvm::StringRef path, llvm::sys::fs::UniqueID file) {
    std::lock_guard<std::mutex> lock(mutex);
    llvm::SmallString<128> name(path);
    while (true) {
      Use &use = uses.try_emplace(name, Use{file, 0}).first->second;
      if (use.file == file) {
        ++use.count;
        return name.str().str();
      }
      llvm::StringRef folder = llvm::sys::path::parent_path(name);
      name = (folder + "/./" + llvm::sys::path::filename(path)).str();
    }
  }

  void release(llvm::StringRef name) {
    std::lock_guard<std::mutex> lock(mutex);
    auto use = uses.find(name);
    if (--use->second.count == 0)
      uses.erase(use);
  }

private:
  struct Use {
    llvm::sys::fs::UniqueID file;
    unsigned count;
  };
  std::mutex mutex;
  llvm::StringMap<Use> uses;
};
} // namespace

llvm::Expected<std::shared_ptr<LoadedModel>>
LoadedModel::load(llvm::StringRef path) {
  // A name without a slash would be searched for in the system's folders.
  llvm::SmallString<128> absolute(path);
  llvm::sys::fs::make_absolute(absolute);
  llvm::sys::fs::UniqueID file;
  if (llvm::sys::fs::getUniqueID(absolute, file))
    return llvm::createStringError("'" + path + "' does not exist");
  std::string name = LoadedNames::get().take(absolute, file);
  auto release =
      llvm::make_scope_exit([&] { LoadedNames::get().release(name); });
  void *handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
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
  release.release();
  return std::shared_ptr<LoadedModel>(
      new LoadedModel(std::move(name), handle, interface));
}

const QuantcProfile *LoadedModel::profile() const {
  return static_cast<const QuantcProfile *>(dlsym(handle, "quantc_profile"));
}

LoadedModel::~LoadedModel() {
  dlclose(handle);
  LoadedNames::get().release(name);
}

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
