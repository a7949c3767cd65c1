//===- BytePlanes.h - Planes of depthwise convolutions of bytes -*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_CONTRACTIONS_BYTEPLANES_H
#define QUANTC_LIB_CODEGEN_CONTRACTIONS_BYTEPLANES_H

#include "ContractionAnalysis.h"

#include "CodeGen/Gemm/WordPanels.h"

namespace quantc {

/// What the emitters of depthwise convolutions of bytes share. A channel's
/// plane is widened to 16 bits, less its zero point, with zeros around it;
/// products are those of words, two elements by two weights each. Sums are
/// stored before they become outputs: both loops have short chains then, of
/// which a processor holds many in flight.
///
/// How a plane lies in memory and what is summed up is the derived classes'.
class BytePlanes {
public:
  /// `stepRows` is how many rows of outputs are summed up together.
  BytePlanes(KernelEmitter &e, const MatchedProduct &match, int64_t stepRows)
      : e(e), p(match.problem), kernel(match.kernel),
        input(getImages(e, *match.words)), wordPanels(e, p, kernel),
        width(2 * kernel.lanes), stepRows(stepRows) {}
  virtual ~BytePlanes() = default;

  void emit(bool useThreads);

protected:
  using Value = mlir::Value;
  using ValueRange = mlir::ValueRange;

  /// One dimension of the image, in numbers.
  struct Extent {
    int64_t input, output, padding, window, stride, dilation;
    /// Padded elements that the windows reach.
    int64_t reached() const {
      return (output - 1) * stride + (window - 1) * dilation + 1;
    }
    int64_t copied() const { return std::min(input, reached() - padding); }
  };

  /// A part of the result, and what it reads of the image.
  struct Tile {
    Value firstRow, firstColumn, numRows, numColumns;
    /// Where its lines begin in the image; before it, if negative.
    Value row, start;
    /// How many lines of how many elements it reads.
    Value numLines, length;
    /// Which of a line's elements are of the image; the others are padding.
    Value begin, end;
  };

  /// Elements of a plane on the stack; larger ones would leave the first cache.
  static constexpr int64_t kMaxPlane = 24 * 1024;
  /// Vectors of sums that become outputs at a time.
  static constexpr int64_t kMostVectors = 4;
  /// Sums that are stored before they become outputs; a row has more if it
  /// must.
  static constexpr int64_t kMaxSums = 1024;

  /// Whether this is such a convolution, of a target that multiplies words.
  bool isDepthwise();
  /// Whether results are known to have one row.
  bool hasOneRow() { return e.isConstant(input.dims[0].outputSize, 1); }
  /// Sets the extents, if all sizes are known.
  bool findExtents();
  /// Sets them to those of a tile, which has no input and no padding.
  void setTileExtents();

  virtual Value allocatePlane() = 0;
  /// Widens a channel's image, and pads it.
  virtual void fillPlane(ValueRange outer, Value plane) = 0;
  /// Widens what a tile reads.
  virtual void fillTile(ValueRange outer, Value plane, const Tile &tile) = 0;
  /// Loads the weights of a channel, for `emitSums`.
  virtual void loadWindow(ValueRange outer) = 0;
  /// Stores the sums of the rows of outputs of one step, one row of
  /// `numColumns` behind the other from `at` on, in whole vectors.
  virtual void emitSums(Value plane, Value step, Value numColumns, Value sums,
                        Value at) = 0;

  /// Where a channel's image begins.
  Value getImage(ValueRange outer);
  /// Runs `body` for vectors of `size` that cover `count`; the last may overlap
  /// the one before.
  void cover(int64_t count, int64_t size, llvm::function_ref<void(Value)> body);
  /// Copies of `vector` from `from` on, the last of which may pass `to`.
  void fill(Value vector, Value plane, Value from, Value to);
  /// One input or a vector of them in 16 bits, less the zero point.
  Value widen(Value bytes);
  /// The weights of two taps of a channel, or of one and a zero, as one word in
  /// each lane. Taps are numbered row by row.
  Value loadWeights(ValueRange outer, std::optional<int64_t> first,
                    std::optional<int64_t> second);
  /// A register of words of the plane.
  Value loadWords(Value plane, Value at);
  KernelEmitter &e;
  const GemmProblem &p;
  const MicroKernel &kernel;
  const Windows input;
  WordPanels wordPanels;
  /// Of the whole plane, or of a tile.
  Extent rows, columns;
  bool isTiled = false;
  /// 16-bit elements of a register, which are twice its words.
  int64_t width;

private:
  /// Lines are images of one row.
  static Windows getImages(KernelEmitter &e, Windows windows);
  void emitChannel(ValueRange outer);
  void emitTile(ValueRange outer, const Tile &tile);
  /// Turns vectors of sums from `at` on into the outputs from `place` on; no
  /// more than `left`, if given.
  void emitOutputsOf(const OutputBases &bases, Value sums, Value at,
                     int64_t numVectors, Value place, Value left = {});
  /// The same for a tile's sums, line by line without gaps.
  void emitOutputsOf(const OutputBases &bases, Value sums, const Tile &tile);
  Tile getTile(Value firstRow, Value firstColumn);
  Value loadWeight(ValueRange outer, int64_t tap);

  int64_t stepRows;
};

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_CONTRACTIONS_BYTEPLANES_H
