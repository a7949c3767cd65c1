//===- DeferredConstants.h - Constants made when written --------*- C++ -*-===//
//
// Packed weights would take as much memory as those of the model, which the
// system hands out more slowly than they are packed. What goes to a file is
// packed on the way there instead.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_CODEGEN_DEFERREDCONSTANTS_H
#define QUANTC_CODEGEN_DEFERREDCONSTANTS_H

#include "mlir/IR/BuiltinAttributes.h"
#include "llvm/ADT/StringMap.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace quantc {

struct DeferredConstant {
  /// What the bytes are made of, and how: constants that agree in both are
  /// equal.
  llvm::ArrayRef<char> bytes;
  std::string recipe;

  uint64_t size = 0;
  std::function<void(char *target)> write;
};

/// The constants that resources without bytes stand for in a module.
class DeferredConstants {
public:
  using Handle = mlir::DenseResourceElementsHandle;

  /// Adds the constant that `resource` stands for, and whose bytes are those of
  /// `original` or of a part of it.
  void add(Handle resource, Handle original, DeferredConstant constant);

  /// The constant that `resource` stands for, which it does no longer; none if
  /// it stands for none.
  std::optional<DeferredConstant> take(Handle resource);

  /// Drops the constants that nobody takes.
  void clear() { constants.clear(); }

  /// Frees the bytes of `original`, which nothing in a module reads any more,
  /// with the last constant in `deferred` (if not null) that is made of them.
  static void release(Handle original, DeferredConstants *deferred);

private:
  struct Source;
  /// By the keys of resources.
  llvm::StringMap<DeferredConstant> constants;
  llvm::StringMap<std::weak_ptr<Source>> sources;
};

} // namespace quantc

#endif // QUANTC_CODEGEN_DEFERREDCONSTANTS_H
