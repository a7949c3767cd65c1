//===- DeferredConstants.cpp - Constants made when written ----------------===//

#include "quantc/CodeGen/DeferredConstants.h"

#include "quantc/Dialect/Kernel/IR/KernelDialect.h"
#include "quantc/Support/Resources.h"

using namespace mlir;
using namespace quantc;

/// A resource that constants are made of, each of which holds it.
struct DeferredConstants::Source {
  explicit Source(Handle handle) : handle(handle) {}
  Source(const Source &) = delete;
  ~Source() {
    if (isReleased)
      freeResource(handle);
  }

  Handle handle;
  bool isReleased = false;
};

DeferredConstants::~DeferredConstants() {
  // The context ends, and may have freed its resources before.
  for (auto &entry : sources)
    if (std::shared_ptr<Source> source = entry.second.lock())
      source->isReleased = false;
}

void DeferredConstants::registerInterface(DialectRegistry &registry) {
  registry.addExtension(+[](MLIRContext *, kernel::KernelDialect *dialect) {
    dialect->addInterfaces<DeferredConstants>();
  });
}

DeferredConstants *DeferredConstants::find(MLIRContext *context) {
  auto *dialect = context->getLoadedDialect<kernel::KernelDialect>();
  return dialect ? dialect->getRegisteredInterface<DeferredConstants>()
                 : nullptr;
}

void DeferredConstants::add(Handle resource, Handle original,
                            DeferredConstant constant) {
  std::weak_ptr<Source> &known = sources[original.getKey()];
  std::shared_ptr<Source> source = known.lock();
  if (!source)
    known = source = std::make_shared<Source>(original);
  constant.write = [source, write = std::move(constant.write)](char *target) {
    write(target);
  };
  constants[resource.getKey()] = std::move(constant);
}

std::optional<DeferredConstant> DeferredConstants::take(Handle resource) {
  auto it = constants.find(resource.getKey());
  if (it == constants.end())
    return std::nullopt;
  DeferredConstant constant = std::move(it->second);
  constants.erase(it);
  return constant;
}

void DeferredConstants::release(Handle original, DeferredConstants *deferred) {
  std::shared_ptr<Source> source =
      deferred ? deferred->sources[original.getKey()].lock() : nullptr;
  if (source)
    source->isReleased = true;
  else
    freeResource(original);
}
