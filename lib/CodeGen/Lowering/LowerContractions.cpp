//===- LowerContractions.cpp - Contractions as blocked vector code --------===//

#include "quantc/CodeGen/Passes.h"

#include "CodeGen/Analysis/ProductRoots.h"
#include "CodeGen/Contractions/DepthwiseEmitter.h"
#include "CodeGen/Contractions/IntegerDepthwise.h"
#include "CodeGen/Contractions/PackWeights.h"
#include "CodeGen/Gemm/InPlaceSource.h"
#include "CodeGen/LowBit/LowBitWeights.h"

#include "mlir/Dialect/OpenMP/OpenMPDialect.h"
#include "mlir/IR/Remarks.h"
#include "llvm/Support/FormatVariadic.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERCONTRACTIONSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;

/// Most of k, and the share of words that may need wide products, for sums of
/// pairs of bytes to pay.
static constexpr int64_t kMaxPairDepth = 8192;
static constexpr double kMaxWideShare = 0.6;
/// Of the words of filters that may be multiplied in halves in any case: as
/// many bytes again are in the library.
static constexpr double kMaxSplitShare = 0.15;
/// Beyond that it must be a fourth faster than to widen all bytes.
static constexpr double kSplitGain = 0.75;
/// What it takes, in operations, to multiply a word of four bytes in pairs (in
/// halves, twice that) and one of two widened bytes, and to write such a word
/// into a panel of the image and to read it again (measured with AVX2).
static constexpr double kPairOps = 3, kWideOps = 2.2, kPanelOps = 8;

namespace {
/// What is known about sums of pairs of bytes in a product.
struct BytePairs {
  /// If the product is multiplied so: by weights on the right, or on the left.
  std::optional<WordCount> columns;
  std::optional<RowPanelCount> rows;
  StringRef whyNot;
};
} // namespace

/// Matches the product of `match` again, with bytes multiplied as `unit` says.
static MatchedProduct matchAgain(KernelEmitter &e, MatchedProduct &match,
                                 const VectorUnit &unit) {
  FailureOr<MatchedProduct> result = matchProduct(e, match.root, unit);
  assert(succeeded(result) && "it matched before");
  return std::move(*result);
}

/// How many elements of k a channel of the filters has, if the image of `match`
/// can be read in words of channels.
static std::optional<int64_t> matchWordTaps(const MatchedProduct &match) {
  if (match.matrixOperand || !match.words ||
      !WordSource::canRead(*match.words, match.numChannels,
                           KernelEmitter::asConstant(match.problem.m),
                           match.kernel))
    return std::nullopt;
  return match.words->getNumTaps();
}

/// Whether the image of `match` can be multiplied where it lies. Columns that
/// are no whole vectors are stored with masks, which bytes have in vectors of
/// 512 bits only; the halves of weights are multiplied by panels, and sums of
/// columns are added up while those are made.
static bool canStayInPlace(const MatchedProduct &match,
                           const VectorUnit &unit) {
  const DotProduct &dot = match.kernel.dot;
  if (unit.bits < (dot ? 512 : 256) || dot.sumsPairs ||
      (dot && (match.problem.quantizedA.hasZeroPoint() ||
               match.problem.quantizedB.zeroPoints.buffer)))
    return false;
  std::optional<int64_t> m = KernelEmitter::asConstant(match.problem.m);
  return InPlaceSource::pays(*match.words, match.numChannels, match.kernel,
                             m.value_or(ShapedType::kDynamic));
}

static void useWordSource(MatchedProduct &match, const VectorUnit &unit) {
  const GemmProblem &p = match.problem;
  bool isFlipped = p.quantizedB.isFlipped;
  if (canStayInPlace(match, unit))
    match.columns = std::make_unique<InPlaceSource>(
        *match.words, match.numChannels, isFlipped, p.outerSizes, match.kernel);
  else if (WordSource::pays(*match.words, match.numChannels, match.kernel)) {
    auto source = std::make_unique<WordSource>(
        *match.words, match.numChannels, isFlipped, p.outerSizes, match.kernel);
    if (p.rowPanels && p.rowPanels->ordersChannels())
      source->follow(p.rowPanels);
    match.columns = std::move(source);
  }
}

/// Packs filters that are constant, on the left-hand side of `match`, in the
/// order in which a kernel reads them, if they are floats or bytes that the
/// target multiplies as they are. Bytes are multiplied by words of the image.
static bool useRows(KernelEmitter &e, WeightPacker &packer,
                    MatchedProduct &match, const VectorUnit &unit) {
  const GemmProblem &p = match.problem;
  // A filter of one channel has loops of its own.
  if (match.matrixOperand || match.hasPlanes(e))
    return false;
  std::optional<int64_t> taps = matchWordTaps(match);
  if (const DotProduct &dot = match.kernel.dot) {
    std::optional<int64_t> k = e.asConstant(p.k);
    if (!taps || dot.sumsPairs || !k || *k > kMaxPairDepth)
      return false;
    // A single row does not pay for copies of the image.
  } else if (!match.kernel.accumulator.isF32() || e.isConstant(p.m, 1) ||
             p.factorA.result != p.factorA.element ||
             !p.factorA.result.getType().isF32()) {
    return false;
  }
  if (!packer.packRows(e, match, taps, /*mostSplit=*/1))
    return false;
  if (taps)
    useWordSource(match, unit);
  return true;
}

/// Multiplies constant weights on the right-hand side of `match` in pairs of
/// bytes, if so many of them can be proved not to saturate that it pays.
static BytePairs usePairsOfColumns(KernelEmitter &e, WeightPacker &packer,
                                   MatchedProduct &match, VectorUnit unit) {
  unit.hasWideWords = true;
  MatchedProduct pairs = matchAgain(e, match, unit);
  BytePairs result;
  result.columns = packer.countWords(e, pairs);
  if (!result.columns || !pairs.kernel.dot.sumsPairs)
    return {std::nullopt, std::nullopt, "no side is constant"};
  if (result.columns->turnedWords + result.columns->wideWords == 0) {
    unit.hasWideWords = false;
    match = matchAgain(e, match, unit);
    return result;
  }
  // Few rows read the weights once: what counts is their size.
  std::optional<int64_t> m = e.asConstant(pairs.problem.m);
  if (m && *m <= 2 * pairs.kernel.rows)
    return {std::nullopt, std::nullopt, "there are few rows"};
  if (*e.asConstant(pairs.problem.k) > kMaxPairDepth)
    return {std::nullopt, std::nullopt, "the sums are long"};
  if (result.columns->wideWords > kMaxWideShare * result.columns->words)
    return {std::nullopt, std::nullopt, "too many of the weights are large"};
  match = std::move(pairs);
  return result;
}

/// Up to which share of words in halves `m` filters of `k` elements are
/// multiplied in pairs: few filters have little use of the panels that widened
/// bytes need, where pairs read the image of `taps` elements a channel as it
/// lies.
static double getMostSplit(int64_t m, int64_t k, std::optional<int64_t> taps) {
  int64_t words =
      taps ? llvm::divideCeil(k / *taps, 4) * *taps : llvm::divideCeil(k, 4);
  double panel = taps ? 0 : kPanelOps * words;
  double widened = llvm::divideCeil(k, 2) * (kWideOps * m + kPanelOps);
  double share = (kSplitGain * widened - panel) / (kPairOps * words * m) - 1;
  return std::max(share, kMaxSplitShare);
}

/// The same for weights on the left-hand side, as filters are.
static BytePairs usePairsOfRows(KernelEmitter &e, WeightPacker &packer,
                                MatchedProduct &match, VectorUnit unit) {
  std::optional<int64_t> m = e.asConstant(match.problem.m);
  std::optional<int64_t> k = e.asConstant(match.problem.k);
  if (!m || !k || *k > kMaxPairDepth)
    return {std::nullopt, std::nullopt, "the sums are long"};
  unit.hasSignedRows = true;
  MatchedProduct pairs = matchAgain(e, match, unit);
  BytePairs result;
  std::optional<int64_t> taps = matchWordTaps(pairs);
  if (pairs.kernel.dot.sumsPairs)
    result.rows = packer.packRows(e, pairs, taps, getMostSplit(*m, *k, taps));
  if (!result.rows)
    return {std::nullopt, std::nullopt, "no side is constant"};
  if (!result.rows->isPacked)
    return {std::nullopt, std::nullopt, "too many of the weights are large"};
  match = std::move(pairs);
  if (taps)
    useWordSource(match, unit);
  return result;
}

static BytePairs usePairs(KernelEmitter &e, WeightPacker &packer,
                          MatchedProduct &match, VectorUnit unit) {
  unit.usesBytePairs = true;
  BytePairs result{std::nullopt, std::nullopt, "no side is constant"};
  if (match.matrixOperand)
    result = usePairsOfColumns(e, packer, match, unit);
  // A filter of one channel has loops of its own.
  if (result.columns || match.hasPlanes(e))
    return result;
  BytePairs rows = usePairsOfRows(e, packer, match, unit);
  return rows.rows || !match.matrixOperand ? rows : result;
}

/// What the file of choices calls a product: what its loops read and write.
static std::string describeProduct(linalg::LinalgOp root) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto print = [&](OpOperand &operand) {
    auto type = cast<MemRefType>(operand.get().getType());
    os << ' ';
    llvm::interleave(
        root.getMatchingIndexingMap(&operand).getResults(), os,
        [&](AffineExpr index) { os << index; }, ",");
    os << ':';
    for (int64_t size : type.getShape())
      os << (ShapedType::isDynamic(size) ? "?" : std::to_string(size)) << 'x';
    // Signs are in what the body does with bytes.
    bool isUnsigned =
        llvm::any_of(root.getMatchingBlockArgument(&operand).getUsers(),
                     [](Operation *user) { return isa<arith::ExtUIOp>(user); });
    os << (isUnsigned ? "u" : "") << type.getElementType();
  };
  os << root->getName().stripDialect();
  for (OpOperand *input : root.getDpsInputOperands())
    if (isa<MemRefType>(input->get().getType()))
      print(*input);
  os << " ->";
  print(*root.getDpsInitOperand(0));
  return text;
}

/// What is wrong with the choice of blocks for a product, if anything.
static std::string findProblem(const VectorUnit &unit,
                               const MicroKernel &kernel) {
  const Blocking &wished = unit.blocking;
  if (kernel.dot.usesTiles) {
    bool isPossible =
        (!wished.rows || wished.rows == 16 || wished.rows == 32) &&
        wished.vectors <= 2;
    return isPossible ? ""
                      : "products of tiles take 16 or 32 rows and 1 or 2 "
                        "vectors";
  }
  if ((!wished.rows && !wished.vectors) ||
      kernel.rows * kernel.vectors <= unit.numRegisters)
    return "";
  return llvm::formatv("{0} x {1} sums do not fit into {2} registers",
                       kernel.rows, kernel.vectors, unit.numRegisters);
}

static void say(MatchedProduct &match, StringRef name, std::string text) {
  remark::analysis(match.root.getLoc(), remark::RemarkOpts::name(name).category(
                                            "lower-contractions"))
      << text;
}

static void remarkOn(MatchedProduct &match, StringRef name,
                     const BytePairs &pairs, bool hasBytePairs) {
  if (pairs.columns)
    say(match, "BytePairs",
        llvm::formatv("sums of two products in 16 bits could saturate: {0} "
                      "of {1} panels of weights are proved not to, of {2} "
                      "words {3} are turned and {4} are widened",
                      pairs.columns->provedPanels, pairs.columns->panels,
                      pairs.columns->words, pairs.columns->turnedWords,
                      pairs.columns->wideWords));
  else if (pairs.rows)
    say(match, "BytePairs",
        llvm::formatv("sums of two products in 16 bits could saturate: {0} "
                      "of {1} words of weights are multiplied in halves",
                      pairs.rows->splitWords, pairs.rows->words));
  else if (hasBytePairs && match.kernel.dot.takesDifferences())
    say(match, "BytePairs",
        llvm::formatv("sums of two products in 16 bits could saturate: all "
                      "bytes are widened, as {0}",
                      pairs.whyNot));
  say(match, "Kernel",
      llvm::formatv("multiplies {0} in blocks of {1} x {2}: {3}",
                    match.depthwise ? StringRef("channel by channel")
                                    : match.kernel.dot.describe(),
                    match.kernel.rows, match.kernel.columns(), name));
}

namespace {
struct LowerContractionsPass
    : public quantc::impl::LowerContractionsPassBase<LowerContractionsPass> {
  using LowerContractionsPassBase::LowerContractionsPassBase;

  void runOnOperation() override {
    if (!kernels.empty()) {
      llvm::Expected<KernelChoices> loaded = KernelChoices::load(kernels);
      if (!loaded) {
        emitError(UnknownLoc::get(&getContext()),
                  llvm::toString(loaded.takeError()));
        return signalPassFailure();
      }
      choices = std::move(*loaded);
    }
    DeferredConstants *deferred =
        deferWeights ? DeferredConstants::find(&getContext()) : nullptr;
    if (deferWeights && !deferred) {
      emitError(UnknownLoc::get(&getContext()),
                "the context's kernel dialect cannot keep weights that are "
                "packed later");
      return signalPassFailure();
    }
    VectorUnit unit = VectorUnit::fromFeatures(targetFeatures);
    WeightPacker packer(getOperation(), releaseWeights, deferred);
    SmallVector<linalg::LinalgOp> roots;
    getOperation().walk([&](linalg::LinalgOp op) {
      if (isProductRoot(op))
        roots.push_back(op);
    });
    for (linalg::LinalgOp root : roots) {
      OpBuilder builder(root);
      KernelEmitter emitter(builder, root.getLoc());
      if (emitLowBitProduct(emitter, packer, root, unit, threads)) {
        ++numContractions;
        ++numPackedWeights;
      } else if (failed(lower(emitter, packer, root, unit))) {
        return signalPassFailure();
      }
    }
    if (record)
      recordProducts(getOperation(), products);
  }

  LogicalResult lower(KernelEmitter &emitter, WeightPacker &packer,
                      linalg::LinalgOp root, VectorUnit unit) {
    std::string name = describeProduct(root);
    const Blocking *chosen = choices.find(describeTarget(targetFeatures), name);
    if (chosen)
      unit.blocking = *chosen;
    FailureOr<MatchedProduct> match = matchProduct(emitter, root, unit);
    if (failed(match)) {
      ++numUnmatched;
      return success();
    }
    if (std::string problem = findProblem(unit, match->kernel);
        !problem.empty())
      return root.emitError(kernels + ": '" + name + "': " + problem);
    BytePairs pairs;
    bool hasRows = useRows(emitter, packer, *match, unit);
    if (unit.hasBytePairs && match->kernel.dot.takesDifferences())
      pairs = usePairs(emitter, packer, *match, unit);
    if (pairs.columns) {
      numProvedPanels += pairs.columns->provedPanels;
      numMixedPanels += pairs.columns->panels - pairs.columns->provedPanels;
    }
    bool isPacked = packer.pack(emitter, *match);
    // Filters that must be packed are not constant.
    if (!match->columns) {
      ++numUnmatched;
      return success();
    }
    if (linalg::isaConvolutionOpInterface(root))
      ++numConvolutions;
    else
      ++numContractions;
    numPackedWeights += isPacked || pairs.rows || hasRows;
    remarkOn(*match, name, pairs, unit.hasBytePairs);
    // Only kernels run on several threads: nothing calls them in parallel.
    if (match->depthwise) {
      emitDepthwise(emitter, match->problem, match->kernel, *match->depthwise,
                    threads);
    } else if (!emitIntegerDepthwise(emitter, *match, threads)) {
      if (match->paddedRows)
        match->paddedRows->prepare(emitter, match->problem, unit.bits, threads);
      Blocking blocking = emitGemm(emitter, match->problem, match->kernel,
                                   *match->columns, threads);
      if (match->paddedRows)
        match->paddedRows->release(emitter);
      // The file may also say that the cost model's are the best.
      if (!(unit.blocking == Blocking())) {
        ++numChosen;
        say(*match, "KernelChoice",
            "takes the blocks of a file: " + blocking.describe());
      }
      products.push_back(describe(*match, name, blocking, unit));
    }
    for (Operation *op : match->absorbed)
      op->erase();
    return success();
  }

  /// For those who look for better blocks.
  static ProductKernel describe(const MatchedProduct &match, StringRef name,
                                const Blocking &blocking,
                                const VectorUnit &unit) {
    auto toStatic = [](Value size) {
      return KernelEmitter::asConstant(size).value_or(-1);
    };
    ProductKernel product;
    linalg::LinalgOp root = match.root;
    product.function = root->getParentOfType<func::FuncOp>().getName();
    product.kernel = name;
    product.blocking = blocking;
    product.m = toStatic(match.problem.m);
    product.n = toStatic(match.problem.n);
    product.k = toStatic(match.problem.k);
    product.lanes = match.kernel.lanes;
    product.registers = MicroKernel::countRegisters(unit, match.kernel.dot);
    return product;
  }

private:
  KernelChoices choices;
  std::vector<ProductKernel> products;
};
} // namespace
