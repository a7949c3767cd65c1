//===- TargetSpec.h - Which machine to compile for --------------*- C++ -*-===//
#ifndef QUANTC_TARGET_NATIVE_TARGETSPEC_H
#define QUANTC_TARGET_NATIVE_TARGETSPEC_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <memory>
#include <string>

namespace llvm {
class TargetMachine;
} // namespace llvm

namespace quantc::native {

/// A machine as LLVM wants it. Features are always explicit and never follow
/// from a processor's name, because virtual machines lie about the name.
struct TargetSpec {
  std::string triple;
  /// As in an LLVM attribute: "+avx,+avx2".
  std::string features;

  bool hasFeature(llvm::StringRef name) const;
  /// The features it has, without signs: "avx,avx2".
  std::string featureList() const;
  bool isHostArchitecture() const;
};

/// Resolves what `--target` accepts: `native`, `x86-64`, `x86-64-v2` ... `-v4`,
/// `amx`, `aarch64`, each with further features as in `x86-64-v3,+avxvnni`.
llvm::Expected<TargetSpec> resolveTarget(llvm::StringRef name);

/// The same for several targets of one library, the most demanding first:
/// targets with slashes between them (`x86-64-v4/x86-64-v3`), or `multi`, which
/// stands for
/// `amx/x86-64-v4,+avx512vnni/x86-64-v3,+avxvnni/x86-64-v3/x86-64-v2`.
llvm::Expected<llvm::SmallVector<TargetSpec>>
resolveTargets(llvm::StringRef names);

/// An LLVM target machine that emits position independent, optimized code.
llvm::Expected<std::unique_ptr<llvm::TargetMachine>>
createTargetMachine(const TargetSpec &spec);

} // namespace quantc::native

#endif // QUANTC_TARGET_NATIVE_TARGETSPEC_H
