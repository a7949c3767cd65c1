//===- Target.cpp - Micro-kernel shapes from target features --------------===//

#include "Target.h"

#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace quantc;

VectorUnit VectorUnit::fromFeatures(StringRef features) {
  llvm::StringSet<> enabled;
  SmallVector<StringRef> parts;
  features.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (StringRef part : parts) {
    part = part.trim();
    if (part.consume_front("+"))
      enabled.insert(part);
    else if (part.consume_front("-"))
      enabled.erase(part);
  }
  VectorUnit unit;
  if (enabled.contains("avx512f")) {
    unit.bits = 512;
    unit.numRegisters = 32;
    unit.hasFMA = true;
  } else if (enabled.contains("avx2")) {
    unit.bits = 256;
    unit.hasFMA = enabled.contains("fma");
  } else if (enabled.contains("neon")) {
    unit.numRegisters = 32;
    unit.hasFMA = true;
  }
  unit.convertsNearest = enabled.contains("sse2");
  unit.narrowsSaturating = unit.bits == 256;
  // Wide registers need the extension for bytes and words.
  unit.hasWordPairs = unit.bits == 512 ? enabled.contains("avx512bw")
                                       : enabled.contains("sse2");
  unit.hasVNNI = unit.bits == 512   ? enabled.contains("avx512vnni")
                 : unit.bits == 256 ? enabled.contains("avxvnni")
                                    : false;
  unit.hasBytePairs =
      unit.hasWordPairs && (unit.bits > 128 || enabled.contains("ssse3"));
  unit.hasTiles = unit.hasVNNI && enabled.contains("amx-int8");
  // Operands are packed by vectors, also those of tiles.
  unit.hasFloatPairs = unit.bits == 512 && enabled.contains("avx512bf16");
  unit.hasFloatTiles = unit.hasFloatPairs && enabled.contains("amx-bf16");
  if (unit.hasBytePairs)
    unit.permutes.shuffledBytes = unit.bits / 8;
  unit.permutes.words = unit.bits == 512;
  unit.permutes.bytes = unit.bits == 512 && enabled.contains("avx512vbmi");
  unit.hasDotProd = enabled.contains("dotprod");
  unit.hasMixedDotProd = enabled.contains("i8mm");
  return unit;
}

/// Vectors of columns where each row more costs time.
static constexpr int64_t kWideVectors = 4;

/// Vectors of columns at once where there are registers for any: with more of
/// them fewer elements are broadcast, which the time of each here (measured on
/// a processor with AVX-512, relative to two) tells, but more may be in vain in
/// the last panel.
static int64_t chooseVectors(int64_t n, int64_t lanes) {
  static constexpr std::pair<int64_t, double> times[] = {
      {3, 0.91}, {2, 1.0}, {4, 0.94}};
  if (ShapedType::isDynamic(n))
    return times[0].first;
  int64_t slots = llvm::divideCeil(n, lanes), best = 0;
  double bestTime = std::numeric_limits<double>::max();
  for (auto [vectors, time] : times)
    if (double all = time * llvm::alignTo(slots, vectors); all < bestTime) {
      best = vectors;
      bestTime = all;
    }
  return best;
}

/// `most` rows at once, or a few less, so that the last block lacks few of `m`:
/// more rows read the panel less often, so that a little is not worth it.
static int64_t balanceRows(int64_t m, int64_t most) {
  int64_t best = most;
  for (int64_t rows = most; !ShapedType::isDynamic(m) && rows > most * 3 / 4;
       --rows)
    if (llvm::alignTo(m, rows) * 65 < llvm::alignTo(m, best) * 64)
      best = rows;
  return best;
}

Type MicroKernel::getWordType() const {
  return dot ? IntegerType::get(accumulator.getContext(), 32) : accumulator;
}

int64_t MicroKernel::countRegisters(const VectorUnit &unit,
                                    const DotProduct &dot) {
  if (dot.usesTiles)
    return 0;
  // All but four registers accumulate: two hold the panel's vectors, one the
  // broadcast element of the left-hand side, one is spare. Sums of pairs take
  // one more register, and words of two forms another.
  return unit.numRegisters - 4 - (dot.sumsPairs ? 2 : 0);
}

static MicroKernel chooseShape(const VectorUnit &unit, Type accumulator,
                               int64_t m, int64_t n, const DotProduct &dot) {
  MicroKernel kernel;
  kernel.dot = dot;
  kernel.accumulator = accumulator;
  kernel.useFMA = unit.hasFMA && isa<FloatType>(accumulator);
  kernel.lanes =
      std::max<int64_t>(1, unit.bits / accumulator.getIntOrFloatBitWidth());
  bool isNarrow = !ShapedType::isDynamic(n) && n <= kernel.lanes;
  if (dot.usesTiles) {
    // Two by two tiles of sums need each tile of the operands twice.
    kernel.vectors = isNarrow ? 1 : 2;
    kernel.rows = !ShapedType::isDynamic(m) && m <= 16 ? 16 : 32;
    return kernel;
  }
  int64_t accumulators = MicroKernel::countRegisters(unit, dot);
  kernel.vectors = isNarrow ? 1 : 2;
  kernel.rows = accumulators / kernel.vectors;
  // The fewer weights share a word, the fewer words are there in halves.
  bool isWide = ShapedType::isDynamic(n) || n > kernel.columns();
  if (isWide && dot.sumsPairs && dot.isLhsSigned && unit.sharesFewWeights()) {
    kernel.vectors = kWideVectors;
    kernel.rows = (accumulators + 2 - kernel.vectors) / kernel.vectors;
  }
  if (!isNarrow && unit.numRegisters == 32 &&
      (ShapedType::isDynamic(m) || m >= kernel.rows)) {
    kernel.vectors = chooseVectors(n, kernel.lanes);
    // One more vector of the panel takes the place of a sum.
    kernel.rows =
        balanceRows(m, (accumulators + 2 - kernel.vectors) / kernel.vectors);
  }
  if (ShapedType::isDynamic(m))
    return kernel;
  if (m >= kernel.rows) {
    // As many blocks, of which the last one has hardly fewer rows: few sums
    // wait for each other's latency.
    kernel.rows = llvm::divideCeil(m, llvm::divideCeil(m, kernel.rows));
    return kernel;
  }
  kernel.rows = std::max<int64_t>(1, m);
  // Few rows leave registers for more columns: enough chains of FMAs to hide
  // their latency, and long reads of the right-hand side. Columns that do not
  // exist would be packed and read as well.
  while (isWide && kernel.rows * kernel.vectors * 2 <= accumulators &&
         kernel.vectors < 8) {
    kernel.vectors *= 2;
    isWide = ShapedType::isDynamic(n) || n > kernel.columns();
  }
  return kernel;
}

MicroKernel MicroKernel::choose(const VectorUnit &unit, Type accumulator,
                                int64_t m, int64_t n, const DotProduct &dot) {
  MicroKernel kernel = chooseShape(unit, accumulator, m, n, dot);
  kernel.blocking = unit.blocking;
  if (unit.blocking.rows)
    kernel.rows = unit.blocking.rows;
  if (unit.blocking.vectors)
    kernel.vectors = unit.blocking.vectors;
  return kernel;
}
