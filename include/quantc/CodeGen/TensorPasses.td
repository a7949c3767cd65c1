//===- TensorPasses.td - Passes on linalg over tensors --------------------===//

#ifndef QUANTC_CODEGEN_TENSORPASSES
#define QUANTC_CODEGEN_TENSORPASSES

include "mlir/Pass/PassBase.td"

def ChannelsLastPass : Pass<"quantc-channels-last", "mlir::ModuleOp"> {
  let summary = "Keep the channels of images innermost between convolutions";
  let description = [{
    ONNX's images are (batch, channels, height, width). As (batch, height,
    width, channels), a convolution of f32 or of bytes by constant filters is a
    matrix product whose rows are positions and whose columns are filters:
    floats are read where they lie (with padding, from a copy that has it),
    bytes are packed as lines of windows, and small images waste no lanes.
    Convolutions with one group, elementwise ops, reductions over windows but
    for sums, padding, and concatenations that pass images to each other form a
    part of the graph; if its convolutions gain more than transposes at its
    borders cost, all of them change to that order. Height and width that only
    the call knows count as what follows from an image of usual size; the number
    of channels must be known. A convolution of f32 adds up its products in
    another order then; other sums stay as they are. Images of bytes of 64
    positions or more stay where the target sums their products in pairs that
    may saturate, and has few registers (SSSE3, AVX2): filters on the left-hand
    side are the faster ones there.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">
  ];
  let statistics = [
    Statistic<"numConvolutions", "num-convolutions",
              "Convolutions with their channels innermost">,
    Statistic<"numTransposes", "num-transposes",
              "Transposes of images between the two orders">
  ];
  let dependentDialects = [
    "mlir::linalg::LinalgDialect", "mlir::tensor::TensorDialect"
  ];
}

def FoldMovementPass : Pass<"quantc-fold-movement"> {
  let summary = "Fold transposes and broadcasts into the ops that read them";
  let description = [{
    Copies that only order or repeat elements become indexing maps:

    - a read at positions of loops (`tensor.extract %t[%i, %j]`) becomes an
      operand, also where the position is multiplied with 0 or 1 by whether a
      size is 1, and the loop has that very size;
    - a contraction reads the operand of a transpose, unless its left-hand side
      would no longer be contiguous along the sum;
    - a contraction writes what a transpose of its result would write, if lines
      stay lines;
    - a contraction or convolution that starts from a broadcast bias starts from
      zero, and the bias is added to its result, in its epilogue;
    - a contraction whose result has very short lines (a transposed convolution)
      writes long ones, which a transpose interleaves.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
    "mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numOperands", "operands", "Reads that became operands">,
    Statistic<"numTransposes", "transposes",
              "Transposes that contractions absorbed">,
    Statistic<"numBiases", "biases", "Biases that moved behind their product">,
    Statistic<"numInterleaved", "interleaved",
              "Products whose lines are interleaved">
  ];
}

def FuseElementwisePass : Pass<"quantc-fuse-elementwise"> {
  let summary = "Fuse elementwise ops with their only consumer";
  let description = [{
    Upstream's elementwise fusion with a cost rule: a producer is only fused
    where each of its elements is computed once, or is cheap to compute again.
    Nothing is fused into the operands of a contraction, so that it keeps the
    form that the kernels know. Reshapes between a contraction, or a convolution
    in groups, and what follows element by element move behind that, for it to
    become an epilogue.
  }];
  let dependentDialects = [
    "mlir::affine::AffineDialect", "mlir::arith::ArithDialect",
    "mlir::linalg::LinalgDialect", "mlir::tensor::TensorDialect"
  ];
  let statistics = [
    Statistic<"numFused", "fused", "Linalg ops that others absorbed">,
    Statistic<"numReshapes", "reshapes-moved",
              "Reshapes that moved behind elementwise ops">
  ];
}

def RoundProductsPass : Pass<"quantc-round-products"> {
  let summary = "Round factors of float products to bf16";
  let description = [{
    A permission of the user's (`--float-products=bf16`): weights of products of
    f32 are rounded to bf16, which takes half the memory, and where the target
    multiplies bf16 (`avx512bf16`, `amx-bf16`), so are what they are multiplied
    by. Sums stay f32. The rounding is in the body, so that kernels do it when
    they pack an operand:

    ```mlir
    %p = arith.mulf %x, %w : f32
    // becomes
    %r = arith.truncf %w : f32 to bf16
    %s = arith.extf %r : bf16 to f32
    %p = arith.mulf %x, %s : f32
    ```

    Weights are constants along which the sum runs and that hold columns of the
    result which the other operand has not. Where the target does not multiply
    bf16, only weights that lie along the innermost dimension of the result are
    worth it: vectors of them are extended as they are read, but of others (a
    convolution's filters, channels first) it would be each element.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">
  ];
  let statistics = [
    Statistic<"numWeights", "weights", "Number of weights rounded">,
    Statistic<"numInputs", "inputs", "Number of other factors rounded">
  ];
}

def MultiplyReciprocalsPass : Pass<"quantc-multiply-reciprocals"> {
  let summary = "Products with reciprocals instead of divisions";
  let description = [{
    ONNX's QuantizeLinear divides by the scale, and multiplying by its
    reciprocal rounds some ties another way. Where the scale is a constant and
    the quotient is rounded and clamped to a range of at most 16 bits, a product
    with a reciprocal of twice the precision gives the same integers, at a
    fraction of a division's time (`quantc/Support/Reciprocal.h`). This is
    proven for each scale by the numbers where the integers change; scales for
    which it is not so keep their division, and so do targets without fma.

    A softmax of bytes divides in f64 by the sum of each row. Where the divisor
    was f32 and is the same for all of the innermost loop, and the dividend was
    f32 but for a constant factor, one reciprocal a row and a product that is
    corrected by its exact remainder give the same quotients (Markstein 1990,
    "Computation of elementary functions on the IBM RISC System/6000").

    ```mlir
    %q = arith.divf %x, %scale : f32
    // becomes
    %l = arith.mulf %x, %low : f32
    %q = math.fma %x, %high, %l : f32
    ```
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::math::MathDialect"
  ];
  let statistics = [
    Statistic<"numReplaced", "replaced", "Divisions that became products">
  ];
}

def DecomposeTensorOpsPass : Pass<"quantc-decompose-tensor-ops"> {
  let summary = "Rewrite the tensor ops that bufferization does not know";
  let description = [{
    Decomposes `tensor.concat`, and linalg ops that aggregate others, into ops
    that one-shot bufferization and the loop lowering handle. Few ops keep a
    `tensor.empty` in common (one, where its size is known), since each two of
    these are compared: with one for all layers of a model, bufferization takes
    the time of their number's third power.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::linalg::LinalgDialect",
    "mlir::tensor::TensorDialect", "mlir::scf::SCFDialect"
  ];
  let statistics = [
    Statistic<"numDecomposed", "decomposed", "Ops that became simpler ones">,
    Statistic<"numSeparated", "separated", "Empty tensors made for a part of the uses of one">
  ];
}

#endif // QUANTC_CODEGEN_TENSORPASSES
