//===- Page.cpp - What our HTML pages have in common ----------------------===//

#include "quantc/Report/Page.h"

#include "llvm/ADT/StringExtras.h"

using namespace llvm;
using namespace quantc;

static constexpr StringLiteral style = R"(
:root { color-scheme: light dark; --ink: #1d2330; --dim: #667085;
  --line: #d9dde5; --page: #ffffff; --own: #3767c8; --total: #e07b39;
  --clip: #c8375a; --weight: #2f8f6b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --dim: #98a2b3;
  --line: #363c48; --page: #16191f; --own: #7aa2f7; --total: #f0a26a;
  --clip: #f7768e; --weight: #73c8a9; } }
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--page); max-width: 72rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th { color: var(--dim); font-weight: 600; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
code { font-size: .9em; overflow-wrap: anywhere; }
.dim { color: var(--dim); }
.chart { overflow-x: auto; }
svg { display: block; } svg text { fill: var(--dim); font-size: 11px; }
svg text.ink { fill: var(--ink); } svg.wide { width: 100%; min-width: 44rem; }
.bar { display: inline-block; height: .8em; min-width: 1px; }
.names { min-width: 12rem; overflow-wrap: anywhere; }
@media (max-width: 48rem) { .extra { display: none; }
  td, th { padding: .3rem .35rem; } .names { min-width: 8rem; } }
summary { cursor: pointer; }
figure { display: inline-block; margin: .6rem 1.2rem .2rem 0; max-width: 100%; }
figure svg { max-width: 100%; height: auto; }
figcaption { color: var(--dim); font-size: .85rem; max-width: 22rem; }
)";

std::string quantc::escapeHTML(StringRef text) {
  std::string result;
  raw_string_ostream os(result);
  printHTMLEscaped(text, os);
  return result;
}

void quantc::beginPage(StringRef title, raw_ostream &os) {
  os << "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
        "<meta name=\"viewport\" content=\"width=device-width\">\n<title>"
     << escapeHTML(title) << "</title>\n<style>" << style
     << "</style></head><body>\n<h1>" << escapeHTML(title) << "</h1>\n";
}

void quantc::endPage(raw_ostream &os) { os << "</body></html>\n"; }
