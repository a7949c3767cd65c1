//===- KernelOps.td - The kernel dialect ------------------*- tablegen -*-===//
//
// One op that stands for a call of an outlined kernel while the caller still
// works on tensors. See the pass quantc-outline-kernels.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_KERNEL_OPS
#define QUANTC_KERNEL_OPS

include "mlir/Dialect/Bufferization/IR/BufferizableOpInterface.td"
include "mlir/IR/OpBase.td"
include "mlir/IR/SymbolInterfaces.td"
include "mlir/Interfaces/DestinationStyleOpInterface.td"
include "mlir/Interfaces/SideEffectInterfaces.td"

def Kernel_Dialect : Dialect {
  let name = "kernel";
  let cppNamespace = "::quantc::kernel";
  let summary = "Calls of kernels, between tensors and buffers";
  let description = [{
    A kernel is a private function on contiguous memrefs that was outlined from
    a model's main function. This dialect holds the op that calls one from code
    on tensors, and, as an interface (`DeferredConstants`), the constants that
    kernels read and that are made when they are written.
  }];
}

def Kernel_CallOp : Op<Kernel_Dialect, "call", [
    AttrSizedOperandSegments, DestinationStyleOpInterface, Pure,
    DeclareOpInterfaceMethods<SymbolUserOpInterface>,
    DeclareOpInterfaceMethods<BufferizableOpInterface, [
      "bufferizesToMemoryRead", "bufferizesToMemoryWrite", "getAliasingValues",
      "bufferize"]>]> {
  let summary = "Calls a kernel in destination-passing style";
  let description = [{
    Calls a function whose arguments are the inputs, then the outputs, each
    tensor as a memref with the identity layout, or an input as a view
    (`getViewType`): then its buffer is not copied, though it has gaps. Bufferization replaces the op
    with a `func.call`. Each result is what the function leaves in the output of
    the same number. The function does not read what the outputs hold, unless
    `reads_outputs` says so, and no output shares memory with another argument.
  }];
  let arguments = (ins FlatSymbolRefAttr:$callee, Variadic<AnyType>:$inputs,
                       Variadic<AnyRankedTensor>:$outputs,
                       UnitAttr:$reads_outputs);
  let results = (outs Variadic<AnyRankedTensor>:$results);
  let assemblyFormat = [{
    $callee (`reads_outputs` $reads_outputs^)?
    `ins` `(` ($inputs^ `:` type($inputs))? `)`
    `outs` `(` $outputs `:` type($outputs) `)` attr-dict
    `->` type($results)
  }];
  let extraClassDeclaration = [{
    ::mlir::MutableOperandRange getDpsInitsMutable() {
      return getOutputsMutable();
    }
  }];
}

#endif // QUANTC_KERNEL_OPS
