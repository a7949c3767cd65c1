//===- ProductCosts.h - What products take on a target ----------*- C++ -*-===//
#ifndef QUANTC_SUPPORT_PRODUCTCOSTS_H
#define QUANTC_SUPPORT_PRODUCTCOSTS_H

namespace quantc {

/// What single elements of layers take on a target, in processor cycles of one
/// thread. Code generation knows it (quantc/CodeGen/ProductCosts.h), and
/// quantization weighs floats against 8-bit integers by it.
struct ProductCosts {
  struct Rate {
    /// For each product, and for each element of the result.
    double product = 0, result = 0;
  };
  /// Matrix products and convolutions.
  Rate real, integer;
  /// Convolutions of one channel by one filter.
  Rate depthwiseReal, depthwiseInteger;
  /// The same in more dimensions than those have loops for: each window is
  /// copied to a panel for its one filter.
  Rate packedReal, packedInteger;
  /// For each element that becomes an integer in a loop of its own, or behind
  /// the op that computes it.
  double quantize = 0, fusedQuantize = 0;
  /// For each element whose scale must be found first.
  double findScale = 0;
  /// For each element that becomes a float again.
  double dequantize = 0;
  /// For each element that a layer of integers writes as a float, and not as a
  /// byte, for one in float.
  double passFloat = 0;
  /// For each byte of weights, which come from memory.
  double weightByte = 0;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_PRODUCTCOSTS_H
