//===- Passes.td - Passes that instrument models --------------------------===//
#ifndef QUANTC_CALIBRATION_PASSES
#define QUANTC_CALIBRATION_PASSES

include "mlir/Pass/PassBase.td"

def LowerObserversPass : Pass<"qnn-lower-observers", "::mlir::ModuleOp"> {
  let summary = "Let observers call the calibrating process";
  let description = [{
    Each `qnn.observe` becomes a call of a host function with the observer's
    number and the tensor, which the function only reads: no activation is kept
    or copied. The names, and the axes of the channels (-1 for none), are
    recorded in the module's attributes `qnn.observed` and
    `qnn.observed_axes`, by number.

    ```mlir
    %c0 = arith.constant 0 : i64
    %t = tensor.cast %x : tensor<4x?xf32> to tensor<*xf32>
    func.call @quantc_observe_f32(%c0, %t) : (i64, tensor<*xf32>) -> ()
    ```
  }];
  let dependentDialects = ["::mlir::arith::ArithDialect",
                           "::mlir::bufferization::BufferizationDialect",
                           "::mlir::func::FuncDialect",
                           "::mlir::tensor::TensorDialect"];
  let statistics = [
    Statistic<"numLowered", "observers-lowered", "Observers lowered">
  ];
}

#endif // QUANTC_CALIBRATION_PASSES
