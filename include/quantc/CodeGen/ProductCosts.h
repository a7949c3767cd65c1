//===- ProductCosts.h - What products take on a target ----------*- C++ -*-===//
#ifndef QUANTC_CODEGEN_PRODUCTCOSTS_H
#define QUANTC_CODEGEN_PRODUCTCOSTS_H

#include "quantc/Support/ProductCosts.h"

#include "llvm/ADT/StringRef.h"

namespace quantc {

/// What our kernels take on a target with these features ("+avx2,+fma").
ProductCosts getProductCosts(llvm::StringRef features);

} // namespace quantc

#endif // QUANTC_CODEGEN_PRODUCTCOSTS_H
