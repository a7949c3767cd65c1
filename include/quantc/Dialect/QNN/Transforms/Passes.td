//===- Passes.td - Passes on the qnn dialect ------------------------------===//
#ifndef QUANTC_DIALECT_QNN_TRANSFORMS_PASSES
#define QUANTC_DIALECT_QNN_TRANSFORMS_PASSES

include "quantc/Dialect/QNN/Transforms/GraphPasses.td"

def QuantizePass : Pass<"qnn-quantize", "::mlir::func::FuncOp"> {
  let summary = "Quantize a float graph as a recipe says";
  let description = [{
    Values that become integers get a `qnn.quantize` and a `qnn.dequantize`, and
    constant weights become integer constants with a `qnn.dequantize`; all other
    ops keep computing with floats, so that the graph gives the quantized
    model's results as it stands. qnn-fold-quantization makes them integer ops.

    ```mlir
    %y = qnn.matmul %x, %w : tensor<4x8xf32>, tensor<8x2xf32> -> tensor<4x2xf32>
    // becomes, with recipe=w8a8,
    %q = qnn.quantize %x, %sx zero_point %zx : tensor<ui8> ...
    %r = qnn.dequantize %q, %sx zero_point %zx : tensor<ui8> ...
    %v = qnn.dequantize %wq, %sw {axis = 1 : i64} : tensor<8x2xi8>, tensor<2xf32> -> tensor<8x2xf32>
    %y = qnn.matmul %r, %v ...
    ```

    Quantized are the operands of ops with `QuantizableOpInterface`, and large
    constants of which a `SameScaleOpInterface` op selects elements (embedding
    tables). A value that is quantized for one user is read in that form by all.
    Scales of static activations come from statistics; an error lists all values
    that have none. A remark tells each op that stays in float, and why.

    Told of targets (as the pipeline `qnn-quantize-graph` is by
    `target-features`), the pass predicts what each op takes in floats and in
    8-bit integers, with what makes integers of its operands and floats of them
    again. An op that integers make clearly slower on all targets keeps its
    activations in float, and its weights too, unless they have a product with
    floats. The recipe may insist on integers (`slower-layers`).

    Transformations of a recipe are passes of their own, which the pipeline
    `qnn-quantize-graph` runs first; this pass warns that it leaves them out.
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"w8a8\"",
           "A recipe's name, YAML file or text (docs/Quantization.md)">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "A statistics file, as `quantc calibrate` writes it">,
    Option<"keepUnsigned", "keep-unsigned", "bool", "false",
           "Store no activation as signed because it stands where weights do">
  ];
  let statistics = [
    Statistic<"numQuantized", "ops-quantized", "Ops with quantized operands">,
    Statistic<"numSkipped", "ops-skipped", "Ops that stay in float">,
    Statistic<"numSlower", "ops-slower",
              "Ops whose integer form is predicted to be slower than floats">,
    Statistic<"numTables", "tables", "Tables that became integers">,
    Statistic<"numActivations", "activations", "Values that became integers">
  ];
}

def SmoothQuantPass : Pass<"qnn-smooth-quant", "::mlir::func::FuncOp"> {
  let summary = "Move outliers from activations into weights";
  let description = [{
    `x · W = (x / s) · (s · W)`, with one number of `s` for each channel of x:
    `max|x|^alpha / max|w|^(1 - alpha)` (Xiao et al. 2022, arXiv 2211.10438), so
    that 8-bit integers fit both sides better. The division costs nothing: it
    goes into constants before x, the weights of a normalization, the columns of
    a matrix, or through the product of a gated MLP into those of one side. The
    graph computes what it did.

    Without an alpha, the one of 21 is taken for which the products should lose
    least: weights are rounded, and inputs lose 1/12 of a squared step. Values
    that lose least as they are stay so.

    The ranges of channels come from statistics. Those of the divided values
    change with them, exactly for their extremes; other range methods than
    `minmax` see the extremes only, so calibrate again for these.
  }];
  let options = [
    Option<"alpha", "alpha", "double", "-1",
           "How much of the difficulty moves to the weights (0 to 1); searched "
           "for each value if it is -1">,
    Option<"steps", "steps", "int64_t", "20", "How many alphas are tried">,
    Option<"recipe", "recipe", "std::string", "\"w8a8\"",
           "What weights and inputs will be, for the search">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "A statistics file, as `quantc calibrate` writes it">
  ];
  let statistics = [
    Statistic<"numSearched", "searched", "Values whose alpha was searched">,
    Statistic<"numSmoothed", "values", "Values whose channels were divided">
  ];
}

def EqualizePass : Pass<"qnn-equalize", "::mlir::func::FuncOp"> {
  let summary = "Equalize the ranges of weights of consecutive layers";
  let description = [{
    `f(W1 · x) · W2 = f(W1 · x / s) · (s · W2)` for numbers s > 0, one for each
    channel between two layers, if f has `HomogeneousOpInterface` (relu, pools)
    or only moves elements. `s = sqrt(max|w1| / max|w2|)` makes the ranges of a
    channel's weights on both sides alike, so that one scale for a whole weight
    fits all its channels (Nagel et al. 2019, arXiv 1906.04721). Pairs are
    adjusted in turn until nothing changes.

    ```mlir
    %a = qnn.conv %x, %w1 bias %b1 {...}
    %r = qnn.unary relu %a
    %y = qnn.conv %r, %w2 bias %b2 {...}
    // becomes (the quotients are constants, which qnn-fold-constants computes)
    %a = qnn.conv %x, (%w1 / %s) bias (%b1 / %s) {...}
    %r = qnn.unary relu %a
    %y = qnn.conv %r, (%w2 * %s) bias %b2 {...}
    ```

    A value stays as it is if anything but layers reads it, above all a residual
    sum. The graph computes what it did, up to rounding.
  }];
  let options = [
    Option<"steps", "steps", "int64_t", "20",
           "How often all pairs are adjusted at most">
  ];
  let statistics = [
    Statistic<"numEqualized", "values",
              "Values between layers whose channels were divided">
  ];
}

def CorrectBiasPass : Pass<"qnn-correct-bias", "::mlir::func::FuncOp"> {
  let summary = "Take off biases what rounding of weights adds on average";
  let description = [{
    Rounded weights W' shift the mean of each output channel by
    `(W' - W) · E[x]`, which is taken off the bias (Nagel et al. 2019, arXiv
    1906.04721). W' is what `qnn-quantize` makes of W by the same recipe;
    the means of input channels come from statistics. Padding counts as if it
    had the mean, too. A product that takes no bias gets a sum behind it.

    ```mlir
    %y = qnn.conv %x, %w bias %b {...}
    // becomes (a constant, which qnn-fold-constants computes)
    %y = qnn.conv %x, %w bias (%b - reduce sum ((%w' - %w) * %mean)) {...}
    ```
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"w8a8\"",
           "What the weights will be (docs/Quantization.md)">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "A statistics file with moments">
  ];
  let statistics = [
    Statistic<"numCorrected", "layers", "Layers whose bias was corrected">,
    Statistic<"numSkipped", "skipped",
              "Layers whose input has no means of its channels">
  ];
}

def AWQPass : Pass<"qnn-awq", "::mlir::func::FuncOp"> {
  let summary = "Scale weights up where activations are large";
  let description = [{
    `x · W = (x / s) · (s · W)` with `s = mean|x|^a` (Lin et al. 2023, arXiv
    2306.00978): weights that meet large activations are rounded on a finer
    grid. `a` is searched in [0, 1] for each value by the error of its products,
    which the Gram matrix of the value gives, and 0 (nothing changes) is one of
    the candidates. The division goes into constants before x, as
    qnn-smooth-quant's does.
  }];
  let options = [
    Option<"recipe", "recipe", "std::string", "\"w4-g64-asym\"",
           "What the weights will be (docs/Quantization.md)">,
    Option<"steps", "steps", "int64_t", "20", "Exponents to try, above 0">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "A statistics file with Gram matrices and moments">
  ];
  let statistics = [
    Statistic<"numSearched", "values", "Values whose scales were searched">,
    Statistic<"numScaled", "scaled", "Values whose channels were divided">
  ];
}

def RotatePass : Pass<"qnn-rotate", "::mlir::func::FuncOp"> {
  let summary = "Mix channels by Hadamard matrices that weights absorb";
  let description = [{
    `x · W = (x · R) · (Rᵀ · W)` for an orthogonal R that spreads outliers over
    all channels (Ashkboos et al. 2024: QuaRot, arXiv 2404.00456). The values
    that sums, RMS normalizations and factors of rows connect (the residual
    stream of a transformer) are rotated together: the constants that write them
    (embeddings, matrices) become `W · R`, those that read them
    `Rᵀ · diag(g) · W`, with the factors g of the normalization between. Nothing
    is left to do at run time. A stream in which anything depends on single
    channels stays as it is.

    With `online`, inputs of other constant matrices are rotated at run time, by
    `Rₐ ⊗ R_b` in two small products, which have the attribute `qnn.keep_float`.
    The float graph computes what it did. The module's hash changes, so that
    statistics from before are refused.
  }];
  let options = [
    Option<"online", "online", "bool", "true",
           "Rotate what no constant before it can">,
    Option<"seed", "seed", "int64_t", "1", "Of the signs">
  ];
  let statistics = [
    Statistic<"numStreams", "streams", "Residual streams rotated">,
    Statistic<"numMatrices", "matrices", "Constants that absorbed a rotation">,
    Statistic<"numOnline", "online", "Values rotated at run time">
  ];
}

def SplitOutliersPass : Pass<"qnn-split-outliers", "::mlir::func::FuncOp"> {
  let summary = "Multiply channels with outliers in float";
  let description = [{
    Channels of a value whose largest element is `threshold` times that of the
    median channel leave the product with constant matrices, and have one of
    their own, which stays in float (Dettmers et al. 2022: LLM.int8(), arXiv
    2208.07339; there the threshold is 6, for any value):

    ```mlir
    %y = qnn.matmul %x, %w
    // becomes
    %inliers = qnn.binary mul %x, %mask
    %a = qnn.matmul %inliers, %w_without_rows
    %outliers = qnn.gather %x[%channels] axis 1
    %b = qnn.matmul %outliers, %w_rows {qnn.keep_float}
    %y = qnn.binary add %a, %b
    ```

    Values in which more than an eighth of the channels stand out stay as they
    are. Ranges of channels come from statistics, which get the inliers' ones.
  }];
  let options = [
    Option<"threshold", "threshold", "double", "5",
           "How many times the median channel an outlier is">,
    Option<"statistics", "statistics", "std::string", "\"\"",
           "A statistics file, as `quantc calibrate` writes it">
  ];
  let statistics = [
    Statistic<"numSplit", "values", "Values with outliers">,
    Statistic<"numChannels", "channels", "Channels that stay in float">
  ];
}

def QuantizeKVCachePass
    : Pass<"qnn-quantize-kv-cache", "::mlir::ModuleOp"> {
  let summary = "Store a decoder's keys and values in few bits";
  let description = [{
    A cache is an input [batch, heads, tokens, size] that only a concatenation
    along the tokens reads (and ops that ask for its shape), whose result is an
    output. It becomes codes, scales and what else makes numbers of them, all of
    them inputs and outputs that grow in the same way:

    * `int8`, `fp8` (E4M3): each token has a scale for each head, max|x| / 127
      (448), in `<input>.scale`.
    * `int4`: codes 0...15, two in a byte, between the least and the largest
      number of a group, as in KIVI (Liu et al. 2024, arXiv 2402.02750): keys by
      channel, over `group` tokens, and values by token, over `group` channels.
      Scales and offsets are f16, in `<input>.scale` and `<input>.offset`. At
      least the last `window` tokens stay in float, in `<input>.recent`, and
      leave it by whole groups. Keys are what products do not sum the tokens of.

    ```mlir
    // Before.
    %present = qnn.concat 2, %past, %new
        : tensor<1x2x?x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x?x64xf32>
    // After, in int8: %past is tensor<1x2x?x64xi8>.
    %codes = qnn.concat 2, %past, %new_codes
        : tensor<1x2x?x64xi8>, tensor<1x2x1x64xi8> -> tensor<1x2x?x64xi8>
    %scales = qnn.concat 2, %past_scale, %new_scale
        : tensor<1x2x?x1xf32>, tensor<1x2x1x1xf32> -> tensor<1x2x?x1xf32>
    %float = qnn.cast %codes : tensor<1x2x?x64xi8> -> tensor<1x2x?x64xf32>
    %present = qnn.binary mul %float, %scales
        : tensor<1x2x?x64xf32>, tensor<1x2x?x1xf32> -> tensor<1x2x?x64xf32>
    ```
  }];
  let dependentDialects = ["::quantc::qnn::QNNDialect"];
  let options = [
    Option<"format", "format", "std::string", "\"int8\"",
           "int8, int4 or fp8">,
    Option<"group", "group", "int64_t", "32",
           "Of int4: the numbers that share a scale">,
    Option<"window", "window", "int64_t", "32",
           "Of int4: so many of the last tokens stay in float at least">
  ];
  let statistics = [
    Statistic<"numQuantized", "caches", "Tensors of a cache that became codes">
  ];
}

def CacheInPlacePass : Pass<"qnn-cache-in-place", "::mlir::ModuleOp"> {
  let summary = "Append to a decoder's cache in its own memory";
  let description = [{
    An input that grows by a concatenation along its only dynamic dimension, and
    is an output then, becomes a state: a buffer of the caller's with room for
    more, in which the run puts what is new behind what is there. The output
    goes. An input `<dimension>.length` says how much the buffers hold, and an
    output of the same name how much they hold afterwards; the dimension's name
    (the input's, where it has none) becomes `<dimension>.capacity`.

    ```mlir
    // Before: %past is an input, %present an output.
    %present = qnn.concat 2, %past, %new
        : tensor<1x2x?x64xf32>, tensor<1x2x1x64xf32> -> tensor<1x2x?x64xf32>
    // After: %buffer is the input, and goes back to where it came from.
    %updated, %present = qnn.append %new to %buffer at %length {axis = 2 : i64}
        : tensor<1x2x1x64xf32>, tensor<1x2x?x64xf32>, tensor<1xi64>
        -> tensor<1x2x?x64xf32>, tensor<1x2x?x64xf32>
    ```
  }];
  let dependentDialects = ["::quantc::qnn::QNNDialect"];
  let statistics = [
    Statistic<"numStates", "states", "Inputs that became states">
  ];
}

def HashModelPass : Pass<"qnn-hash-model", "::mlir::ModuleOp"> {
  let summary = "Record by which statistics know their model again";
  let description = [{
    Sets the module's `qnn.model_hash`, unless it is there: of the names of
    inputs, outputs and weights (float constants), and of weights' contents.
    Shapes do not count: statistics of a dynamic model hold for pinned sizes.
  }];
  let statistics = [Statistic<"numWeights", "weights", "Weights hashed">];
}

def NameValuesPass : Pass<"qnn-name-values", "::mlir::func::FuncOp"> {
  let summary = "Give each value a name of its own, for statistics";
  let description = [{
    Values of the ONNX model have names, in the locations of their ops. Values
    that a rewrite put into the place of one share its name, or have none: they
    get the node's name and a number, `node:0`, so that all names differ. Of
    several values with one name, the last in the function keeps it, since what
    replaces an op ends with its result.

    Names depend on nothing but the function, so calibration and quantization
    find the same ones after the same passes.
  }];
  let statistics = [
    Statistic<"numNamed", "values-named", "Values that got a new name">
  ];
}

def InsertObserversPass
    : Pass<"qnn-insert-observers", "::mlir::func::FuncOp"> {
  let summary = "Mark the values whose statistics calibration collects";
  let description = [{
    Puts a `qnn.observe` behind operands and results of ops with an integer
    form, and what ops that keep the scale make of them or make them of: what a
    recipe can ask for. With `values=all`, behind each named value of floating
    point that is no constant.

    The channels of a value are the input channels of an op with an integer form
    that uses it; else those of the axis in which the op that makes it has its
    channels.
  }];
  let options = [
    Option<"values", "values", "std::string", "\"quantizable\"",
           "Which values to observe: quantizable or all">,
    ListOption<"names", "names", "std::string",
               "Observe the values with these names only">
  ];
  let statistics = [
    Statistic<"numObserved", "values-observed", "Observers inserted">
  ];
}

#endif // QUANTC_DIALECT_QNN_TRANSFORMS_PASSES
