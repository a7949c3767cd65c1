//===- NumpyFiles.h - Arrays in .npy and .npz files -------------*- C++ -*-===//
#ifndef QUANTC_SUPPORT_NUMPYFILES_H
#define QUANTC_SUPPORT_NUMPYFILES_H

#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/Support/Error.h"

#include <string>
#include <vector>

namespace quantc {

/// An array as a .npy file holds it, always little-endian and row-major.
struct NumpyArray {
  std::string name;
  /// numpy's type without the byte order: 'f', 'i', 'u', 'b' or 'V', and how
  /// many bytes an element has.
  char kind = 'f';
  unsigned itemSize = 4;
  llvm::SmallVector<int64_t> shape;
  std::vector<char> bytes;
};

/// Reads the bytes of a .npy file.
llvm::Expected<NumpyArray> parseNpy(llvm::StringRef bytes,
                                    llvm::StringRef name);
/// The bytes of a .npy file.
std::string formatNpy(const NumpyArray &array);

/// Reads all arrays of a .npz file, or the one of a .npy file (nameless).
llvm::Expected<std::vector<NumpyArray>> readNumpyFile(llvm::StringRef path);
/// Writes a compressed .npz file.
llvm::Error writeNpz(llvm::StringRef path,
                     const std::vector<NumpyArray> &arrays);

} // namespace quantc

#endif // QUANTC_SUPPORT_NUMPYFILES_H
