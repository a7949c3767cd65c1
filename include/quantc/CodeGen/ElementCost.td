//===- ElementCost.td - What scalar ops cost ------------------------------===//
#ifndef QUANTC_CODEGEN_ELEMENTCOST
#define QUANTC_CODEGEN_ELEMENTCOST

include "mlir/IR/Interfaces.td"
include "mlir/IR/OpBase.td"

def ElementCostOpInterface : OpInterface<"ElementCostOpInterface"> {
  let cppNamespace = "::quantc";
  let description = [{
    A scalar op that takes much longer than an addition, such as a division or
    a function of MLIR's `math` dialect: what fusion would compute again, and
    loops to divide among threads, are weighed by it. Ops without it cost 1.
  }];
  let methods = [
    InterfaceMethod<"How many additions take about as long.",
      "int64_t", "getElementCost", (ins)>
  ];
}

#endif // QUANTC_CODEGEN_ELEMENTCOST
