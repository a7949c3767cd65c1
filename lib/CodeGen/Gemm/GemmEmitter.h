//===- GemmEmitter.h - Blocked matrix products ------------------*- C++ -*-===//
//
// Emits C[o, m, n] = epilogue(sum over k of A[o, m, k] * B[o, k, n]) for any
// strides of A, with C contiguous along n, around a register-blocked
// micro-kernel that reads B in packed panels. Where the panels come from (a
// packed constant, a strided matrix, the windows of a convolution) is the
// business of a ColumnSource; the element types are in the micro-kernel.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_GEMMEMITTER_H
#define QUANTC_LIB_CODEGEN_GEMM_GEMMEMITTER_H

#include "CodeGen/Emitter/LoopGroups.h"
#include "CodeGen/Target/Target.h"

#include "mlir/Dialect/Linalg/IR/Linalg.h"

namespace quantc {

/// How an element of an operand becomes a factor: a chain of casts (and a
/// subtracted zero point) in the body of the op.
struct FactorExpression {
  mlir::Value result;
  /// What is loaded: an argument of the body, or what became of it before.
  mlir::Value element;
  /// What the expression reads beside the element, already loaded.
  llvm::SmallVector<std::pair<mlir::Value, mlir::Value>> scalars;
  /// What it reads that is not the same for all rows or columns.
  llvm::SmallVector<mlir::OpOperand *> parameters;
};

/// An operand of 8-bit elements, as a DotProduct takes it.
struct QuantizedFactor {
  bool isSigned = true;
  /// Whether sign bits are flipped, to get the other signedness: elements and
  /// zero points are both moved.
  bool isFlipped = false;
  /// The zero point as i32 (moved already), or null for 0.
  mlir::Value zeroPoint;
  /// Or one 8-bit zero point for each row of A or column of B.
  StridedMatrix zeroPoints;
  bool areZeroPointsSigned = true;

  int64_t getFlipOffset() const { return isSigned ? 128 : -128; }
  bool hasZeroPoint() const { return zeroPoint || zeroPoints.buffer; }
};

/// The factor that `loaded` gives, in the accumulator's type.
mlir::Value emitFactor(KernelEmitter &e, const MicroKernel &kernel,
                       const FactorExpression &factor, mlir::Value loaded,
                       int64_t lanes);

/// A run of `lanes` columns: its position in C's row, and how many exist.
struct ColumnSlot {
  mlir::Value offset, valid;
};

/// Columns of a slot that follow each other in C's row: lane 0 would be at
/// `offset`. All lanes outside of `mask` belong to other pieces, or to none; if
/// not `exists`, there are none.
struct ColumnPiece {
  mlir::Value offset, mask, exists;
};

/// The words along k, as an array with the last dimension fastest: how many
/// there are in each dimension (a constant in all but the first one), and how
/// far their vectors of columns are apart.
struct WordLoop {
  mlir::Value count, stride;
};
struct ColumnWords {
  mlir::Value buffer, offset;
  llvm::SmallVector<WordLoop> loops;
};

/// The right-hand side, as columns in slots of one vector each.
class ColumnSource {
public:
  virtual ~ColumnSource() = default;
  virtual mlir::Value getNumSlots(KernelEmitter &e) = 0;
  virtual ColumnSlot getSlot(KernelEmitter &e, mlir::Value slot) = 0;
  /// Whether each slot holds `lanes` columns, known at compile time.
  virtual bool hasOnlyFullSlots() const = 0;
  /// How many k a block of B may hold; a multiple of what pack can split.
  virtual int64_t getBlockDepth(int64_t wanted) const { return wanted; }
  /// Whether B was packed before, so that getPanel knows its panels.
  virtual bool isPacked() const { return false; }
  /// Whether packed panels hold factors (or words of them) as `pack` makes
  /// them; otherwise they hold elements.
  virtual bool isConverted() const { return false; }
  /// Where the panel that starts at `slot`, row `k` lies, if B is packed.
  virtual std::optional<std::pair<mlir::Value, mlir::Value>>
  getPanel(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot,
           mlir::Value k) {
    return std::nullopt;
  }
  /// Where the sums of the columns from `slot` on lie, if they are known.
  virtual std::optional<std::pair<mlir::Value, mlir::Value>>
  getColumnSums(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot) {
    return std::nullopt;
  }
  /// Where the order of the words in the panel at `slot` lies, if it has one.
  virtual std::optional<std::pair<mlir::Value, mlir::Value>>
  getOrder(KernelEmitter &e, mlir::ValueRange outer, mlir::Value slot) {
    return std::nullopt;
  }
  /// Writes the rows [k, k + depth) of the panel that starts at `slot` to
  /// `panel` from `offset` on, as accumulator elements, zero where no column
  /// is.
  virtual void pack(KernelEmitter &e, const MicroKernel &kernel,
                    mlir::ValueRange outer, mlir::Value slot, mlir::Value k,
                    mlir::Value depth, mlir::Value panel, mlir::Value offset) {}
  /// The rows of a panel if packWords makes them, as words in an order of their
  /// own, instead of pack.
  virtual std::optional<int64_t> getNumWords() const { return std::nullopt; }
  /// The panel that starts at `slot`, and the sums of its columns to `sums`
  /// from `sumsOffset` on, unless `sums` is null.
  virtual void packWords(KernelEmitter &e, mlir::ValueRange outer,
                         mlir::Value slot, mlir::Value panel,
                         mlir::Value offset, mlir::Value sums,
                         mlir::Value sumsOffset) {}
  /// Whether panels need not be made, since getWords knows where the words of
  /// the one at `slot`, elements [k, k + depth), lie. Then slots may hold
  /// columns that do not exist, and getPieces tells where C has the others.
  virtual bool isInPlace() const { return false; }
  virtual ColumnWords getWords(KernelEmitter &e, mlir::ValueRange outer,
                               mlir::Value slot, mlir::Value k,
                               mlir::Value depth) {
    return {};
  }
  virtual llvm::SmallVector<ColumnPiece> getPieces(KernelEmitter &e,
                                                   mlir::Value slot) {
    return {};
  }
  /// Before the first task, and after the last one.
  virtual void prepare(KernelEmitter &e, bool useThreads) {}
  virtual void release(KernelEmitter &e) {}
};

class RowPanels;

/// Rows of a left-hand side that lie in lines, as the positions of an image
/// with its channels innermost, of which each reads segments along k: lines of
/// a window.
struct RowLines {
  mlir::Value width;  // Rows of a line,
  mlir::Value stride; // and how far lines are apart.
  /// Steps along k of a segment, in whole words where rows are packed, and the
  /// elements among them that exist; and how far segments are apart.
  int64_t segment, elements;
  mlir::Value segmentStride;
};

struct GemmProblem {
  llvm::SmallVector<mlir::Value> outerSizes;
  mlir::Value m, n, k;
  StridedMatrix a, c;
  /// Of A, whose strides are those within a line and within a segment.
  std::optional<RowLines> lines;
  FactorExpression factorA, factorB;
  /// If the kernel works on words (its `dot`), the expressions are the elements
  /// of these: bytes, or floats that are rounded to bf16.
  QuantizedFactor quantizedA, quantizedB;
  /// A, if it was packed at compile time.
  std::shared_ptr<const RowPanels> rowPanels;
  /// Whether one row alone is a case for code of its own, if their number is
  /// not known: not of an image.
  bool oftenHasOneRow = true;
  /// Whether C's old value is added.
  bool accumulates = false;
  /// Elementwise op on C in registers before it is stored, or null: its inputs
  /// by operand number (null for the product), and its output.
  mlir::linalg::GenericOp epilogue;
  llvm::SmallVector<StridedMatrix> epilogueInputs;
  /// For tables in the epilogue, see ByteTable.
  TablePermutes permutes;
  StridedMatrix output;

  /// Where a row of A begins, and how far into it an element along k lies.
  mlir::Value getRowOffset(KernelEmitter &e, mlir::Value row) const;
  /// The same for `count` rows of lines that follow each other; those from the
  /// last one on repeat it.
  llvm::SmallVector<mlir::Value>
  getRowOffsets(KernelEmitter &e, mlir::Value row, int64_t count) const;
  mlir::Value getStepOffset(KernelEmitter &e, mlir::Value k) const;
  /// How many products a sum has.
  mlir::Value getNumProducts(KernelEmitter &e) const;
};

/// A vector of sums of a row of C, and its first column. Without a mask all of
/// its elements exist.
struct OutputVector {
  mlir::Value row, column, sum, mask;
};

/// What the epilogue makes of the sums of `outputs`, one behind the other, of
/// `lanes` each. `inputBases` are the offsets of its inputs.
mlir::Value emitEpilogue(KernelEmitter &e, const GemmProblem &problem,
                         llvm::ArrayRef<mlir::Value> inputBases,
                         llvm::ArrayRef<OutputVector> outputs, int64_t lanes);

/// Where the results for one index of the outer loops begin.
struct OutputBases {
  mlir::Value c, output;
  llvm::SmallVector<mlir::Value> inputs; // Of the epilogue.

  OutputBases() = default;
  OutputBases(KernelEmitter &e, const GemmProblem &problem,
              mlir::ValueRange outer);
};

/// The sum of two floats or integers, or of vectors of them.
mlir::Value emitSum(KernelEmitter &e, mlir::Value lhs, mlir::Value rhs);

mlir::Value emitMultiplyAdd(KernelEmitter &e, const MicroKernel &kernel,
                            mlir::Value a, mlir::Value b, mlir::Value sum);

/// How many vectors of sums become outputs at a time, if there are as many.
int64_t getOutputsAtOnce(const GemmProblem &problem, const MicroKernel &kernel);

/// Stores vectors of sums where they belong, through the epilogue.
void emitOutputs(KernelEmitter &e, const GemmProblem &problem,
                 const MicroKernel &kernel, const OutputBases &bases,
                 llvm::ArrayRef<OutputVector> outputs);

/// Returns the blocks that the product was cut into.
Blocking emitGemm(KernelEmitter &e, const GemmProblem &problem,
                  const MicroKernel &kernel, ColumnSource &columns,
                  bool useThreads);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_GEMMEMITTER_H
