//===- Columns.h - Columns of a matrix side by side -------------*- C++ -*-===//
//
// No method of this library lets one output's weights depend on another's: all
// are given some columns at a time, on as many threads as there are.
//
//===----------------------------------------------------------------------===//

#ifndef QUANTC_LIB_QUANTIZATION_COLUMNS_H
#define QUANTC_LIB_QUANTIZATION_COLUMNS_H

#include "GroupQuantizer.h"

namespace quantc {

/// Calls `work` with the first column, and the one behind the last, of parts of
/// `numColumns`. Where parts end does not depend on the machine, so neither do
/// sums that run over one. Of several errors, the first part's is returned.
llvm::Error forEachPart(int64_t numColumns,
                        llvm::function_ref<llvm::Error(int64_t, int64_t)> work);

/// Quantizes `weights` part by part: `quantize` is given some of its columns as
/// a matrix, and what `GroupQuantizer::createResult` makes for that.
llvm::Expected<QuantizedMatrix> quantizeColumns(
    const WeightMatrix &weights, const GroupQuantizer &quantizer,
    llvm::function_ref<llvm::Error(const WeightMatrix &, QuantizedMatrix &)>
        quantize);

} // namespace quantc

#endif // QUANTC_LIB_QUANTIZATION_COLUMNS_H
