//===- ReportTable.cpp - The report as a table of text --------------------===//

#include "quantc/Report/Report.h"

#include "llvm/Support/Format.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/raw_ostream.h"

using namespace llvm;
using namespace quantc;

/// "38.2", or "exact" without an error.
static std::string formatRatio(double decibels) {
  return std::isinf(decibels) && decibels > 0
             ? std::string("exact")
             : std::string(formatv("{0:f1}", decibels));
}

/// "a ui8 tensor, w i8 channel".
static std::string formatOperands(ArrayRef<ReportedTensor> operands) {
  std::string text;
  for (const ReportedTensor &operand : operands) {
    if (!text.empty())
      text += ", ";
    StringRef role = !operand.isWeight  ? "a "
                     : operand.isBias() ? "bias "
                                        : "w ";
    text += role.str() + operand.type + " " + operand.granularity;
  }
  return text;
}

void QuantizationReport::printTable(raw_ostream &os) const {
  os << "The ratio of signal to noise in dB: of the op's own quantization, and "
        "of all so far.\n";
  os << formatv("{0,8} {1,8} {2,10}  {3,-42} {4}\n", "own", "total", "cosine",
                "quantized operands", "node");
  uint64_t bytes = 0, floatBytes = 0;
  for (const ReportedOp &op : ops) {
    if (op.isMeasured)
      os << formatv("{0,8} {1,8} ", formatRatio(op.own.getSQNR()),
                    formatRatio(op.total.getSQNR()))
         << format("%10.7f  ", op.total.getCosine());
    else
      os << formatv("{0,8} {0,8} {0,10}  ", "-");
    os << formatv("{0,-42} {1}\n", formatOperands(op.operands),
                  op.node.empty() ? op.op : op.node);
    for (const ReportedTensor &operand : op.operands) {
      bytes += operand.bytes;
      floatBytes += operand.floatBytes;
    }
  }
  os << ops.size() << " ops on quantized operands";
  if (floatBytes)
    os << formatv("; their weights take {0:f2} MB instead of {1:f2} MB",
                  double(bytes) / 1e6, double(floatBytes) / 1e6);
  os << "\n";
  for (const auto &[name, errors] : outputs)
    os << formatv("output '{0}': {1} dB, cosine ", name,
                  formatRatio(errors.getSQNR()))
       << format("%.7f\n", errors.getCosine());
}
