//===- ByteMasks.h - Masked bytes without masks -----------------*- C++ -*-===//

#ifndef QUANTC_LIB_TARGET_NATIVE_BYTEMASKS_H
#define QUANTC_LIB_TARGET_NATIVE_BYTEMASKS_H

namespace llvm {
class Module;
class TargetMachine;
} // namespace llvm

namespace quantc::native {
/// Makes a loop of each load and store of the first elements of a vector, where
/// the target has no instruction for it and the vector fits into a register.
void loopOverMaskedElements(llvm::Module &module, llvm::TargetMachine &machine);
} // namespace quantc::native

#endif // QUANTC_LIB_TARGET_NATIVE_BYTEMASKS_H
