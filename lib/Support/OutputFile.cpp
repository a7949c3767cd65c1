//===- OutputFile.cpp - Where files may be written ------------------------===//

#include "quantc/Support/OutputFile.h"

#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;

Error quantc::checkOutput(StringRef path) {
  auto fail = [&](const Twine &reason) {
    return createStringError("cannot write '" + path + "': " + reason);
  };
  StringRef folder = sys::path::parent_path(path);
  if (!folder.empty() && !sys::fs::is_directory(folder))
    return fail("there is no folder '" + folder + "'");
  if (std::error_code code = sys::fs::access(folder.empty() ? "." : folder,
                                             sys::fs::AccessMode::Write))
    return fail("its folder may not be written (" + code.message() + ")");
  if (sys::fs::is_directory(path))
    return fail("it is a folder");
  if (sys::fs::exists(path) && !sys::fs::is_regular_file(path))
    return fail("it is a device or a pipe");
  return Error::success();
}
