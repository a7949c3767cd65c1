//===- Rotation.cpp - Orthogonal matrices that mix channels ---------------===//

#include "quantc/Quantization/Rotation.h"

#include <Eigen/Core>
#include <Eigen/QR>

#include <cmath>
#include <random>

using namespace quantc;

using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// Signs of the same sequence on every machine.
static double nextSign(std::mt19937 &random) {
  return random() & 1 ? 1.0 : -1.0;
}

/// The orthogonal factor of a random matrix.
static Matrix makeOrthogonal(int64_t size, std::mt19937 &random) {
  Matrix m(size, size);
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j)
      m(i, j) = double(random()) / double(std::mt19937::max()) - 0.5;
  Eigen::HouseholderQR<Matrix> qr(m);
  return qr.householderQ();
}

std::vector<float> quantc::makeRotation(int64_t size, uint32_t seed) {
  std::mt19937 random(seed);
  int64_t power = size & -size, odd = size / power;
  Matrix rest = odd == 1 ? Matrix::Ones(1, 1) : makeOrthogonal(odd, random);
  std::vector<double> signs;
  for (int64_t i = 0; i < size; ++i)
    signs.push_back(nextSign(random));
  double factor = 1 / std::sqrt(double(power));
  std::vector<float> result(size * size);
  for (int64_t i = 0; i < size; ++i)
    for (int64_t j = 0; j < size; ++j) {
      // Sylvester's matrix: the parity of the bits that both indices have.
      bool isOdd = __builtin_parityll(uint64_t(i / odd) & uint64_t(j / odd));
      result[i * size + j] =
          float(signs[i] * (isOdd ? -factor : factor) * rest(i % odd, j % odd));
    }
  return result;
}

int64_t quantc::getRotationFactor(int64_t size) {
  int64_t power = size & -size, factor = 1;
  while (factor < power && factor * factor < size)
    factor *= 2;
  return factor;
}
