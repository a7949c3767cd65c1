//===- GemmTile.h - Tiles of a blocked matrix product -----------*- C++ -*-===//
//
// A tile is what one micro-kernel computes: a few rows of a block of C by the
// columns of a panel of B.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_GEMMTILE_H
#define QUANTC_LIB_CODEGEN_GEMM_GEMMTILE_H

#include "GemmBlocking.h"
#include "WordPanels.h"

namespace quantc {

/// The part of a task that is the same for all of its tiles.
struct GemmBlock {
  llvm::SmallVector<mlir::Value> outer;
  mlir::Value aBase;
  OutputBases outputs;
  mlir::Value firstRow, firstSlot;
  mlir::Value k, depth;
  mlir::Value isFirst, isLast; // Null when k is not split.
  mlir::Value partial;         // Sums so far, when k is split.
  int64_t partialStride;
  /// Panels that were packed here, from `panels` on: one for each slot at a
  /// multiple of `slotStride`, or one after the other in the same place.
  mlir::Value panels;
  int64_t slotStride = 0;
  // Of quantized operands.
  mlir::Value words, rawPanel, rowSums, columnSums, zeroTiles;
  int64_t wordStride;
  std::optional<WordForms> wordForms; // That rows of words have.
  mlir::Value edge;                   // Sums of a tile at the border.
};

struct GemmTile {
  mlir::Value row;
  int64_t rows;
  mlir::Value rowsFit; // Null if all rows exist.
  mlir::Value panel, panelOffset;
  llvm::SmallVector<WordLoop> loops; // Of words that are no panel.
  bool isConverted = true; // Whether the panel holds factors, not elements.
  mlir::Value slot;        // The first of `slots`.
  llvm::SmallVector<ColumnSlot> slots;
  mlir::Value columnsFit; // Null if all columns exist.
  mlir::Value partialOffset;
  llvm::SmallVector<mlir::Value> zeros; // Zero points of columns, or empty.
  mlir::Value columnSums, columnSumsOffset;
  mlir::Value order, orderOffset; // Of the panel's words, if it has one.
  /// What is multiplied after this panel, to be read ahead, or null.
  mlir::Value nextPanel, nextPanelOffset;

  /// Vectors of a row of the tile: the last panel may have fewer columns than
  /// its rows have room for.
  int64_t vectors() const { return slots.size(); }
};

/// Emits the micro-kernels of a product.
class GemmTileEmitter {
public:
  GemmTileEmitter(KernelEmitter &e, const GemmProblem &p,
                  const MicroKernel &kernel, ColumnSource &columns,
                  WordPanels &wordPanels, const GemmBlocking &blocking)
      : e(e), p(p), kernel(kernel), columns(columns), wordPanels(wordPanels),
        blocking(blocking) {}

  /// The tile of a panel that begins at `row`.
  void emitRow(const GemmBlock &block, GemmTile tile, mlir::Value row);

private:
  using Value = mlir::Value;

  MicroKernel getKernel(const GemmTile &tile) const;
  void emitPrefetch(const GemmBlock &block, const GemmTile &tile, Value k,
                    int64_t steps);
  void emitTile(const GemmBlock &block, const GemmTile &tile);
  void emitTileUnit(const GemmBlock &block, const GemmTile &tile);
  llvm::SmallVector<Value> emitDepth(const GemmBlock &block,
                                     const GemmTile &tile,
                                     llvm::ArrayRef<Value> rowOffsets,
                                     llvm::SmallVector<Value> sums);
  llvm::SmallVector<Value> makeMasks(const GemmTile &tile);
  void emitStores(const GemmBlock &block, const GemmTile &tile,
                  llvm::ArrayRef<Value> sums);
  llvm::SmallVector<Value> correct(const GemmBlock &block, const GemmTile &tile,
                                   Value row, llvm::ArrayRef<Value> sums);
  void addOutputs(const GemmBlock &block, const GemmTile &tile, mlir::Value row,
                  llvm::ArrayRef<mlir::Value> sums,
                  llvm::ArrayRef<mlir::Value> masks,
                  llvm::SmallVectorImpl<OutputVector> &outputs);
  void emitStore(const GemmBlock &block, const GemmTile &tile, Value row,
                 llvm::ArrayRef<Value> sums, llvm::ArrayRef<Value> masks);
  void emitPieces(const GemmBlock &block, const GemmTile &tile, Value row,
                  llvm::ArrayRef<Value> sums,
                  llvm::ArrayRef<llvm::SmallVector<ColumnPiece>> pieces);

  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  ColumnSource &columns;
  WordPanels &wordPanels;
  const GemmBlocking &blocking;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_GEMMTILE_H
