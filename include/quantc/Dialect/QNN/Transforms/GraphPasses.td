//===- GraphPasses.td - Passes that keep what a graph computes ------------===//
#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_GRAPHPASSES
#define QUANTC_DIALECT_QNN_TRANSFORMS_GRAPHPASSES

include "mlir/Pass/PassBase.td"

def InferShapesPass : Pass<"qnn-infer-shapes", "::mlir::func::FuncOp"> {
  let summary = "Infer result types again, and make them more static";
  let description = [{
    Shapes that were computed become constants by folding, and then results
    have more static dimensions than when their ops were built. Types are
    refined from operands to results, out of scf.if, and to the function's
    results; loops keep the types that they carry.
  }];
  let dependentDialects = ["::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numRefined", "types-refined", "Values with a more static type">
  ];
}

def ShareHeadsPass : Pass<"qnn-share-heads", "::mlir::func::FuncOp"> {
  let summary = "Multiply several batches by one matrix that was repeated";
  let description = [{
    Attention with fewer heads for keys and values than for queries is written
    with copies: each head is repeated for a group of queries (an expansion of a
    new dimension, and a reshape that joins it with the heads). A product of
    what was repeated takes the heads as they are, since a product broadcasts:
    the other operand's heads are split into groups, and so are the result's.
    What was done to the copies one by one (transposes, scaling by a number,
    casts) is done to the heads, which masks and `RowwiseOpInterface` keep split.

    ```mlir
    // Before.
    %u = qnn.unsqueeze %k, %two : tensor<1x3x?x64xf32>, tensor<1xi64> -> tensor<1x3x1x?x64xf32>
    %e = qnn.expand %u, %s : tensor<1x3x1x?x64xf32>, tensor<5xi64> -> tensor<1x3x4x?x64xf32>
    %r = qnn.reshape %e, %t : tensor<1x3x4x?x64xf32>, tensor<4xi64> -> tensor<1x12x?x64xf32>
    %y = qnn.matmul %p, %r : tensor<1x12x5x?xf32>, tensor<1x12x?x64xf32> -> tensor<1x12x5x64xf32>
    // After.
    %g = qnn.reshape %p, %a : tensor<1x12x5x?xf32>, tensor<5xi64> -> tensor<1x3x4x5x?xf32>
    %m = qnn.matmul %g, %u : tensor<1x3x4x5x?xf32>, tensor<1x3x1x?x64xf32> -> tensor<1x3x4x5x64xf32>
    %y = qnn.reshape %m, %b : tensor<1x3x4x5x64xf32>, tensor<4xi64> -> tensor<1x12x5x64xf32>
    ```

    The numbers of heads and of groups must be static. Dimensions that the
    expansion may change as well are expanded still, but not the groups.
  }];
  let dependentDialects = ["::quantc::qnn::QNNDialect"];
  let statistics = [
    Statistic<"numShared", "products", "Products that share a matrix">,
    Statistic<"numExpanded", "expanded",
              "Of these, those with other dimensions that may be expanded">
  ];
}

def FoldQuantizationPass
    : Pass<"qnn-fold-quantization", "::mlir::func::FuncOp"> {
  let summary = "Make integer ops of float ops between dequantize and quantize";
  let description = [{
    Takes a graph in QDQ form, which says by `qnn.dequantize` and `qnn.quantize`
    what is an integer, and makes it compute with integers:

    * A contraction (an op with QuantizableOpInterface) of dequantized operands
      becomes one of integers. Its i32 result is dequantized by the product of
      the scales, takes in its bias, and becomes a `qnn.requantize` where a
      quantize follows. Relu and clip become the clamp of that, or a maximum of
      integers.
    * Dequantize moves down and quantize moves up through what only moves
      elements (SameScaleOpInterface).
    * Functions of one 8-bit tensor become a `qnn.lookup` in a table that
      `qnn-fold-constants` computes with the very ops it replaces, whatever
      bytes lie on the way: x · sigmoid(x) is one table, too.
    * Sums and products of 8-bit tensors, and softmax, are computed as ONNX
      Runtime's kernels compute them, so that both round alike.

    Sums that could leave i32 are split, and added as floats. Constants (scales,
    biases, tables) are left to `qnn-fold-constants`, which must not come before:
    it would make floats of small quantized weights.

    ```mlir
    // Before.
    %x = qnn.dequantize %a, %sa : tensor<4x8xi8>, tensor<f32> -> tensor<4x8xf32>
    %w = qnn.dequantize %b, %sb : tensor<8x2xi8>, tensor<f32> -> tensor<8x2xf32>
    %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
    %q = qnn.quantize %y, %sy : tensor<4x2xf32>, tensor<f32> -> tensor<4x2xi8>
    // After.
    %acc = qnn.matmul %a, %b : tensor<4x8xi8>, tensor<8x2xi8> -> tensor<4x2xi32>
    %s = qnn.binary mul %sa, %sb : tensor<f32>, tensor<f32> -> tensor<f32>
    %r = qnn.binary div %s, %sy : tensor<f32>, tensor<f32> -> tensor<f32>
    %q = qnn.requantize %acc, %r : tensor<4x2xi32>, tensor<f32> -> tensor<4x2xi8>
    ```
  }];
  let dependentDialects = ["::quantc::qnn::QNNDialect"];
  let statistics = [
    Statistic<"numContractions", "contractions-folded",
              "Contractions that became integer ops">,
    Statistic<"numSplit", "sums-split",
              "Contractions whose sums were split to fit into i32">,
    Statistic<"numUnproven", "sums-unproven",
              "Contractions whose number of terms only the data shows">,
    Statistic<"numRequantized", "requantized",
              "Accumulators that are quantized without becoming floats">,
    Statistic<"numMoved", "moved",
              "Steps of quantization through moved elements">,
    Statistic<"numLookups", "lookups", "Functions that became tables">,
    Statistic<"numKernels", "kernels",
              "Float functions of 8-bit tensors computed as ONNX Runtime does">
  ];
}

def FoldUnfusedPass : Pass<"qnn-fold-unfused", "::mlir::func::FuncOp"> {
  let summary = "Make integer ops where ONNX Runtime would multiply floats";
  let description = [{
    Of a graph in QDQ form, ONNX Runtime makes integer ops of products with a
    quantize right behind them, and of products of matrices without one. Others
    (a convolution whose result stays float, weights of 4 bits, a product that
    becomes a Gemm with its bias first, signed activations that others read) it
    multiplies as floats. Those become integer ops as `qnn-fold-quantization`
    makes them; transposed convolutions only where they tile: ONNX has no other.
  }];
  let dependentDialects = ["::quantc::qnn::QNNDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [Statistic<"numUnfused", "unfused", "Contractions folded">];
}

def VerifyFoldedPass : Pass<"qnn-verify-folded", "::mlir::func::FuncOp"> {
  let summary = "Fail if a quantized weight is dequantized for a float product";
  let description = [{
    A float contraction one of whose operands is a dequantized constant is an
    error that names the reason why it has no integer form. So is one whose
    weight `qnn-fold-constants` dequantized, which left `qnn.dequantized` on the
    constant: it takes the room of floats. Each other
    `qnn.dequantize` and `qnn.quantize` gets a remark with `report`, which says
    what floats it is there for. Without `strict` that is all, and such a
    contraction is a remark, too.
  }];
  let options = [
    Option<"strict", "strict", "bool", "true",
           "Fail at a quantized weight that is dequantized">,
    Option<"report", "report", "bool", "false",
           "Remark on each quantize and dequantize that is left">
  ];
  let statistics = [
    Statistic<"numDequantize", "dequantize-left", "Dequantize ops left">,
    Statistic<"numQuantize", "quantize-left", "Quantize ops left">,
    Statistic<"numFloat", "float-contractions", "Contractions of floats">
  ];
}

def FuseWeightOnlyPass : Pass<"qnn-fuse-weight-only", "::mlir::func::FuncOp"> {
  let summary = "Multiply by low-bit weights without dequantizing them first";
  let description = [{
    A float matrix product whose right-hand side is a dequantized constant
    becomes `qnn.weight_only_matmul` on the codes, scales and zero points, so
    that the library holds the weights in their bits and no float copy of them
    exists at run time:

    ```mlir
    %r = qnn.dequantize %w, %s {axis = 0 : i64, block_size = 32 : i64}
    %y = qnn.matmul %x, %r
    // becomes
    %y = qnn.weight_only_matmul %x, %w, %s {block_size = 32 : i64}
    ```

    Scales may be one number, one a column, or one a block along the inner
    dimension; the constant may be transposed (com.microsoft MatMulNBits), or be
    looked up in a codebook and scaled by blocks (MatMulBnb4, NF4). Products of
    two quantized operands are left to `qnn-fold-quantization` by `floats-only`,
    if that makes integer ops of them: not those of the tokens below.

    Tokens of 8 bits that have a scale each (blocks as long as the inner
    dimension) stay integers, and their scales multiply the result's rows. By
    8-bit weights with a scale a column, that is a product of integers.
  }];
  let options = [
    Option<"groupsOnly", "groups-only", "bool", "false",
           "Leave integers with one scale, or one a column">,
    Option<"floatsOnly", "floats-only", "bool", "false",
           "Leave such integers where the other operand is quantized, too">
  ];
  let statistics = [
    Statistic<"numFused", "products", "Products with low-bit weights">,
    Statistic<"numWeights", "weights", "Elements of low-bit weights">
  ];
}

def MultiplyTilesPass : Pass<"qnn-multiply-tiles", "::mlir::func::FuncOp"> {
  let summary = "Make products of transposed convolutions that tile";
  let description = [{
    Where a transposed convolution's kernel is as large as its stride, each
    element of the input makes a tile of the result of its own. That is a product
    (a convolution of 1x1 with a channel for each element of a tile), whose
    elements are moved to their places afterwards. What follows element by
    element, and is the same for a whole channel (bias, requantization,
    activation), is computed before they move, so that it stays behind the sums:

    ```mlir
    // Before.
    %acc = qnn.conv_transpose %x, %w {strides = array<i64: 2, 2>, ...}
      : tensor<1x8x4x4xui8>, tensor<8x3x2x2xi8> -> tensor<1x3x8x8xi32>
    %y = qnn.requantize %acc, %s {axis = 1 : i64}
      : tensor<1x3x8x8xi32>, tensor<3xf32> -> tensor<1x3x8x8xui8>
    // After; weights are moved, and scales repeated.
    %acc = qnn.conv %x, %v {strides = array<i64: 1, 1>, ...}
      : tensor<1x8x4x4xui8>, tensor<12x8x1x1xi8> -> tensor<1x12x4x4xi32>
    %z = qnn.requantize %acc, %t {axis = 1 : i64}
      : tensor<1x12x4x4xi32>, tensor<12xf32> -> tensor<1x12x4x4xui8>
    %a = qnn.reshape %z, ... : tensor<1x3x2x2x4x4xui8>
    %b = qnn.transpose %a [0, 1, 4, 2, 5, 3] : tensor<1x3x4x2x4x2xui8>
    %y = qnn.reshape %b, ... : tensor<1x3x8x8xui8>
    ```

    All of the rest (overlapping kernels, groups, padding) is left alone, unless
    `overlapping` kernels are asked for. A kernel larger than the stride adds up
    elements of neighbouring tiles: each element of a tile sums every stride-th
    element of the kernel, which is a convolution of the image as it is, without
    the zeros that strides put between its elements. All elements of a tile are
    channels of one convolution if the stride divides the kernel's size, else of
    one for those with a term more, and of one for the others (in each
    dimension). What pads take away is cut off in the end. Depthwise ones are
    left alone.

    ```mlir
    %y = qnn.conv_transpose %x, %w {strides = array<i64: 2>, pads = array<i64: 1, 1>, ...}
      : tensor<1x8x5xf32>, tensor<8x3x4xf32> -> tensor<1x3x10xf32>
    // becomes
    %p = qnn.conv %x, %v {strides = array<i64: 1>, pads = array<i64: 1, 1>, ...}
      : tensor<1x8x5xf32>, tensor<6x8x2xf32> -> tensor<1x6x6xf32>
    %a = qnn.reshape %p, ... : tensor<1x3x2x6xf32>
    %b = qnn.transpose %a [0, 1, 3, 2] : tensor<1x3x6x2xf32>
    %c = qnn.reshape %b, ... : tensor<1x3x12xf32>
    %y = qnn.slice %c from 1 to -1 ... : tensor<1x3x10xf32>
    ```
  }];
  let options = [
    Option<"overlapping", "overlapping", "bool", "false",
           "Split transposed convolutions whose kernels overlap, too">
  ];
  let dependentDialects = ["::quantc::qnn::QNNDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numProducts", "products",
              "Transposed convolutions that became products">,
    Statistic<"numSplit", "split",
              "Transposed convolutions that became convolutions of tiles">
  ];
}

def FoldBatchNormPass : Pass<"qnn-fold-batch-norm", "::mlir::func::FuncOp"> {
  let summary = "Fold normalization, factors and summands into weights";
  let description = [{
    A batch normalization with constant parameters becomes a product and a sum
    per channel. A product with one constant a channel (or one for all) goes into
    the constant weights of the op before it, and a sum into its bias, if it has
    no other user:

    ```mlir
    %c = qnn.conv %x, %w {...}
    %y = qnn.batch_norm %c, %scale, %bias, %mean, %variance {...}
    // becomes
    %y = qnn.conv %x, %w2 bias %b2 {...}
    ```

    New weights are written as qnn ops on constants, which qnn-fold-constants
    computes. The result differs from the original by rounding only.
  }];
  let statistics = [
    Statistic<"numBatchNorms", "batch-norms", "Normalizations expanded">,
    Statistic<"numFactors", "factors", "Factors that went into weights">,
    Statistic<"numSummands", "summands", "Summands that went into a bias">
  ];
}

def WidenProductsPass : Pass<"qnn-widen-products", "::mlir::func::FuncOp"> {
  let summary = "Multiply floats of 16 bits as floats of 32";
  let description = [{
    Processors without products of f16 extend each factor again wherever it is
    multiplied. Sums are f32 already, so that products of f32 give the same, and
    what constants hold is extended when compiling:

    ```mlir
    %y = qnn.conv %x, %w {...} : tensor<1x3x8x8xf16>, tensor<4x3x3x3xf16> -> tensor<1x4x6x6xf16>
    // becomes
    %x32 = qnn.cast %x : tensor<1x3x8x8xf16> -> tensor<1x3x8x8xf32>
    %w32 = qnn.cast %w : tensor<4x3x3x3xf16> -> tensor<4x3x3x3xf32>
    %y32 = qnn.conv %x32, %w32 {...} : tensor<1x3x8x8xf32>, tensor<4x3x3x3xf32> -> tensor<1x4x6x6xf32>
    %y = qnn.cast %y32 : tensor<1x4x6x6xf32> -> tensor<1x4x6x6xf16>
    ```

    Products whose weights lie along the innermost dimension of the result (of
    matrices) stay as they are: kernels extend vectors of these as they read
    them, and the library is half as large. With `all` they are widened, too, and
    products of bf16, since what is quantized is f32.
  }];
  let options = [
    Option<"all", "all", "bool", "false",
           "Whether to widen products whose weights are read as vectors, too">
  ];
  let statistics = [
    Statistic<"numWidened", "widened", "Number of products widened">
  ];
}

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_GRAPHPASSES
