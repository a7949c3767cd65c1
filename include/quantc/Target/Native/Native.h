//===- Native.h - From the LLVM dialect to a shared library -----*- C++ -*-===//
#ifndef QUANTC_TARGET_NATIVE_NATIVE_H
#define QUANTC_TARGET_NATIVE_NATIVE_H

#include "quantc/Target/Native/TargetSpec.h"

#include "mlir/IR/BuiltinOps.h"
#include "llvm/ADT/ArrayRef.h"
#include "llvm/Support/raw_ostream.h"

#include <functional>

namespace quantc::native {

enum class ObjectKind { Assembly, Object };

/// Translates a module in the LLVM dialect, optimizes it and writes code.
/// Errors are emitted at the module.
mlir::LogicalResult emitCode(mlir::ModuleOp module, const TargetSpec &spec,
                             ObjectKind kind, bool largeWeights,
                             llvm::raw_pwrite_stream &os);

/// How much time code is worth: code that runs once, on little data, takes
/// longer to optimize than to run. What is only allowed to be computed in
/// another way (`contract`, calls of libm that are simplified) is not.
enum class Effort { Quick, Full };

/// The same as objects that are to be linked together: parts of a large module
/// compile side by side. What was internal to the module becomes hidden, so the
/// objects are for a library, not for a program that holds other models too.
/// `localPrefix` keeps it apart from what other modules of that library have.
mlir::LogicalResult
emitObjects(mlir::ModuleOp module, const TargetSpec &spec,
            llvm::StringRef localPrefix, bool largeWeights,
            mlir::SmallVectorImpl<mlir::SmallVector<char, 0>> &objects,
            Effort effort = Effort::Full);

/// A directory that lives as long as this object.
class TemporaryDirectory {
public:
  TemporaryDirectory() = default;
  TemporaryDirectory(const TemporaryDirectory &) = delete;
  TemporaryDirectory &operator=(const TemporaryDirectory &) = delete;
  ~TemporaryDirectory();
  llvm::Error create();
  std::string file(llvm::StringRef name) const {
    return path + "/" + name.str();
  }

private:
  std::string path;
};

struct LinkOptions {
  std::string output;
  std::string prefix;
  std::string soname;
  /// Whether the objects define `quantc_profile`.
  bool hasProfile = false;
  /// Completes a linked file before it appears as `output`.
  std::function<llvm::Error(llvm::StringRef path)> complete;
};

/// Whether the program at this path is the system's compiler, which calls a
/// linker, and not LLVM's linker.
bool isCompiler(llvm::StringRef linker);

/// Links objects and the runtime archive into a shared library that exports
/// the C interface only. `output` appears whole or not at all.
llvm::Error linkLibrary(llvm::ArrayRef<std::string> objects,
                        const LinkOptions &options);

/// Joins objects into one relocatable object.
llvm::Error linkObject(llvm::ArrayRef<std::string> objects,
                       const LinkOptions &options);

/// Writes a file that appears whole or not at all.
llvm::Error writeFileAtomically(llvm::StringRef path, llvm::StringRef bytes);

/// The text of `model.h` for a library with this prefix.
std::string getModelHeader(llvm::StringRef prefix);

} // namespace quantc::native

#endif // QUANTC_TARGET_NATIVE_NATIVE_H
