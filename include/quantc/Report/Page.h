//===- Page.h - What our HTML pages have in common --------------*- C++ -*-===//
#ifndef QUANTC_REPORT_PAGE_H
#define QUANTC_REPORT_PAGE_H

#include "llvm/ADT/StringRef.h"
#include "llvm/Support/raw_ostream.h"

#include <string>

namespace quantc {

/// Text as HTML shows it.
std::string escapeHTML(llvm::StringRef text);

/// Begins a page, in one file and without scripts, up to its heading.
void beginPage(llvm::StringRef title, llvm::raw_ostream &os);
void endPage(llvm::raw_ostream &os);

} // namespace quantc

#endif // QUANTC_REPORT_PAGE_H
