//===- Passes.h - Passes that instrument models -----------------*- C++ -*-===//

#ifndef QUANTC_CALIBRATION_PASSES_H
#define QUANTC_CALIBRATION_PASSES_H

#include "mlir/Pass/Pass.h"

namespace quantc {

#define GEN_PASS_DECL
#include "quantc/Calibration/Passes.h.inc"

#define GEN_PASS_REGISTRATION
#include "quantc/Calibration/Passes.h.inc"

} // namespace quantc

#endif // QUANTC_CALIBRATION_PASSES_H
