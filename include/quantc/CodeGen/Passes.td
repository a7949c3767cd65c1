//===- Passes.td - Passes from linalg on tensors to LLVM --*- tablegen -*-===//

#ifndef QUANTC_CODEGEN_PASSES
#define QUANTC_CODEGEN_PASSES

include "quantc/CodeGen/TensorPasses.td"

def PrepareEntryPass : Pass<"quantc-prepare-entry", "mlir::ModuleOp"> {
  let summary = "Keep the entry point's results apart from its arguments";
  let description = [{
    The caller of the public functions owns their results, and keeps its
    arguments. So before bufferization this pass marks the arguments as not
    writable and copies each returned tensor that may share its buffer with an
    argument, a constant or another result. Arguments that are states of the
    model (`qnn.state`) are written, and their results stay what they are.
  }];
  let dependentDialects = ["mlir::bufferization::BufferizationDialect"];
  let statistics = [
    Statistic<"numCopied", "results-copied", "Results returned through a copy">
  ];
}

def ReturnStatesPass : Pass<"quantc-return-states", "mlir::ModuleOp"> {
  let summary = "Leave results that are states in the arguments' memory";
  let description = [{
    Works on buffers. A result with the attribute `qnn.state` belongs into the
    argument that has the same one. Bufferization has put it there, mostly; else
    it is copied. The result goes.
  }];
  let dependentDialects = ["mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numInPlace", "in-place", "States that were updated in place">,
    Statistic<"numCopied", "copied", "States that had to be copied back">
  ];
}

def OutlineKernelsPass : Pass<"quantc-outline-kernels", "mlir::ModuleOp"> {
  let summary = "Outline groups of linalg ops into shared kernels";
  let description = [{
    Moves each linalg op, together with the ops that are cheapest next to it,
    into a private function on buffers in destination-passing style, and calls
    it with `kernel.call`. A group is a root, the fill of its output, the
    zero-padding of its input if it is a convolution, and the elementwise op
    that alone consumes it; or reductions along rows with all that is computed
    of the same rows before, between and behind them; or an attention, where
    such rows are a product and become the left-hand side of another one.
    Tensors become arguments, weights too; scalar constants move along. Groups that are equal share one function, so compile
    time and code size grow with the number of different layers. Where groups
    differ in numbers only (scales and zero points, say), those numbers are
    arguments (`llvm.nofpclass` says that they are never NaN), and the groups
    share one function as well.
    A kernel whose buffers all have known sizes has the attribute
    `llvm.bareptr`: calls pass their pointers, without the sizes and strides.

    ```mlir
    %0 = linalg.fill ins(%zero : f32) outs(%e : tensor<8x16xf32>)
    %1 = linalg.matmul ins(%a, %b : ...) outs(%0 : tensor<8x16xf32>)
    // becomes
    %1 = kernel.call @kernel_0_matmul ins(%a, %b : ...) outs(%e : ...)
    ```
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::func::FuncDialect",
    "mlir::memref::MemRefDialect", "::quantc::kernel::KernelDialect"
  ];
  let statistics = [
    Statistic<"numKernels", "kernels", "Different kernels">,
    Statistic<"numCalls", "kernel-calls", "Calls of kernels">,
    Statistic<"numFusedEpilogues", "fused-epilogues",
              "Elementwise ops fused into the op before them">,
    Statistic<"numFusedRowOps", "fused-row-ops",
              "Ops that joined a reduction along the same rows">,
    Statistic<"numFoldedPads", "folded-pads",
              "Paddings fused into a convolution">,
    Statistic<"numAttentions", "attentions",
              "Kernels of two products with rows between them">,
    Statistic<"numNumberArguments", "number-arguments",
              "Arguments of kernels for numbers that calls differ in">
  ];
}

def LowerAttentionPass : Pass<"quantc-lower-attention", "mlir::ModuleOp"> {
  let summary = "Lower kernels of two products to one loop over rows";
  let description = [{
    Rewrites a kernel that multiplies what ops over rows (a softmax) make of a
    product. A task packs the right-hand sides of both products for one index of
    the outer loops (a head), and goes through its rows in blocks of 16 to 64:
    scores, the ops over rows, and the second product, with the rows' scores in
    the second-level cache. No matrix of queries by keys is in memory, so that
    an attention of n positions takes memory for n, not n². Results are the same
    as those of separate kernels: each row is computed as it would be there, with
    whole rows of scores rather than running maxima (Dao et al. 2022,
    "FlashAttention", rescales partial sums instead).

    Products of floats and of 8-bit integers, zero points and epilogues (scale,
    mask, requantize) are those of `quantc-lower-contractions`.

    Heads of queries that share a head of keys and values (outer loops that the
    right-hand sides do not depend on) are one task's, which packs the panels
    once. Numbers of rows and columns may be those of the run: where there is a
    single row, as when a language model appends a token, the rows of a block
    are those of all heads that share the panels.

    Where a mask is added to the scores of a softmax, a block of rows goes no
    further than the last column that is not masked in all of them: half of a
    causal attention is not computed. What a mask adds decides at run time: no
    more than -10^8, in a row with another column to which it adds more than
    -10^4. Such a column weighs exp(-10^8) = 0, unless scores are of that size,
    too, or not finite.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">,
    Option<"threads", "threads", "bool", "true",
           "Run heads and parts of them in parallel">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numAttentions", "attentions", "Kernels lowered">,
    Statistic<"numMasked", "masked", "Kernels that leave out masked columns">,
    Statistic<"numUnmatched", "unmatched",
              "Kernels whose parts are lowered one by one">
  ];
}

def LowerContractionsPass
    : Pass<"quantc-lower-contractions", "mlir::ModuleOp"> {
  let summary = "Lower the contractions of kernels to blocked vector code";
  let description = [{
    Rewrites each contraction and convolution on buffers, together with the fill
    before and the elementwise op after it, as loops around a register-blocked
    micro-kernel in the vector dialect. Panels of the right-hand side are packed
    on the fly, a convolution's windows too (its padding is never stored), or
    at compile time if every caller passes a constant; a constant of which only
    packed copies are read is erased. A cost model cuts products into blocks,
    unless a file has others for the target and the product. Other forms stay as they are, for the
    lowering to loops.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">,
    Option<"threads", "threads", "bool", "true",
           "Run the blocks of large products in parallel">,
    Option<"releaseWeights", "release-weights", "bool", "false",
           "Free the bytes of weights once only packed copies are read; no "
           "other module of the context may use them">,
    Option<"deferWeights", "defer-weights", "bool", "false",
           "Leave weights to be packed when they are written: the module names "
           "them, but the kernel dialect keeps how they are made">,
    Option<"kernels", "kernels", "std::string", "\"\"",
           "A file with blocks for some products, as quantc tune --kernels "
           "writes it; the cost model chooses the others">,
    Option<"record", "record", "bool", "false",
           "List the products and their blocks in the module's attribute "
           "qnn.products">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "quantc::kernel::KernelDialect", "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numContractions", "contractions", "Contractions lowered">,
    Statistic<"numConvolutions", "convolutions", "Convolutions lowered">,
    Statistic<"numPackedWeights", "packed-weights",
              "Constants packed at compile time">,
    Statistic<"numUnmatched", "unmatched", "Roots that stay loops">,
    Statistic<"numChosen", "chosen", "Products with the blocks of a file">,
    Statistic<"numProvedPanels", "proved-panels",
              "Panels of weights whose sums of pairs of bytes cannot saturate">,
    Statistic<"numMixedPanels", "mixed-panels",
              "Panels of weights with words that could, which are widened">
  ];
}

def LowerRowsPass : Pass<"quantc-lower-rows", "mlir::ModuleOp"> {
  let summary = "Lower reductions along rows to vector code, row by row";
  let description = [{
    Rewrites a kernel of ops over the same rows (softmax, normalizations, means)
    as one loop over blocks of rows. All ops that need the same reductions run
    in one sweep along a row, in vectors, for a few rows side by side; what a
    later sweep needs again stays in the first-level cache. A sum of floats has
    eight partial sums in every target's code, which are added in halves at the
    end. Kernels with other ops stay as they are, for the lowering to loops.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">,
    Option<"threads", "threads", "bool", "true",
           "Run many rows in parallel">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numRowKernels", "row-kernels", "Kernels lowered">,
    Statistic<"numSweeps", "sweeps", "Sweeps along the rows of all kernels">
  ];
}

def LowerLookupsPass : Pass<"quantc-lower-lookups", "mlir::ModuleOp"> {
  let summary = "Lower tables of bytes to permutations of vectors";
  let description = [{
    An op that replaces each byte of a contiguous buffer by the one that a table
    of 256 bytes holds for it becomes a loop over vectors. With `avx512vbmi`
    these have 64 bytes: two permutations of 128 bytes of the table each
    (`vpermi2b`), of which the sign bits of the indices select. With `ssse3`,
    `avx2` or `avx512bw`, they are registers: sixteen permutations of 16 bytes
    (`pshufb`), of which the four highest bits select. Other targets keep the
    op, which becomes a loop over bytes.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">,
    Option<"threads", "threads", "bool", "true",
           "Run large buffers in parallel">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numLookups", "lookups", "Ops lowered">
  ];
}

def LowerTransposesPass : Pass<"quantc-lower-transposes", "mlir::ModuleOp"> {
  let summary = "Lower elementwise ops that transpose to blocks in registers";
  let description = [{
    An elementwise op that reads an input whose innermost dimension is another
    one than its output's becomes loops over squares of elements: as many
    vectors of the input as each has lanes, transposed by interleaving halves
    (log2(lanes) steps), computed on, and stored as vectors of the output. A
    task is a strip of columns, 256 bytes of each row; what is left of rows and
    columns is computed element by element. Loops that all operands walk through
    together become one first, so that lines are long.

    Elements of up to 32 bits are transposed, in squares of 16 (bytes), 8, or 4
    (32 bits in vectors of 128 bits). Ops with a known size of fewer than that
    are kept, and so are those whose inputs have several dimensions innermost.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">,
    Option<"threads", "threads", "bool", "true",
           "Run large buffers in parallel">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numTransposes", "transposes", "Ops lowered">
  ];
}

def FreeLocalBuffersPass : Pass<"quantc-free-local-buffers", "mlir::ModuleOp"> {
  let summary = "Free buffers that nobody else can own";
  let description = [{
    Takes buffers out of a `bufferization.dealloc`: those that the same block
    allocates, whose condition is true, and that no result of an op, argument of
    a block or terminator can be. What is left is simplified by comparing each
    buffer with each other one.

    ```mlir
    %a = memref.alloc() : memref<16xf32>
    call @kernel(%x, %a) : (memref<16xf32>, memref<16xf32>) -> ()
    bufferization.dealloc (%a, %b : memref<16xf32>, memref<16xf32>) if (%true, %c)
    // becomes
    memref.dealloc %a : memref<16xf32>
    bufferization.dealloc (%b : memref<16xf32>) if (%c)
    ```
  }];
  let dependentDialects = ["mlir::memref::MemRefDialect"];
  let statistics = [
    Statistic<"numFreed", "freed", "Buffers that are freed at once">
  ];
}

def PlanMemoryPass : Pass<"quantc-plan-memory", "mlir::ModuleOp"> {
  let summary = "Place buffers of known size in one arena";
  let description = [{
    Runs on functions whose buffers have their deallocations. Each buffer of a
    public function whose size is known, and which the block that allocates it
    also frees, becomes a view of one arena, at an offset that is a multiple of
    64. Buffers that are live at the same time do not overlap: the largest is
    placed first, each in the smallest gap that holds it. Results and buffers of
    dynamic size stay allocations; the latter are freed behind their last use.
    The arena is allocated at each call of the model, so that several threads
    may call it; the run time keeps its pages.

    ```mlir
    %a = memref.alloc() : memref<16xf32>
    // becomes
    %arena = memref.alloc() {alignment = 64 : i64} : memref<128xi8>
    %a = memref.view %arena[%c64][] : memref<128xi8> to memref<16xf32>
    ```
  }];
  let options = [
    Option<"printPlan", "print-plan", "bool", "false",
           "Print the buffers with their offsets and positions">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numPlanned", "planned-buffers", "Buffers in the arena">,
    Statistic<"numLeft", "other-buffers", "Buffers allocated apart">,
    Statistic<"sumOfBuffers", "sum-of-buffers",
              "Bytes of the planned buffers">,
    Statistic<"arenaBytes", "arena-bytes", "Bytes of the arena">
  ];
}

def PrintAllocationsPass
    : Pass<"quantc-print-allocations", "mlir::ModuleOp"> {
  let summary = "List what a call allocates beside the arena";
  let description = [{
    Prints the second part of the memory plan: each `memref.alloc` that is left
    once kernels are loops, but for the arena. Those of kernels are panels, padded
    images and rows that are too large for a thread's stack; one in a parallel
    region is there once for each thread. Kernels run one after
    another, so that what the largest of them takes is what all take. Those of
    `main` are results, and buffers whose size only the call tells.

    Dynamic sizes are formulas over the dimensions of the model's inputs, as far
    as they can be traced: `4 * 512 * batch`. Nothing is changed.
  }];
}

def ProfileKernelsPass : Pass<"quantc-profile-kernels", "mlir::ModuleOp"> {
  let summary = "Time each call of a kernel, and count its work";
  let description = [{
    For `quantc compile --profile`; runs on buffers, while kernels still hold
    the linalg ops that tell their work. Around each call of a kernel it puts
    calls of the run time, which add the time to counters of this place, with
    the number of operations and of bytes:

    - operations: two for each step of a kernel's product (a multiplication and
      an addition); if it has none, the arithmetic of its elementwise and
      reducing ops;
    - bytes: each operand and result once, weights of few bits as such, of a
      table that is looked up in only what is read.

    Both come from sizes that are constants, or that the call tells. The module
    attribute `qnn.profile` says which nodes, which kernel and which operations
    (`f32`, `int8`) each counter stands for.

    ```mlir
    func.call @kernel_0_matmul(%a, %b, %c)
    // becomes
    %counters = llvm.getelementptr %all[0, 0] ...
    %start = func.call @quantc_rt_profile_begin() : () -> i64
    func.call @kernel_0_matmul(%a, %b, %c)
    func.call @quantc_rt_profile_end(%counters, %start, %operations, %bytes)
    ```
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numCalls", "profiled-calls", "Calls with a clock around them">,
    Statistic<"numUnknown", "unknown-work",
              "Calls whose work the sizes of operands do not tell">
  ];
}

def SpeculateRoundingsPass : Pass<"quantc-speculate-roundings"> {
  let summary = "Bound functions whose results are rounded to 8 bits";
  let description = [{
    A GELU between a product and its quantization is an erf of which 8 bits are
    left. These are known without it but next to where the rounding changes: two
    bounds of 1 + erf(x), of one polynomial, are multiplied and rounded; where
    they become the same integers, so does what is between. Where an element of
    a vector has two, all are computed again as they were, behind a branch that
    is not expected (2 of 100 vectors of 32 normally distributed elements with a
    scale of 0.03). The integers are the same in all cases.

    Only products are taken, as sums may cancel: (1 + erf(x)) by one vector and
    up to three numbers that all lanes share, between 2^-32 and 2^32, so that
    nothing overflows that is not saturated then. Of numbers that are not known
    here, as kernels of one form share them, this is asked when the code runs.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::math::MathDialect", "mlir::scf::SCFDialect",
    "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numSpeculated", "speculated",
              "Vectors of functions computed by bounds first">
  ];
}

def ExpandMathPass : Pass<"quantc-expand-math"> {
  let summary = "Expand math functions into arithmetic";
  let description = [{
    Replaces the f32 functions of the math dialect with polynomials (at most
    1e-6 off, relative), so that loops over them vectorize and the library
    calls nothing per element. exp (1 unit in the last place) and erf (3) are
    those of ONNX Runtime, rounding by rounding (but for subnormal results):
    integers computed from their results are its integers. f16 and bf16 compute
    in f32; f64 keeps its calls into libm.

    exp of f32 that is flagged `afn`, or only added to 1, gives 0 for results
    below 2^-125, which takes a third less.

    A number that is rounded to the nearest integer (half to even) and then
    converted is one instruction on x86 (`cvtps2dq`), which LLVM does not find.
    On AVX2 the instructions that narrow integers clamp them to bytes as well.
    A clamp (`maxnumf`, `minnumf`) at a number that is not NaN is one comparison.
    `maximumf` and `minimumf` of two that may be NaN are LLVM's instruction.
  }];
  let options = [
    Option<"targetFeatures", "target-features", "std::string", "\"\"",
           "LLVM's feature list of the target">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::math::MathDialect", "mlir::vector::VectorDialect"
  ];
  let statistics = [
    Statistic<"numExpanded", "expanded",
              "Functions and clamps that became arithmetic">
  ];
}

def LowerAssertsPass : Pass<"quantc-lower-asserts", "mlir::ModuleOp"> {
  let summary = "Turn failed assertions into errors of the model";
  let description = [{
    Lowers `cf.assert` to a branch to a block that calls the run time's
    `quantc_rt_fail` with the message. That function does not return: it
    leaves the model's entry with an error.
  }];
  let dependentDialects = [
    "mlir::cf::ControlFlowDialect", "mlir::LLVM::LLVMDialect"
  ];
  let statistics = [
    Statistic<"numAsserts", "asserts", "Assertions lowered">
  ];
}

def LowerCopiesPass : Pass<"quantc-lower-copies", "mlir::ModuleOp"> {
  let summary = "Make copies between strided buffers loops";
  let description = [{
    Bufferization leaves `memref.copy`. Between contiguous buffers that becomes
    a memcpy; any other would call a function of MLIR's runtime library, which
    a model does not have, so it becomes a linalg op here. In functions that are
    not private, that is in a function of its own, one for all copies between
    the same types: layers share it, it may run on all threads, and its buffers
    are known not to overlap. Of sizes that only the run knows, lines that lie
    one behind the other in both buffers become one line.
  }];
  let dependentDialects = ["mlir::arith::ArithDialect",
                           "mlir::func::FuncDialect",
                           "mlir::linalg::LinalgDialect"];
  let statistics = [
    Statistic<"numLowered", "copies-lowered", "Copies that became loops">,
    Statistic<"numCopiers", "copy-functions", "Functions made for copies">,
    Statistic<"numJoined", "lines-joined", "Such that join lines at run time">,
    Statistic<"numLeft", "copies-left", "Copies of contiguous buffers">
  ];
}

def LowerReshapesPass : Pass<"quantc-lower-reshapes"> {
  let summary = "Lower reshapes into several dynamic dimensions";
  let description = [{
    Turns a `memref.expand_shape` that splits one dimension into more than one
    dynamic dimension into a `memref.reinterpret_cast` with the sizes that the
    op states; `expand-strided-metadata` handles the others.
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numLowered", "reshapes-lowered", "Views that were lowered here">
  ];
}

def BoundAllocationsPass : Pass<"quantc-bound-allocations"> {
  let summary = "Allocate buffers by sizes in bytes that do not wrap";
  let description = [{
    Sizes come from a model's inputs, and their product may need more than 64
    bits: the conversion to LLVM would allocate what is left of it. This pass
    computes the bytes of each buffer itself, and asks for 2^63 - 1 where they
    are more than that or a size is negative. The run time has no such memory,
    and leaves the model's entry with an error. So it does for an empty buffer
    whose other sizes are that large: loops over these would not end. Any other
    empty buffer takes no bytes.

    ```mlir
    %0 = memref.alloc(%m, %n) : memref<?x?xf32>
    // becomes
    %low, %high = arith.mului_extended %m, %n : index
    ...
    %1 = memref.alloc(%bytes) : memref<?xi8>
    %0 = memref.view %1[%c0][%m, %n] : memref<?xi8> to memref<?x?xf32>
    ```
  }];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::memref::MemRefDialect"
  ];
  let statistics = [
    Statistic<"numBounded", "bounded", "Allocations whose sizes are checked">
  ];
}

def ParallelizeLoopsPass
    : Pass<"quantc-parallelize-loops", "mlir::ModuleOp"> {
  let summary = "Lower the other ops of kernels to loops, in parallel";
  let description = [{
    Lowers the linalg ops that kernels still hold to loops. Large ones run on
    all threads: every parallel loop outside of the last loop becomes one
    parallel loop. An elementwise op on whole contiguous buffers becomes a
    single loop, in chunks, so that short lines cost nothing. Where an element
    costs as much as a polynomial, LLVM is asked for several vectors side by
    side (`llvm.loop.interleave.count`). A reduction of windows or of columns
    passes over whole lines of its outputs, which LLVM vectorizes, with up to 16
    elements of a window in each pass; each output adds up in the same order as
    before, and starts from a number in a register where one pass is enough and
    its buffer is filled with that number. Maxima of windows of several lines are found in two steps where that
    is less work: columns first, for all windows that have them, then windows,
    256 results of a line at a time. What is padded for that alone is never
    copied: lines and columns of the edge are left out.
  }];
  let options = [
    Option<"threads", "threads", "bool", "true", "Run large loops in parallel">
  ];
  let dependentDialects = [
    "mlir::arith::ArithDialect", "mlir::LLVM::LLVMDialect",
    "mlir::memref::MemRefDialect", "mlir::omp::OpenMPDialect",
    "mlir::scf::SCFDialect"
  ];
  let statistics = [
    Statistic<"numFlattened", "flattened", "Ops that became one loop">,
    Statistic<"numInterleaved", "interleaved",
              "Loops of several vectors side by side">,
    Statistic<"numTwoSteps", "two-steps",
              "Maxima of windows found by way of columns">,
    Statistic<"numParallelized", "parallelized", "Ops run on all threads">
  ];
}

def OutlineLoopsPass : Pass<"quantc-outline-loops", "mlir::ModuleOp"> {
  let summary = "Leave parallel loops to the runtime";
  let description = [{
    Takes functions of the LLVM dialect in which `omp.parallel` holds nothing
    but a loop. Its body becomes a function over a range of iterations, with
    what it uses in a struct, and the loop a call of `quantc_rt_parallel`: that
    hands ranges to the threads that a run of the model has, and calls the
    function for all iterations where there is one thread, or `if` says that
    the loop is short. So a run starts threads once, and with one thread enters
    no OpenMP library at all.
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
  let statistics = [
    Statistic<"numLoops", "outlined-loops", "Loops that became functions">
  ];
}

def IsolateKernelsPass : Pass<"quantc-isolate-kernels", "mlir::ModuleOp"> {
  let summary = "Tell LLVM what holds for kernels";
  let description = [{
    Functions of the LLVM dialect that are only ever called get internal
    linkage, so that LLVM drops those that it inlines, and their pointers
    `noalias`: no output of a kernel shares memory with another argument. What
    reads and writes through these pointers gets scopes that say the same, which
    stay with it where loops become functions of their own: so LLVM vectorizes
    them without asking whether buffers overlap, and reads once what does not
    change.
  }];
  let dependentDialects = ["mlir::LLVM::LLVMDialect"];
  let statistics = [
    Statistic<"numKernels", "isolated-kernels",
              "Functions that became internal">,
    Statistic<"numAccesses", "scoped-accesses",
              "Reads and writes through a pointer of a kernel">
  ];
}

#endif // QUANTC_CODEGEN_PASSES
