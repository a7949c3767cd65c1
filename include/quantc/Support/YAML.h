//===- YAML.h - Values from YAML, with errors that name a line --*- C++ -*-===//

#ifndef QUANTC_SUPPORT_YAML_H
#define QUANTC_SUPPORT_YAML_H

#include "llvm/Support/Error.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/YAMLTraits.h"

namespace quantc {

/// Reads the first document of `text`, which comes from `source`, to `value`.
/// An error begins with the source and, if one is known, the line; `expected`
/// says what is missing where there is no document.
template <typename T>
llvm::Error readYAML(llvm::StringRef text, llvm::StringRef source,
                     llvm::StringRef expected, T &value) {
  struct Problem {
    llvm::StringRef source;
    std::string message;
  } problem{source, ""};
  llvm::yaml::Input input(
      text, nullptr,
      [](const llvm::SMDiagnostic &diagnostic, void *context) {
        auto &problem = *static_cast<Problem *>(context);
        if (problem.message.empty())
          problem.message =
              llvm::formatv("{0}:{1}: {2}", problem.source,
                            diagnostic.getLineNo(), diagnostic.getMessage());
      },
      &problem);
  llvm::yaml::EmptyContext context;
  // Not operator>>, which goes on without a document.
  bool hasDocument = input.setCurrentDocument();
  if (hasDocument)
    llvm::yaml::yamlize(input, value, true, context);
  if (hasDocument && !input.error())
    return llvm::Error::success();
  return llvm::createStringError(problem.message.empty()
                                     ? (source + ": " + expected).str()
                                     : problem.message);
}

} // namespace quantc

#endif // QUANTC_SUPPORT_YAML_H
