//===- PackWeights.h - Constants in the layout of a kernel ------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_PACKWEIGHTS_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_PACKWEIGHTS_H

#include "quantc/CodeGen/DeferredConstants.h"

#include "CodeGen/Gemm/PackedPanels.h"
#include "CodeGen/Gemm/RowPanels.h"
#include "ContractionAnalysis.h"

namespace quantc {

/// Matrices [outer..., k, n]; k may be several dimensions, the last one
/// fastest.
struct WeightColumns {
  llvm::SmallVector<StridedDim> outer, k;
  StridedDim n;
  /// Behind so many rows along k there are zeros, up to `segment`.
  int64_t elements = 1, segment = 1;

  /// Where each row along k begins, or PanelSource::kNoRow.
  llvm::SmallVector<int64_t> getRowOffsets() const;
};

/// Packs the sides of products for which each call of the kernel passes a
/// constant.
class WeightPacker {
public:
  /// With `releaseOriginals` the bytes of constants that nothing reads any
  /// more are freed, so no other module may use their resources. With
  /// `deferred`, matrices of large resources are packed when they are written.
  WeightPacker(mlir::ModuleOp module, bool releaseOriginals,
               DeferredConstants *deferred = nullptr);

  /// Packs the constants that the kernel's calls pass for the matrix of
  /// `match`, changes the kernel's argument, and makes the product read it.
  bool pack(KernelEmitter &e, MatchedProduct &match);

  /// Which words of those constants, packed for the kernel of `match`, could
  /// saturate; none if `pack` would not pack them.
  std::optional<WordCount> countWords(KernelEmitter &e,
                                      const MatchedProduct &match);

  /// Packs the left-hand side as rows of words, unless more than the share
  /// `mostSplit` of them were there in halves; none if it is not constant.
  /// If the image is read in words of channels, these have `taps` elements each
  /// (see WeightRows), and may get an order that the image must follow.
  std::optional<RowPanelCount> packRows(KernelEmitter &e, MatchedProduct &match,
                                        std::optional<int64_t> taps,
                                        double mostSplit);

  /// The bytes of a constant, or none for a splat.
  static std::optional<llvm::ArrayRef<char>> getBytes(mlir::ElementsAttr attr);

  /// The constants that the calls of `func` pass for `argument` (which may be
  /// null), if `user` alone uses it.
  mlir::FailureOr<llvm::SmallVector<mlir::memref::GlobalOp>>
  getConstants(mlir::func::FuncOp func, mlir::BlockArgument argument,
               mlir::Operation *user);

  /// Makes the calls of `func` pass, instead of each of `globals`, a list of
  /// `element` with the bytes that `pack` gives for it. What is packed from
  /// one constant in a way that `suffix` names is stored once.
  void setConstants(
      mlir::func::FuncOp func, unsigned argument,
      llvm::ArrayRef<mlir::memref::GlobalOp> globals, mlir::Type element,
      llvm::StringRef suffix,
      llvm::function_ref<std::vector<char>(mlir::memref::GlobalOp)> pack);

  /// The same where bytes depend on more than the constant: each call has a
  /// suffix of its own, and `pack` gets the number of the call.
  void setConstants(mlir::func::FuncOp func, unsigned argument,
                    llvm::ArrayRef<mlir::memref::GlobalOp> globals,
                    mlir::Type element, llvm::ArrayRef<std::string> suffixes,
                    llvm::function_ref<std::vector<char>(size_t)> pack);

private:
  /// The constants that the calls of a kernel pass for one argument.
  struct Matrices {
    mlir::func::FuncOp func;
    unsigned argument;
    mlir::SmallVector<mlir::memref::GlobalOp> globals;
    WeightColumns weights;
  };
  mlir::FailureOr<Matrices> getMatrices(KernelEmitter &e,
                                        const MatchedProduct &match);
  mlir::memref::GlobalOp getPacked(mlir::memref::GlobalOp global,
                                   const WeightColumns &weights,
                                   const MicroKernel &kernel, bool isFlipped,
                                   bool isRounded);
  /// A resource of the `size` bytes that `write` makes of `original`, in the
  /// way that `recipe` describes.
  mlir::DenseResourceElementsHandle
  addResource(mlir::DenseResourceElementsAttr original, llvm::StringRef name,
              llvm::ArrayRef<char> bytes, llvm::StringRef recipe, uint64_t size,
              std::function<void(char *)> write);
  void eraseUnused(mlir::Value buffer);

  mlir::ModuleOp module;
  mlir::SymbolTable symbols;
  llvm::DenseMap<mlir::StringAttr, llvm::SmallVector<mlir::func::CallOp>> calls;
  llvm::StringMap<mlir::memref::GlobalOp> packed;
  bool releaseOriginals;
  DeferredConstants *deferred;
  /// Reads of each constant, and constants over each resource.
  llvm::StringMap<unsigned> numReads, numHolders;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_PACKWEIGHTS_H
