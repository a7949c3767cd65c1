//===- Gram.cpp - Products of a matrix with itself ------------------------===//

#include "Gram.h"

#include <Eigen/Core>

using Matrix =
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

void quantc::addGram(const float *x, size_t numRows, size_t numColumns,
                     double *gram) {
  // Few enough rows for float32 to keep its digits.
  constexpr size_t blockRows = 256;
  Matrix product(numColumns, numColumns);
  for (size_t row = 0; row < numRows; row += blockRows) {
    Eigen::Map<const Matrix> block(
        x + row * numColumns, std::min(blockRows, numRows - row), numColumns);
    product.setZero();
    product.selfadjointView<Eigen::Lower>().rankUpdate(block.transpose());
    for (size_t i = 0; i < numColumns; ++i)
      for (size_t j = 0; j <= i; ++j) {
        gram[i * numColumns + j] += product(i, j);
        if (i != j)
          gram[j * numColumns + i] += product(i, j);
      }
  }
}
