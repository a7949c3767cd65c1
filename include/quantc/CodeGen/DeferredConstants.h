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
#include "mlir/IR/DialectInterface.h"
#include "mlir/IR/DialectRegistry.h"
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

/// The constants that resources without bytes stand for in the modules of a
/// context: the kernel dialect keeps them, as the builtin one keeps the bytes
/// of other resources.
class DeferredConstants
    : public mlir::DialectInterface::Base<DeferredConstants> {
public:
  MLIR_DEFINE_EXPLICIT_INTERNAL_INLINE_TYPE_ID(DeferredConstants)

  using Handle = mlir::DenseResourceElementsHandle;

  DeferredConstants(mlir::Dialect *dialect) : Base(dialect) {}
  ~DeferredConstants() override;

  /// Adds them to the kernel dialect of the contexts that `registry` is for.
  static void registerInterface(mlir::DialectRegistry &registry);

  /// Those of a context; null if it has not loaded the dialect with them.
  static DeferredConstants *find(mlir::MLIRContext *context);

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
