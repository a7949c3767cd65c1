//===- Passes.td - Passes at the border of native code --------------------===//
#ifndef QUANTC_TARGET_NATIVE_PASSES
#define QUANTC_TARGET_NATIVE_PASSES

include "mlir/Pass/PassBase.td"

def RecordInterfacePass
    : Pass<"quantc-record-interface", "::mlir::ModuleOp"> {
  let summary = "Write down the model's inputs and outputs as attributes";
  let description = [{
    Lowering changes the types of `@main` (a tensor of bools becomes bytes, then
    a pointer), but the library has to describe the tensors that the model
    speaks of. This pass stores names, types and symbolic dimensions in the
    module attributes `qnn.inputs` and `qnn.outputs`, and does nothing if they
    are there already.

    ```mlir
    func.func @main(%arg0: tensor<?x4xi1> {qnn.name = "mask", qnn.dims = ["n", ""]})
        -> (tensor<?xf32> {qnn.name = "y"})
    // adds to the module:
    //   qnn.inputs = [ {name = "mask", type = tensor<?x4xi1>, dims = ["n", ""]} ]
    //   qnn.outputs = [ {name = "y", type = tensor<?xf32>, dims = [""]} ]
    ```
  }];
}

def EmitEntryPointPass
    : Pass<"quantc-emit-entry-point", "::mlir::ModuleOp"> {
  let summary = "Add the exported functions and the description of a model";
  let description = [{
    Works on the LLVM dialect, after everything else. Makes `@main` private and
    adds what `model.h` declares: the description of inputs and outputs as
    constants, a function that calls `@main` through arrays of memref
    descriptors, and exported functions `<prefix>_info`, `_run`, `_last_error`,
    `_set_num_threads` and `_profile`, which forward to the runtime archive or
    return a constant. Expects the attributes that `quantc-record-interface`
    writes, and describes the counters of `quantc-profile-kernels`.
  }];
  let options = [
    Option<"prefix", "prefix", "std::string", "\"quantc_model\"",
           "What the exported functions' names start with">,
    Option<"modelName", "model-name", "std::string", "\"\"",
           "The name that the library tells">,
    Option<"triple", "triple", "std::string", "\"\"",
           "The machine that the library is for">,
    Option<"features", "features", "std::string", "\"\"",
           "CPU features that the library checks before it runs">,
    Option<"entryOnly", "entry-only", "bool", "false",
           "Add `<prefix>_entry(inputs, outputs)` only, which takes arrays of "
           "pointers to descriptors: for a caller in the same process">,
    Option<"variant", "variant", "std::string", "\"\"",
           "Export nothing, but name description and entry "
           "`<variant>_model_info` and `<variant>_entry` for "
           "`quantc-emit-dispatch`">,
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
}

def EmitDispatchPass : Pass<"quantc-emit-dispatch", "::mlir::ModuleOp"> {
  let summary = "Export a model that other objects define for several targets";
  let description = [{
    Adds the exported functions of `model.h` to a module, for a model whose
    variants (one a target, the most demanding first) are in other objects of the
    library, made with `quantc-emit-entry-point{variant=...}`. The runtime takes
    the first variant whose CPU features the processor has.
  }];
  let options = [
    Option<"prefix", "prefix", "std::string", "\"quantc_model\"",
           "What the exported functions' names start with">,
    ListOption<"variants", "variants", "std::string",
               "What names of the variants' symbols start with">,
  ];
  let dependentDialects = ["::mlir::LLVM::LLVMDialect"];
  let statistics = [
    Statistic<"numVariants", "variants", "Variants to choose from">
  ];
}

#endif // QUANTC_TARGET_NATIVE_PASSES
