//===- ProductCosts.cpp - What products take on a target ------------------===//
//
// Numbers were measured on one thread of a processor with AVX-512 and VNNI,
// for all that it can run (test/bench/integer.py --target), and are carried
// over to others by the instructions that the kernels consist of. They need to
// be right within a fourth or so: only clear differences decide.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/ProductCosts.h"

#include "Target.h"

using namespace mlir;
using namespace quantc;

/// Cycles for the words of one vector register, `instruction` being what an
/// arithmetic instruction takes.
static double getWordCost(const DotProduct &dot, double instruction) {
  if (dot.elementBits == 8)
    // One instruction, and its operands take more loads than a float's; pairs
    // take three.
    return (dot.sumsPairs ? 3.6 : 1.7) * instruction;
  // Where there are no products of bytes, registers are narrow and bytes are
  // widened in several steps.
  return (dot ? 6.7 : 2.6) * instruction;
}

ProductCosts quantc::getProductCosts(StringRef features) {
  VectorUnit unit = VectorUnit::fromFeatures(features);
  // How quantized weights are.
  unit.usesBytePairs = unit.hasBytePairs;
  DotProduct dot =
      DotProduct::choose(unit, /*isLhsSigned=*/false,
                         /*isRhsSigned=*/true, ShapedType::kDynamic);
  double lanes = unit.bits / 32;
  // Two a cycle at best, of which 512 bits take more.
  double instruction = unit.bits == 512 ? 0.87 : 0.74;

  ProductCosts costs;
  costs.real = {(unit.hasFMA ? 1 : 2) * instruction / lanes, 0.45};
  costs.integer = {getWordCost(dot, instruction) / (lanes * dot.group), 0.6};
  if (dot.usesTiles)
    costs.integer.product = 1.0 / 400;

  // Taps of a depthwise convolution are pairs of 16-bit elements; whole
  // registers of sums are brought to bytes afterwards, which floats do without.
  double tap = unit.bits == 512 ? 3.6 : unit.hasFMA ? 1.2 : 1.75;
  costs.depthwiseReal = {tap / lanes, 0};
  if (unit.hasBytePairs)
    costs.depthwiseInteger = unit.bits == 512   ? ProductCosts::Rate{1.6, 8}
                             : unit.bits == 256 ? ProductCosts::Rate{0.93, 7.2}
                                                : ProductCosts::Rate{0.84, 11};
  else
    costs.depthwiseInteger = {3.2, 40};
  costs.depthwiseInteger.product /= lanes;
  costs.depthwiseInteger.result /= lanes;

  // Copies of single elements, which bytes then become words of: on AVX2.
  costs.packedReal = {0.7, costs.real.result};
  costs.packedInteger = {1.5, costs.integer.result};

  costs.quantize = 0.5;
  costs.fusedQuantize = 0.2;
  costs.findScale = 0.5;
  costs.dequantize = 0.5;
  costs.passFloat = 0.6;
  costs.weightByte = 0.2;
  return costs;
}
