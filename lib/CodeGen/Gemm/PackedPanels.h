//===- PackedPanels.h - Panels of constant matrices -------------*- C++ -*-===//
//
// A packed panel is [k][column]. Elements for a dot product lie in groups along
// k: [k / g][column][k % g], followed by what the kernel wants to know of them.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_PACKEDPANELS_H
#define QUANTC_LIB_CODEGEN_GEMM_PACKEDPANELS_H

#include "ColumnSources.h"

namespace quantc {

/// What the words of packed weights need, see DotProduct::sumsPairs and
/// WordForms.
struct WordCount {
  int64_t words = 0, turnedWords = 0, wideWords = 0;
  int64_t panels = 0, provedPanels = 0;

  WordCount &operator+=(const WordCount &other);
};

/// One matrix of `n` columns: where its rows along k lie.
struct PanelSource {
  static constexpr int64_t kNoRow = -1;

  const char *data;
  unsigned width; // Bytes of an element.
  /// In elements, or kNoRow for a row of zeros.
  llvm::ArrayRef<int64_t> rowOffsets;
  int64_t n, columnStride;

  int64_t k() const { return rowOffsets.size(); }
  const char *at(int64_t row, int64_t column) const {
    return data + (rowOffsets[row] + column * columnStride) * width;
  }
};

/// Writes the panel that starts at column `first`, and returns its end.
char *packPanel(const PanelSource &source, int64_t first, int64_t columns,
                char *target);

/// Writes all panels of the matrix, one behind the other, and returns their
/// end.
char *packPanels(const PanelSource &source, int64_t columns, char *target);

/// Writes a panel in groups of bf16.
char *packFloatGroups(const PanelSource &source, int64_t first,
                      const MicroKernel &kernel, char *target);

/// The same in groups of bytes, followed by the sums of the columns and the
/// places of the words in a row, if the kernel wants them. Of a wide word, a
/// vector holds the first halves of all columns first.
char *packGroups(const PanelSource &source, int64_t first,
                 const MicroKernel &kernel, bool isFlipped, char *target);

/// The words of that panel, if their order is to be chosen.
WordCount countWords(const PanelSource &source, int64_t first,
                     const MicroKernel &kernel, bool isFlipped);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_PACKEDPANELS_H
