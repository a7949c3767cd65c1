//===- Link.cpp - Objects and the runtime to a shared library -------------===//
//
// The runtime archive and the header are embedded in this program, so that it
// works from wherever it is installed.
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/OutputFile.h"
#include "quantc/Target/Native/Native.h"
#include "quantc/Target/Native/Weights.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Config/llvm-config.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Program.h"

using namespace llvm;

// The build defines QUANTC_RUNTIME_ARCHIVE and QUANTC_MODEL_HEADER as paths.
#define EMBED(name, path)                                                      \
  __asm__(".pushsection .rodata\n"                                             \
          ".hidden " #name "\n.hidden " #name "_end\n"                         \
          ".globl " #name "\n.globl " #name "_end\n" #name ":\n"               \
          ".incbin \"" path "\"\n" #name "_end:\n.byte 0\n"                    \
          ".popsection\n");                                                    \
  extern "C" __attribute__((visibility("hidden"))) const char name[];          \
  extern "C" __attribute__((visibility("hidden"))) const char name##_end[];

EMBED(quantc_embedded_runtime, QUANTC_RUNTIME_ARCHIVE)
EMBED(quantc_embedded_header, QUANTC_MODEL_HEADER)

std::string quantc::native::getModelHeader(StringRef prefix) {
  std::string text(quantc_embedded_header, quantc_embedded_header_end);
  auto replaceAll = [&](StringRef from, StringRef to) {
    for (size_t at = 0; (at = text.find(from, at)) != std::string::npos;
         at += to.size())
      text.replace(at, from.size(), to);
  };
  if (prefix != "quantc_model") {
    replaceAll("quantc_model", prefix);
    replaceAll("QUANTC_MODEL_H", prefix.upper() + "_H");
  }
  return text;
}

/// LLVM's linker where LLVM is, or on the path; else the system's compiler,
/// which finds libraries and its linker by itself.
static Expected<std::string> findLinker() {
  for (StringRef name : {"ld.lld-22", "ld.lld", "lld"})
    if (ErrorOr<std::string> path = sys::findProgramByName(name))
      return *path;
  if (ErrorOr<std::string> path =
          sys::findProgramByName("ld.lld", {QUANTC_LLVM_BIN_DIR}))
    return *path;
  for (StringRef name : {"cc", "gcc", "clang-22", "clang"})
    if (ErrorOr<std::string> path = sys::findProgramByName(name))
      return *path;
  return createStringError(
      "found no linker: install lld-22, or a C compiler named cc");
}

bool quantc::native::isCompiler(StringRef linker) {
  return !sys::path::filename(linker).contains("lld");
}

quantc::native::WeightStorage quantc::native::getWeightStorage() {
  Expected<std::string> linker = findLinker();
  // `linkLibrary` says so.
  if (!linker)
    consumeError(linker.takeError());
  // GNU's linker sorts sections by type before it joins those of one name.
  return linker && !isCompiler(*linker) ? WeightStorage::Reserved
                                        : WeightStorage::Stored;
}

/// Shared libraries that a model may use, by the names to record in it.
static std::vector<std::string> findLibraries() {
  std::vector<std::string> found;
  for (StringRef name : {"libomp.so.5", "libm.so.6", "libc.so.6"})
    for (StringRef dir :
         {QUANTC_LLVM_LIB_DIR, "/usr/lib/x86_64-linux-gnu",
          "/usr/lib/aarch64-linux-gnu", "/lib64", "/usr/lib64", "/usr/lib"}) {
      SmallString<128> path(dir);
      sys::path::append(path, name);
      if (!sys::fs::exists(path))
        continue;
      found.push_back(path.str().str());
      break;
    }
  return found;
}

static Error writeFile(const Twine &path, StringRef bytes) {
  std::error_code error;
  raw_fd_ostream os(path.str(), error);
  if (!error) {
    os << bytes;
    os.close();
    error = os.error();
    os.clear_error();
  }
  return error ? createStringError(error, "cannot write '" + path + "'")
               : Error::success();
}

Error quantc::native::TemporaryDirectory::create() {
  SmallString<128> created;
  if (std::error_code error = sys::fs::createUniqueDirectory("quantc", created))
    return createStringError(error, "cannot create a temporary directory");
  path = created.str().str();
  return Error::success();
}

quantc::native::TemporaryDirectory::~TemporaryDirectory() {
  if (!path.empty())
    sys::fs::remove_directories(path);
}

/// Runs the linker with an output beside that of `options`, and renames it at
/// the end.
static Error runLinker(std::vector<std::string> args,
                       const quantc::native::LinkOptions &options) {
  if (Error error = quantc::checkOutput(options.output))
    return error;
  quantc::native::TemporaryDirectory directory;
  if (Error error = directory.create())
    return error;
  std::string log = directory.file("log");
  SmallString<128> temporary;
  sys::fs::createUniquePath(options.output + ".%%%%%%%%", temporary, false);
  FileRemover removeTemporary(temporary);
  args.insert(args.end(), {"-o", temporary.str().str()});

  SmallVector<StringRef> argRefs(args.begin(), args.end());
  std::optional<StringRef> redirects[] = {StringRef(), StringRef(log),
                                          StringRef(log)};
  std::string problem;
  int status =
      sys::ExecuteAndWait(args.front(), argRefs, std::nullopt, redirects,
                          /*SecondsToWait=*/0, /*MemoryLimit=*/0, &problem);
  if (status != 0) {
    if (auto buffer = MemoryBuffer::getFile(log))
      problem += (*buffer)->getBuffer();
    return createStringError("the linker failed: " + problem);
  }
  if (options.complete)
    if (Error error = options.complete(temporary))
      return error;
  if (std::error_code error = sys::fs::rename(temporary, options.output))
    return createStringError(error, "cannot write '" + options.output + "'");
  return Error::success();
}

Error quantc::native::linkLibrary(ArrayRef<std::string> objects,
                                  const LinkOptions &options) {
  Expected<std::string> linker = findLinker();
  if (!linker)
    return linker.takeError();

  TemporaryDirectory directory;
  if (Error error = directory.create())
    return error;
  std::string archive = directory.file("runtime.a");
  std::string script = directory.file("exports.map");
  StringRef runtime(quantc_embedded_runtime,
                    quantc_embedded_runtime_end - quantc_embedded_runtime);
  std::string exports = "{ global: quantc_interface;";
  if (options.hasProfile)
    exports += " quantc_profile;";
  for (StringRef name :
       {"_info", "_run", "_last_error", "_set_num_threads", "_profile"})
    exports += " " + options.prefix + name.str() + ";";
  exports += " local: *; };\n";
  if (Error error = writeFile(archive, runtime))
    return error;
  if (Error error = writeFile(script, exports))
    return error;

  std::vector<std::string> args = {*linker, "-shared"};
  auto addLinkerArg = [&](const Twine &arg) {
    args.push_back((isCompiler(*linker) ? "-Wl," : "") + arg.str());
  };
  if (isCompiler(*linker))
    args.push_back("-nostdlib");
  for (StringRef arg : {"--gc-sections", "--build-id=none", "-Bsymbolic",
                        "--as-needed", "--hash-style=gnu"})
    addLinkerArg(arg);
  // Names of kernels are for profiles; the library's own functions keep theirs.
  if (!options.hasProfile) {
    addLinkerArg("--strip-all");
    // Kernels that differ in what they are called with only may be equal code.
    if (!isCompiler(*linker))
      addLinkerArg("--icf=all");
  }
  // A table of functions that are found when they are first called would need
  // code for each of them, and could be written to.
  for (StringRef option : {"relro", "now", "noexecstack", "defs"})
    args.insert(args.end(), {"-z", option.str()});
  addLinkerArg("--version-script=" + Twine(script));
  addLinkerArg("-soname=" + Twine(options.soname));
  args.insert(args.end(), objects.begin(), objects.end());
  args.push_back(archive);
  for (const std::string &library : findLibraries())
    args.push_back(library);

  return runLinker(std::move(args), options);
}

Error quantc::native::linkObject(ArrayRef<std::string> objects,
                                 const LinkOptions &options) {
  Expected<std::string> linker = findLinker();
  if (!linker)
    return linker.takeError();
  std::vector<std::string> args = {*linker, "-r"};
  if (isCompiler(*linker))
    args.push_back("-nostdlib");
  args.insert(args.end(), objects.begin(), objects.end());
  return runLinker(std::move(args), options);
}

Error quantc::native::writeFileAtomically(StringRef path, StringRef bytes) {
  if (Error error = quantc::checkOutput(path))
    return error;
  SmallString<128> temporary;
  sys::fs::createUniquePath(path + ".%%%%%%%%", temporary, false);
  FileRemover removeTemporary(temporary);
  if (Error error = writeFile(temporary, bytes))
    return error;
  if (std::error_code error = sys::fs::rename(temporary, path))
    return createStringError(error, "cannot write '" + path + "'");
  return Error::success();
}
