//===- Gram.cpp - Products of a matrix with itself ------------------------===//
//
// Sums run over rows in their order, product by product, so that all vector
// lengths give the same bits (there is no fused multiplication here).
//
//===----------------------------------------------------------------------===//

#include "Gram.h"

#include "VectorClones.h"

#include <algorithm>
#include <cstring>
#include <vector>

/// Few enough rows for float32 to keep its digits.
static constexpr size_t kRows = 256;
/// A tile of the result stays in registers.
static constexpr size_t kTileRows = 4, kTileColumns = 32;

typedef float Vector __attribute__((vector_size(64)));
static constexpr size_t kLanes = sizeof(Vector) / sizeof(float);
static constexpr size_t kVectors = kTileColumns / kLanes;

/// gram[i][j] += Σ left[r][i] · right[r][j] for a tile, where rows of `left`
/// are `stride` apart, and those of `right` follow each other.
QUANTC_FOR_ALL_VECTORS
static void addTile(const float *left, const float *right, size_t numRows,
                    double *gram, size_t gramStride) {
#pragma clang fp contract(off)
  Vector sums[kTileRows][kVectors] = {};
  for (size_t r = 0; r < numRows; ++r) {
    Vector columns[kVectors];
    std::memcpy(columns, right + r * kTileColumns, sizeof(columns));
#pragma clang loop unroll(full)
    for (size_t i = 0; i < kTileRows; ++i)
#pragma clang loop unroll(full)
      for (size_t v = 0; v < kVectors; ++v)
        sums[i][v] += left[r * kTileRows + i] * columns[v];
  }
#pragma clang loop unroll(full)
  for (size_t i = 0; i < kTileRows; ++i)
#pragma clang loop unroll(full)
    for (size_t v = 0; v < kVectors; ++v)
      for (size_t j = 0; j < kLanes; ++j)
        gram[i * gramStride + v * kLanes + j] += sums[i][v][j];
}

/// Tiles of `width` columns of a row-major block, row after row, with zeros
/// behind the last column.
static void copyColumns(const float *block, size_t numRows, size_t numColumns,
                        size_t width, std::vector<float> &tiles) {
  for (size_t r = 0; r < numRows; ++r)
    for (size_t c = 0; c < numColumns; ++c)
      tiles[(c / width * kRows + r) * width + c % width] =
          block[r * numColumns + c];
}

void quantc::addGram(const float *x, size_t numRows, size_t numColumns,
                     double *gram) {
  size_t padded = (numColumns / kTileColumns + 1) * kTileColumns;
  std::vector<float> left(kRows * padded), right(kRows * padded);
  std::vector<double> tile(kTileRows * kTileColumns);
  for (size_t first = 0; first < numRows; first += kRows) {
    const float *block = x + first * numColumns;
    size_t count = std::min(kRows, numRows - first);
    copyColumns(block, count, numColumns, kTileRows, left);
    copyColumns(block, count, numColumns, kTileColumns, right);
    for (size_t j = 0; j < numColumns; j += kTileColumns)
      // The lower triangle, and what tiles have above it.
      for (size_t i = j / kTileRows * kTileRows; i < numColumns;
           i += kTileRows) {
        bool isWhole =
            i + kTileRows <= numColumns && j + kTileColumns <= numColumns;
        double *target = gram + i * numColumns + j;
        const float *rows = left.data() + i * kRows;
        const float *columns = right.data() + j * kRows;
        if (isWhole) {
          addTile(rows, columns, count, target, numColumns);
          continue;
        }
        std::fill(tile.begin(), tile.end(), 0.0);
        addTile(rows, columns, count, tile.data(), kTileColumns);
        for (size_t r = 0; r < std::min(kTileRows, numColumns - i); ++r)
          for (size_t c = 0; c < std::min(kTileColumns, numColumns - j); ++c)
            target[r * numColumns + c] += tile[r * kTileColumns + c];
      }
  }
  // The upper triangle, in squares that the first-level cache has room for.
  constexpr size_t square = 32;
  for (size_t i = 0; i < numColumns; i += square)
    for (size_t j = 0; j <= i; j += square)
      for (size_t r = i; r < std::min(i + square, numColumns); ++r)
        for (size_t c = j; c < std::min(j + square, r); ++c)
          gram[c * numColumns + r] = gram[r * numColumns + c];
}
