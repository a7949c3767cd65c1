//===- GemmBlocking.cpp - How a product is cut into blocks ----------------===//

#include "GemmBlocking.h"

#include "WordForms.h"

#include <algorithm>
#include <limits>

using namespace mlir;
using namespace quantc;

/// Depth of a block of B: a panel of it fits half of a first-level cache.
static constexpr int64_t kBlockDepth = 256;
/// The same for panels of words, whatever their width.
static constexpr int64_t kPanelBytes = 16384;
/// Depth, in words, up to which the few rows that read B once are not split.
static constexpr int64_t kStreamedDepth = 8192;
/// Of the rows of A that a task packs: they fit half of a second-level cache.
static constexpr int64_t kPackedBytes = 192 * 1024;
/// Of the panels that a task packs before it sweeps over them: the same.
static constexpr int64_t kSweptBytes = 256 * 1024;
/// Up to here a product is not split along k.
static constexpr int64_t kMaxUnsplitDepth = 512;
static constexpr int64_t kBlockRows = 144;
static constexpr int64_t kBlockColumns = 128;
/// Where rows are packed in several forms: the same, blocks that a few threads
/// share well, and blocks of rows where their number is not known.
static constexpr int64_t kFormedColumns = 512;
static constexpr int64_t kFormedBlocks = 12, kUsualRowBlocks = 3;
/// Elements of a buffer that a file's choice may ask for at most, since buffers
/// lie on the stack.
static constexpr int64_t kMaxElements = 64 * 1024;
/// The last panel gets its own code if it would waste a vector of this many.
static constexpr int64_t kLeastWaste = 24;
/// Blocks that a few threads share well.
static constexpr int64_t kEnoughBlocks = 4;
/// Rows for which it is little to pack a panel: fewer threads write to the same
/// lines of the cache where each has rows of its own.
static constexpr int64_t kManyRows = 256;
/// Blocks whose sizes do not matter to threads any more.
static constexpr int64_t kManyBlocks = 256;
/// What one of two threads may do more than its half.
static constexpr double kBalanced = 1.04;

/// How many of `k` products, in multiples of `unit`, are summed before the next
/// block of B: if possible so that all blocks are equally deep, and no loop
/// needs a remainder.
static int64_t chooseDepth(std::optional<int64_t> k, int64_t unit,
                           int64_t depth) {
  int64_t most = std::max<int64_t>(1, depth / unit);
  if (!k)
    return most * unit;
  int64_t units = llvm::divideCeil(*k, unit);
  for (int64_t count = most + most / 4; count > most / 2; --count)
    if (units % count == 0)
      return count * unit;
  return most * unit;
}

/// The same where rows of A have segments: some of them, or a part of one.
static int64_t chooseSegments(const RowLines &lines, int64_t unit,
                              int64_t depth) {
  if (lines.segment <= depth)
    return depth / lines.segment * lines.segment;
  int64_t part = chooseDepth(lines.segment, unit, depth);
  return lines.segment % part == 0 ? part : lines.segment;
}

/// Over how many panels, `depth` elements deep, a task sweeps with each of its
/// rows, all packed before; 0 if it should not. Panel by panel, a task would
/// write a few columns of each row of C, and where rows are far from each
/// other, no prefetcher follows. Weights that were packed at compile time come
/// from memory, so that all of them should be read before.
static int64_t chooseSweptPanels(const GemmProblem &p,
                                 const MicroKernel &kernel,
                                 const ColumnSource &columns,
                                 std::optional<int64_t> depth,
                                 std::optional<int64_t> numPanels) {
  if (columns.isInPlace() || !depth || *depth == 0)
    return 0;
  if (columns.isPacked() && (kernel.dot || !numPanels))
    return 0;
  int64_t count = *depth;
  if (kernel.dot) {
    // Where the left-hand side is packed, too, words are not split along k.
    if (!p.rowPanels || kernel.dot.usesTiles)
      return 0;
    count = columns.getNumWords().value_or(
        llvm::divideCeil(*depth, kernel.dot.group));
  }
  int64_t bytes = kernel.accumulator.getIntOrFloatBitWidth() / 8;
  int64_t panels = kSweptBytes / (bytes * count * kernel.columns());
  if (panels < 2 || (columns.isPacked() && *numPanels > panels))
    return 0;
  return panels;
}

/// The vectors that the last panel has to compute, if doing so by code of its
/// own saves much of the work; else 0.
static int64_t chooseLastVectors(const MicroKernel &kernel,
                                 const ColumnSource &columns,
                                 std::optional<int64_t> slots) {
  if (!slots || columns.isPacked() || kernel.dot.usesTiles)
    return 0;
  int64_t rest = *slots % kernel.vectors;
  int64_t wasted = rest ? kernel.vectors - rest : 0;
  return wasted * kLeastWaste > *slots ? rest : 0;
}

/// What the busiest of two threads does, over what each would if all were
/// equal, where tasks compute `blockSlots` of `numSlots` for each of
/// `rowBlocks`, and threads take them in order.
static double getImbalance(int64_t numSlots, int64_t blockSlots,
                           int64_t rowBlocks) {
  // So many are balanced however large the last ones are.
  if (rowBlocks * llvm::divideCeil(numSlots, blockSlots) > kManyBlocks)
    return 1;
  int64_t loads[2] = {0, 0};
  for (int64_t i = 0; i < rowBlocks; ++i)
    for (int64_t slot = 0; slot < numSlots; slot += blockSlots)
      *std::min_element(loads, std::end(loads)) +=
          std::min(blockSlots, numSlots - slot);
  return 2.0 * std::max(loads[0], loads[1]) / (loads[0] + loads[1]);
}

/// At most `most` panels of a task, so that two threads have about as much to
/// do.
static int64_t balancePanels(int64_t numSlots, int64_t vectors, int64_t most,
                             int64_t rowBlocks) {
  int64_t best = most;
  double least = std::numeric_limits<double>::max();
  for (int64_t panels = most; panels >= 1 && least > kBalanced; --panels)
    if (double imbalance = getImbalance(numSlots, panels * vectors, rowBlocks);
        imbalance < least) {
      best = panels;
      least = imbalance;
    }
  return best;
}

namespace {
/// Chooses the blocks of one product: first how many panels a task has, then
/// how many rows, then how deep its steps are.
class BlockingChooser {
public:
  BlockingChooser(KernelEmitter &e, const GemmProblem &problem,
                  const MicroKernel &kernel, ColumnSource &columns)
      : p(problem), kernel(kernel), columns(columns), m(e.asConstant(p.m)),
        k(e.asConstant(p.k)), numSlots(e.asConstant(columns.getNumSlots(e))) {
    if (numSlots)
      numPanels = llvm::divideCeil(*numSlots, kernel.vectors);
  }

  GemmBlocking choose();

private:
  void choosePanels();
  void shareColumns();
  void chooseRows();
  int64_t getMostRows() const;
  int64_t shareRows(int64_t mostRows);
  int64_t chooseFormedRows(int64_t rows);
  void chooseSteps();
  int64_t getWantedDepth() const;

  const GemmProblem &p;
  const MicroKernel &kernel;
  const Blocking &wished = kernel.blocking;
  ColumnSource &columns;
  std::optional<int64_t> m, k, numSlots, numPanels;
  GemmBlocking result;
};
} // namespace

void BlockingChooser::choosePanels() {
  int64_t mostColumns =
      wished.blockColumns
          ? std::min(wished.blockColumns, kMaxElements / kBlockRows)
          : kBlockColumns;
  result.panels = std::max<int64_t>(1, mostColumns / kernel.columns());
  int64_t swept = chooseSweptPanels(p, kernel, columns, k, numPanels);
  // Panels that are swept have the whole depth.
  if (swept && (!wished.depth || wished.depth >= *k)) {
    result.sweepsRows = true;
    if (!wished.blockColumns || result.panels > 2 * swept)
      result.panels = swept;
  }
  if (numPanels)
    shareColumns();
}

/// Leaves several blocks of columns, where those of rows are few.
void BlockingChooser::shareColumns() {
  result.panels = std::min(result.panels, std::max<int64_t>(*numPanels, 1));
  // Images of an unknown size are large where it takes time.
  bool hasManyRows = m ? *m > kEnoughBlocks * kBlockRows : !p.oftenHasOneRow;
  bool hasEnoughRows = columns.isPacked() && result.sweepsRows && hasManyRows;
  if (!wished.blockColumns && !hasEnoughRows)
    result.panels = std::min(
        result.panels,
        std::max<int64_t>(2, llvm::divideCeil(*numPanels, kEnoughBlocks)));
}

int64_t BlockingChooser::getMostRows() const {
  if (!wished.blockRows)
    return kBlockRows;
  int64_t most = kMaxElements / (result.panels * kernel.columns());
  return std::min(wished.blockRows, std::max<int64_t>(kernel.rows, most));
}

/// Blocks of rows of about the same size, and panels that share them well.
int64_t BlockingChooser::shareRows(int64_t mostRows) {
  int64_t rows = std::max<int64_t>(*m, 1);
  int64_t rowBlocks = llvm::divideCeil(rows, mostRows);
  // Each of them packs its panels again.
  if (result.sweepsRows && !columns.isPacked() && !wished.blockRows) {
    int64_t columnBlocks =
        numPanels ? llvm::divideCeil(*numPanels, result.panels) : 1;
    rowBlocks = std::min(
        rowBlocks,
        std::max<int64_t>(llvm::divideCeil(kEnoughBlocks, columnBlocks),
                          std::min(kEnoughBlocks, rows / kManyRows)));
  }
  // Columns that are packed already come with rows that are to be packed.
  if (numSlots && *numSlots > 0 && !columns.isPacked() && !wished.blockColumns)
    result.panels =
        balancePanels(*numSlots, kernel.vectors, result.panels, rowBlocks);
  return llvm::divideCeil(rows, rowBlocks);
}

/// At most `rows`, where words of rows are packed in several forms.
int64_t BlockingChooser::chooseFormedRows(int64_t rows) {
  WordForms forms(llvm::divideCeil(*k, kernel.dot.group), kernel.lanes);
  rows = std::min(kPackedBytes / (4 * forms.size()), rows);
  rows = std::max(rows, kernel.rows);
  if (m) {
    int64_t all = std::max<int64_t>(*m, 1);
    rows = llvm::divideCeil(all, llvm::divideCeil(all, rows));
  }
  // Each column block packs the rows again, in all of their forms.
  if (numPanels && !wished.blockColumns) {
    int64_t rowBlocks = m ? llvm::divideCeil(*m, rows) : kUsualRowBlocks;
    int64_t blocks =
        llvm::divideCeil(kFormedBlocks, std::max<int64_t>(1, rowBlocks));
    result.panels = std::clamp<int64_t>(llvm::divideCeil(*numPanels, blocks), 1,
                                        kFormedColumns / kernel.columns());
  }
  return rows;
}

void BlockingChooser::chooseRows() {
  int64_t rows = getMostRows();
  if (m)
    rows = shareRows(rows);
  if (kernel.dot.hasWideWords)
    rows = chooseFormedRows(rows);
  result.rows = llvm::alignTo(rows, kernel.rows);
}

/// The depth of a step where a product is deeper than one.
int64_t BlockingChooser::getWantedDepth() const {
  int64_t group = kernel.dot.group;
  if (wished.depth)
    return std::min(
        wished.depth,
        group * kMaxElements /
            std::max(result.rows, result.panels * kernel.columns()));
  if (kernel.dot)
    return group * (result.readsPackedOnce
                        ? kStreamedDepth
                        : kPanelBytes / (4 * kernel.columns()));
  return kBlockDepth;
}

void BlockingChooser::chooseSteps() {
  bool hasOneStep = result.sweepsRows || kernel.dot.hasWideWords ||
                    (kernel.dot && p.rowPanels);
  int64_t wanted = hasOneStep ? *k : getWantedDepth();
  bool isDefault = !hasOneStep && !wished.depth && !kernel.dot;
  int64_t maxUnsplit = isDefault ? kMaxUnsplitDepth : wanted;
  int64_t group = kernel.dot.group;
  if (k && *k <= maxUnsplit)
    result.depth = std::max<int64_t>(1, *k);
  else if (p.lines)
    result.depth = chooseSegments(*p.lines, group, wanted);
  else
    result.depth =
        chooseDepth(k, std::max(columns.getBlockDepth(1), group), wanted);
  result.splitsDepth = !k || *k > result.depth;
}

GemmBlocking BlockingChooser::choose() {
  result.readsPackedOnce = columns.isPacked() && m && *m <= 2 * kernel.rows;
  choosePanels();
  chooseRows();
  chooseSteps();
  result.lastVectors = chooseLastVectors(kernel, columns, numSlots);
  return result;
}

GemmBlocking GemmBlocking::choose(KernelEmitter &e, const GemmProblem &problem,
                                  const MicroKernel &kernel,
                                  ColumnSource &columns) {
  return BlockingChooser(e, problem, kernel, columns).choose();
}
