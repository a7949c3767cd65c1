//===- LowBitColumns.h - Weights unpacked in registers ----------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_LOWBIT_LOWBITCOLUMNS_H
#define QUANTC_LIB_CODEGEN_LOWBIT_LOWBITCOLUMNS_H

#include "LowBitWeights.h"

namespace quantc {

/// Packed low-bit weights as panels of floats: each panel is unpacked once for
/// a block of rows, into memory that stays in the first-level cache.
class LowBitSource : public ColumnSource {
public:
  LowBitSource(const LowBitWeights &weights, mlir::Value n,
               const VectorUnit &unit)
      : weights(weights), n(n), unit(unit) {}

  mlir::Value getNumSlots(KernelEmitter &e) override;
  ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) override;
  bool hasOnlyFullSlots() const override;
  int64_t getBlockDepth(int64_t wanted) const override;
  void pack(KernelEmitter &e, const MicroKernel &kernel, mlir::ValueRange outer,
            mlir::Value slot, mlir::Value k, mlir::Value depth,
            mlir::Value panel, mlir::Value offset) override;

  /// The sums of `rows` rows of the input (from `rowOffsets` on in `input`, a
  /// flat f32 buffer) with the columns of the panel that starts at `slot`, row
  /// by row. Codes are multiplied as they are; scales and zero points come in
  /// once a block: s · (Σ x·q - z · Σ x), or s · Σ x·q - o · Σ x.
  llvm::SmallVector<mlir::Value>
  multiply(KernelEmitter &e, const MicroKernel &kernel, mlir::Value input,
           llvm::ArrayRef<mlir::Value> rowOffsets, mlir::Value slot);

  /// Of a block, for each vector of columns.
  struct BlockParameters {
    llvm::SmallVector<mlir::Value> scales, zeroPoints; // Null for 0.
    /// There are these, or zero points.
    llvm::SmallVector<mlir::Value> offsets;
  };
  BlockParameters loadParameters(KernelEmitter &e, int64_t vectors,
                                 mlir::Value slot, mlir::Value block);
  /// Scales and offsets that `load` gives, where there are these.
  using OffsetLoader = decltype(loadScaleAndOffset);
  BlockParameters loadOffsets(KernelEmitter &e, int64_t vectors,
                              mlir::Value slot, mlir::Value block,
                              OffsetLoader *load);
  /// Where the panel of `slot` has row 0 of `block`, if each block has `rows`,
  /// and the panel `panelRows`.
  mlir::Value getPanelOffset(KernelEmitter &e, mlir::Value slot,
                             mlir::Value block, int64_t rows,
                             int64_t panelRows);
  /// The same for words.
  mlir::Value getWordOffset(KernelEmitter &e, mlir::Value slot,
                            mlir::Value block);

private:
  mlir::Value lookUp(KernelEmitter &e, mlir::Value codes);
  mlir::Value emitCodes(KernelEmitter &e, mlir::Value words, int64_t index,
                        const LowBitLayout::Plane &plane);
  void forEachStep(KernelEmitter &e, int64_t size,
                   llvm::function_ref<void(mlir::Value, int64_t)> body);
  mlir::Value sumInput(KernelEmitter &e, mlir::Value input, mlir::Value start,
                       int64_t size);

  LowBitWeights weights;
  mlir::Value n;
  VectorUnit unit;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_LOWBIT_LOWBITCOLUMNS_H
