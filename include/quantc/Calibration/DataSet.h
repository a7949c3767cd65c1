//===- DataSet.h - The samples that calibration runs ------------*- C++ -*-===//
#ifndef QUANTC_CALIBRATION_DATASET_H
#define QUANTC_CALIBRATION_DATASET_H

#include "quantc/JIT/JIT.h"
#include "quantc/Support/NumpyFiles.h"
#include "quantc/Target/Native/Interface.h"

namespace quantc {

/// The inputs of one run of a model, in order. The views may point into
/// the rest of this (whose elements stay where they are if it is moved) or into
/// the data set, which must outlive it.
struct Sample {
  llvm::SmallVector<TensorView> inputs;
  std::vector<NumpyArray> arrays;
  std::vector<llvm::SmallVector<int64_t>> shapes;
};

/// A .npz file whose arrays hold samples along their first axis, or a folder
/// with a .npz file for each sample (in the order of their names).
///
/// In a file, an array has one dimension more than its input, and each index
/// of the first is a sample; or as many as its input, and the first dimension
/// is cut into batches of the size that the model has (1 if it is dynamic).
class DataSet {
public:
  /// Fails if the data do not fit the model's inputs. Files of a folder are
  /// read when they are needed.
  static llvm::Expected<DataSet> open(llvm::StringRef path,
                                      const native::ModelInterface &interface);
  /// The same for arrays in memory, as a .npz file would hold them.
  static llvm::Expected<DataSet>
  fromArrays(std::vector<NumpyArray> arrays,
             const native::ModelInterface &interface);

  size_t size() const { return files.empty() ? numSamples : files.size(); }
  /// Safe to call from several threads at a time.
  llvm::Expected<Sample> get(size_t index) const;

private:
  llvm::SmallVector<native::TensorInterface> inputs;
  /// Without a folder: an array for each input, and the indices of its first
  /// dimension that a sample takes (0: one, which it drops).
  std::vector<NumpyArray> arrays;
  llvm::SmallVector<int64_t> batchSizes;
  size_t numSamples = 0;
  std::vector<std::string> files;
};

} // namespace quantc

#endif // QUANTC_CALIBRATION_DATASET_H
