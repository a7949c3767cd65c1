//===- Passes.td - Passes that compute at compile time --------------------===//
#ifndef QUANTC_JIT_PASSES
#define QUANTC_JIT_PASSES

include "mlir/Pass/PassBase.td"

def FoldConstantsPass : Pass<"qnn-fold-constants", "::mlir::ModuleOp"> {
  let summary = "Compute what depends on constants only, at compile time";
  let description = [{
    Every pure qnn op whose operands are constants, and the ops that use only
    their results, are moved to a module of their own, compiled by the JIT with
    the pipelines that compile the model, run once, and replaced by what they
    gave; those in a branch or a loop, too, block by block. So there is no
    second implementation of any op for folding. Floats that come from a
    `qnn.dequantize` say so by an attribute (`qnn.dequantized`), for
    `qnn-verify-folded`.

    Results larger than `max-growth` times the constants they come from stay (an
    expanded constant is cheaper to expand again than to store), unless they are
    below 64 KB. In a branch or a loop they stay, however small. Results of few
    elements may decide shapes: they stay in a loop that is in no branch, and in
    a branch if what follows from them contradicts other sizes there, as in one
    that is never taken for the model's sizes. With `keep-dequantized`, a graph in QDQ
    form keeps it.
  }];
  let options = [
    Option<"maxGrowth", "max-growth", "double", "2.0",
           "Largest ratio of a result's bytes to its constants' bytes">,
    Option<"keepDequantized", "keep-dequantized", "bool", "false",
           "Leave what dequantizes constants, and what computes with that">
  ];
  let statistics = [
    Statistic<"numFolded", "ops-folded", "Ops computed at compile time">,
    Statistic<"bytesFolded", "bytes-folded", "Bytes of the new constants">
  ];
}

#endif // QUANTC_JIT_PASSES
