//===- Passes.h - Passes from linalg on tensors to LLVM ---------*- C++ -*-===//

#ifndef QUANTC_CODEGEN_PASSES_H
#define QUANTC_CODEGEN_PASSES_H

#include "quantc/Dialect/Kernel/IR/KernelDialect.h"

#include "mlir/Pass/Pass.h"
#include "mlir/Pass/PassOptions.h"

namespace quantc {

#define GEN_PASS_DECL
#include "quantc/CodeGen/Passes.h.inc"

/// Options of the pipeline `linalg-to-llvm`.
struct LinalgToLLVMOptions
    : public mlir::PassPipelineOptions<LinalgToLLVMOptions> {
  Option<std::string> targetFeatures{
      *this, "target-features",
      llvm::cl::desc("LLVM's feature list of the target, e.g. +avx2,+fma: it "
                     "decides on the kernels' shapes, never the CPU's name"),
      llvm::cl::init("")};
  Option<bool> roundProducts{
      *this, "round-products",
      llvm::cl::desc("Round factors of float products to bf16"),
      llvm::cl::init(false)};
  Option<bool> threads{*this, "threads",
                       llvm::cl::desc("Run large loops in parallel (OpenMP)"),
                       llvm::cl::init(true)};
  Option<bool> releaseWeights{
      *this, "release-weights",
      llvm::cl::desc("Free weights' bytes once only packed copies are read"),
      llvm::cl::init(false)};
  Option<std::string> kernels{
      *this, "kernels",
      llvm::cl::desc("A file with blocks for some products (KernelChoices.h)"),
      llvm::cl::init("")};
  Option<bool> printMemoryPlan{
      *this, "print-memory-plan",
      llvm::cl::desc("Print where each buffer lies in the arena, and what "
                     "is allocated beside it"),
      llvm::cl::init(false)};
  Option<bool> profile{*this, "profile",
                       llvm::cl::desc("Time each call of a kernel, and list "
                                      "the products"),
                       llvm::cl::init(false)};
  Option<bool> deferWeights{
      *this, "defer-weights",
      llvm::cl::desc("Leave weights to be packed when they are written: the "
                     "module names them, but has no bytes of them"),
      llvm::cl::init(false)};
};

/// Adds the passes that take a module of linalg on tensors to the LLVM dialect.
void buildLinalgToLLVMPipeline(mlir::OpPassManager &pm,
                               const LinalgToLLVMOptions &options);

/// Registers the passes and pipelines of code generation.
void registerCodeGenPasses();

} // namespace quantc

#endif // QUANTC_CODEGEN_PASSES_H
