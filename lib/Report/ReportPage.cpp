//===- ReportPage.cpp - The report as one HTML page -----------------------===//
//
// Charts are SVG inside the page, so that it is one file that any browser shows
// without a network. There are no scripts: details fold by themselves.
//
//===----------------------------------------------------------------------===//

#include "quantc/Report/Page.h"
#include "quantc/Report/Report.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

#include <cmath>

using namespace llvm;
using namespace quantc;

static std::string formatNumber(double number) {
  std::string text;
  raw_string_ostream(text) << format("%.4g", number);
  return text;
}

/// In decibels; a value without an error has none.
static std::string formatRatio(double decibels) {
  return std::isinf(decibels) && decibels > 0
             ? std::string("exact")
             : std::string(formatv("{0:f1}", decibels));
}

static StringRef getRole(const ReportedTensor &tensor, StringRef activation) {
  if (!tensor.isWeight)
    return activation;
  return tensor.isBias() ? "bias " : "weight ";
}

//===- charts -------------------------------------------------------------===//

/// A bar for each op's own ratio, in the order of damage, and a dot for the
/// ratio of all noise at its result.
static void printErrorChart(ArrayRef<ReportedOp> ops, raw_ostream &os) {
  double highest = 10;
  size_t count = 0;
  for (const ReportedOp &op : ops)
    if (op.isMeasured) {
      ++count;
      for (double ratio : {op.own.getSQNR(), op.total.getSQNR()})
        if (std::isfinite(ratio))
          highest = std::max(highest, ratio);
    }
  if (!count)
    return;
  highest = std::ceil(highest / 10) * 10;
  constexpr int height = 200, left = 36, top = 10;
  int bar = count > 120 ? 6 : 12, width = left + int(count) * bar + 10;
  auto y = [&](double ratio) {
    double share = std::clamp(ratio / highest, 0.0, 1.0);
    return top + height * (1 - share);
  };
  os << "<div class=\"chart\"><svg width=\"" << width << "\" height=\""
     << height + 2 * top
     << "\" role=\"img\" aria-label=\"Ratios of signal to "
        "noise\">\n";
  for (double line = 0; line <= highest; line += 10)
    os << formatv("<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:f1}\" y2=\"{2:f1}\" "
                  "stroke=\"var(--line)\"/><text x=\"{3}\" y=\"{4:f1}\" "
                  "text-anchor=\"end\">{5:f0}</text>\n",
                  left, width, y(line), left - 5, y(line) + 4, line);
  int x = left + 2;
  for (const ReportedOp &op : ops) {
    if (!op.isMeasured)
      continue;
    double own = std::min(op.own.getSQNR(), highest);
    double total = std::min(op.total.getSQNR(), highest);
    os << formatv("<g><title>{0}: own {1} dB, total {2} dB</title><rect "
                  "x=\"{3}\" y=\"{4:f1}\" width=\"{5}\" height=\"{6:f1}\" "
                  "fill=\"var(--own)\"/><circle cx=\"{7:f1}\" cy=\"{8:f1}\" "
                  "r=\"2.5\" fill=\"var(--total)\"/></g>\n",
                  escapeHTML(op.node.empty() ? op.op : op.node),
                  formatRatio(op.own.getSQNR()),
                  formatRatio(op.total.getSQNR()), x, y(own), bar - 2,
                  top + height - y(own), x + bar / 2.0 - 1, y(total));
    x += bar;
  }
  os << "</svg></div>\n<p class=\"dim\">Bars: the op's own quantization, on "
        "operands without noise. Dots: all noise so far. In dB; 6 dB are a "
        "bit. "
        "The first does most damage.</p>\n";
}

/// Bars with heights by the logarithm, since most numbers lie around zero.
static void printHistogram(const ReportedTensor &tensor, raw_ostream &os) {
  const BinnedHistogram &bins = tensor.histogram;
  if (bins.empty())
    return;
  constexpr double width = 320, height = 90;
  double largest = 1;
  for (double count : bins.counts)
    largest = std::max(largest, count);
  double bar = width / double(bins.counts.size());
  os << formatv("<figure><svg width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} "
                "{1}\">\n",
                int(width), int(height) + 16);
  StringRef color = tensor.isWeight ? "var(--weight)" : "var(--own)";
  for (auto [i, count] : enumerate(bins.counts)) {
    if (count <= 0)
      continue;
    double size = height * std::log1p(count) / std::log1p(largest);
    os << formatv("<rect x=\"{0:f1}\" y=\"{1:f1}\" width=\"{2:f1}\" "
                  "height=\"{3:f1}\" fill=\"{4}\"/>\n",
                  double(i) * bar, height - size, std::max(bar - 0.5, 0.5),
                  size, color);
  }
  double span = bins.upper - bins.lower;
  if (!tensor.isWeight && span > 0)
    for (double end : {double(tensor.range.min), double(tensor.range.max)})
      if (end >= bins.lower && end <= bins.upper)
        os << formatv("<line x1=\"{0:f1}\" x2=\"{0:f1}\" y1=\"0\" y2=\"{1}\" "
                      "stroke=\"var(--clip)\" stroke-width=\"1.5\" "
                      "stroke-dasharray=\"4 3\"/>\n",
                      (end - bins.lower) / span * width, int(height));
  os << formatv("<text x=\"0\" y=\"{0}\">{1}</text><text x=\"{2}\" y=\"{0}\" "
                "text-anchor=\"end\">{3}</text></svg>\n",
                int(height) + 13, formatNumber(bins.lower), int(width),
                formatNumber(bins.upper));
  os << "<figcaption><code>" << escapeHTML(tensor.name) << "</code><br>"
     << (tensor.isWeight ? "integers of the " : "")
     << getRole(tensor, "activation, ") << escapeHTML(tensor.type) << " per "
     << escapeHTML(tensor.granularity) << ", spans "
     << formatNumber(tensor.range.min) << " to "
     << formatNumber(tensor.range.max);
  if (tensor.bytes)
    os << formatv("; {0:f1} kB instead of {1:f1} kB",
                  double(tensor.bytes) / 1e3, double(tensor.floatBytes) / 1e3);
  os << "</figcaption></figure>\n";
}

//===- the page -----------------------------------------------------------===//

static void printRow(const ReportedOp &op, size_t rank, raw_ostream &os) {
  os << "<tr><td class=\"n\">" << rank << "</td><td class=\"n\">";
  if (op.isMeasured)
    os << formatRatio(op.own.getSQNR()) << "</td><td class=\"n\">"
       << formatRatio(op.total.getSQNR()) << "</td><td class=\"n extra\">"
       << format("%.6f", op.total.getCosine());
  else
    os << "–</td><td class=\"n\">–</td><td class=\"n extra\">–";
  os << "</td><td><details><summary><code>"
     << escapeHTML(op.node.empty() ? op.op : op.node)
     << "</code> <span class=\"dim extra\">" << escapeHTML(op.op);
  for (const ReportedTensor &tensor : op.operands)
    os << " · " << getRole(tensor, "") << escapeHTML(tensor.type) << " per "
       << escapeHTML(tensor.granularity);
  os << "</span></summary>\n";
  for (const ReportedTensor &tensor : op.operands)
    printHistogram(tensor, os);
  os << "</details></td></tr>\n";
}

void QuantizationReport::printPage(raw_ostream &os) const {
  std::string title = "Quantization of " + (model.empty() ? "a model" : model);
  beginPage(title, os);
  os << "<p>";
  if (!recipe.empty())
    os << "Recipe <code>" << escapeHTML(recipe) << "</code>. ";
  uint64_t bytes = 0, floatBytes = 0;
  for (const ReportedOp &op : ops)
    for (const ReportedTensor &tensor : op.operands) {
      bytes += tensor.bytes;
      floatBytes += tensor.floatBytes;
    }
  os << ops.size() << " ops work on quantized operands";
  if (floatBytes)
    os << formatv("; their weights take {0:f2} MB instead of {1:f2} MB",
                  double(bytes) / 1e6, double(floatBytes) / 1e6);
  os << ".";
  if (numSamples)
    os << " Calibrated with " << numSamples << " samples.";
  os << "</p>\n";
  if (!outputs.empty()) {
    os << "<h2>Outputs</h2>\n<table><tr><th>output</th><th class=\"n\">dB</th>"
          "<th class=\"n\">cosine</th><th class=\"n\">largest "
          "error</th></tr>\n";
    for (const auto &[name, errors] : outputs)
      os << "<tr><td><code>" << escapeHTML(name)
         << "</code></td><td class=\"n\">" << formatRatio(errors.getSQNR())
         << "</td><td class=\"n\">" << format("%.7f", errors.getCosine())
         << "</td><td class=\"n\">" << formatNumber(errors.largestError)
         << "</td></tr>\n";
    os << "</table>\n";
  }
  os << "<h2>Error of each op</h2>\n";
  printErrorChart(ops, os);
  os << "<table><tr><th class=\"n\">#</th><th class=\"n\">own dB</th>"
        "<th class=\"n\">total dB</th><th class=\"n extra\">cosine</th>"
        "<th>node</th></tr>\n";
  for (auto [i, op] : enumerate(ops))
    printRow(op, i + 1, os);
  os << "</table>\n";
  endPage(os);
}
