//===- ChannelOrder.h - Channels that may be neighbours ---------*- C++ -*-===//

#ifndef QUANTC_LIB_CODEGEN_GEMM_CHANNELORDER_H
#define QUANTC_LIB_CODEGEN_GEMM_CHANNELORDER_H

#include "RowPanels.h"

namespace quantc {

/// An order of the channels of filters in which few words are there in halves.
///
/// A word holds four channels, and the products of its first two and of its
/// last two are summed in 16 bits (DotProduct::sumsPairs), which is exact
/// unless both weights are large. Which channels are neighbours is free, as
/// long as the image is interleaved in the same order. Channels that conflict
/// in few words become pairs, and pairs that conflict in the same words become
/// words: a matching of least cost each, by greed first and exchanges of
/// partners then. The channels of a last word that is not full stay there.
llvm::SmallVector<int32_t> chooseChannelOrder(llvm::ArrayRef<char> bytes,
                                              const WeightRows &rows,
                                              int64_t panelRows);

} // namespace quantc

#endif // QUANTC_LIB_CODEGEN_GEMM_CHANNELORDER_H
