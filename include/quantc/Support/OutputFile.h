//===- OutputFile.h - Where files may be written ----------------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_OUTPUTFILE_H
#define QUANTC_SUPPORT_OUTPUTFILE_H

#include "llvm/Support/Error.h"

namespace quantc {

/// Whether a file that is written beside `path`, and renamed at the end, can
/// become `path`: its folder must be there and may be written, and what is
/// there under this name must be a file. (Renaming would put a file in the
/// place of a device.)
llvm::Error checkOutput(llvm::StringRef path);

} // namespace quantc

#endif // QUANTC_SUPPORT_OUTPUTFILE_H
