//===- Tensors.h - Arrays of files as a model's tensors ---------*- C++ -*-===//
#ifndef QUANTC_TOOLS_QUANTC_TENSORS_H
#define QUANTC_TOOLS_QUANTC_TENSORS_H

#include "quantc/Driver/LoadedModel.h"
#include "quantc/Support/NumpyFiles.h"

#include "llvm/ADT/StringMap.h"

namespace quantc::tool {

/// Tensors for all inputs of a model, and the arrays that they point into.
class InputSet {
public:
  explicit InputSet(std::vector<NumpyArray> arrays,
                    llvm::ArrayRef<QuantcTensorInfo> infos);
  llvm::SmallVector<const DLTensor *> pointers() const;

private:
  std::vector<NumpyArray> arrays;
  std::vector<DLTensor> tensors;
};

/// Orders arrays as the model wants them. A nameless array is the only input.
llvm::Expected<InputSet> bindInputs(const LoadedModel &model,
                                    std::vector<NumpyArray> arrays);

/// Random numbers for each input. Sizes of dynamic dimensions come from
/// `shapes`, by the input's name, and are 1 without.
llvm::Expected<InputSet>
randomInputs(const LoadedModel &model,
             const llvm::StringMap<llvm::SmallVector<int64_t>> &shapes);

NumpyArray toNumpyArray(const QuantcTensorInfo &info, const DLTensor &tensor);

/// "float32 [batch,3,?]".
std::string describe(const QuantcTensorInfo &info);

} // namespace quantc::tool

#endif // QUANTC_TOOLS_QUANTC_TENSORS_H
