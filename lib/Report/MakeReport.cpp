//===- MakeReport.cpp - Reads a quantized graph ---------------------------===//

#include "quantc/Report/Report.h"

#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"
#include "quantc/Dialect/QNN/IR/ValueNames.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/Matchers.h"

using namespace mlir;
using namespace quantc;

/// Enough to see a shape, few enough for a small page.
static constexpr size_t numBins = 64;

//===- constants ----------------------------------------------------------===//

/// Calls with each element of a constant of integers or float32. False if the
/// elements cannot be read.
static bool forEachElement(ElementsAttr value,
                           function_ref<void(double)> call) {
  Type element = value.getElementType();
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(value)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return false;
    ArrayRef<char> bytes = blob->getData();
    if (element.isInteger() && element.getIntOrFloatBitWidth() <= 8) {
      for (char byte : bytes)
        call(element.isUnsignedInteger() ? double(uint8_t(byte))
                                         : double(int8_t(byte)));
      return true;
    }
    if (!element.isF32())
      return false;
    for (size_t i = 0; i + 4 <= bytes.size(); i += 4) {
      float number;
      memcpy(&number, bytes.data() + i, 4);
      call(number);
    }
    return true;
  }
  auto dense = dyn_cast<DenseElementsAttr>(value);
  if (!dense)
    return false;
  if (isa<IntegerType>(element)) {
    for (const APInt &number : dense.getValues<APInt>())
      call(element.isUnsignedInteger() ? double(number.getZExtValue())
                                       : double(number.getSExtValue()));
    return true;
  }
  if (!isa<FloatType>(element))
    return false;
  for (const APFloat &number : dense.getValues<APFloat>())
    call(number.convertToDouble());
  return true;
}

static std::vector<double> readConstant(Value value) {
  std::vector<double> numbers;
  ElementsAttr attr;
  if (value && matchPattern(value, m_Constant(&attr)))
    forEachElement(attr, [&](double number) { numbers.push_back(number); });
  return numbers;
}

//===- histograms ---------------------------------------------------------===//

static void addToBins(BinnedHistogram &bins, double lower, double upper,
                      double count) {
  double width = (bins.upper - bins.lower) / double(bins.counts.size());
  auto binOf = [&](double x) {
    double bin = width > 0 ? std::floor((x - bins.lower) / width) : 0;
    return size_t(std::clamp(bin, 0.0, double(bins.counts.size() - 1)));
  };
  size_t first = binOf(lower), last = binOf(upper);
  if (first == last || upper <= lower) {
    bins.counts[first] += count;
    return;
  }
  for (size_t i = first; i <= last; ++i) {
    double begin = std::max(lower, bins.lower + double(i) * width);
    double end = std::min(upper, bins.lower + double(i + 1) * width);
    bins.counts[i] += count * std::max(0.0, end - begin) / (upper - lower);
  }
}

static BinnedHistogram binStatistics(const ValueStatistics &statistics) {
  BinnedHistogram bins;
  if (!(statistics.range.min <= statistics.range.max))
    return bins;
  bins.lower = std::min(statistics.range.min, 0.0f);
  bins.upper = std::max(statistics.range.max, 0.0f);
  bins.counts.assign(numBins, 0);
  for (const Histogram::Bucket &bucket : statistics.histogram.getBuckets())
    addToBins(bins, std::max(bucket.lower, statistics.range.min),
              std::min(bucket.upper, statistics.range.max),
              double(bucket.count));
  return bins;
}

static BinnedHistogram binIntegers(Value weight, Type element) {
  BinnedHistogram bins;
  unsigned bits = element.getIntOrFloatBitWidth();
  if (!isa<IntegerType>(element) || bits > 16)
    return bins;
  bool isUnsigned = element.isUnsignedInteger();
  bins.lower = isUnsigned ? 0 : -std::ldexp(1.0, bits - 1);
  bins.upper = bins.lower + std::ldexp(1.0, bits);
  bins.counts.assign(std::min<size_t>(numBins, size_t(1) << bits), 0);
  ElementsAttr attr;
  if (!matchPattern(weight, m_Constant(&attr)) ||
      !forEachElement(attr, [&](double x) { addToBins(bins, x, x, 1); }))
    return {};
  return bins;
}

//===- operands -----------------------------------------------------------===//

static std::string describeGranularity(qnn::DequantizeOp op) {
  if (op.getBlockSize())
    return "group of " + std::to_string(op.getBlockSize());
  RankedTensorType scale = op.getScale().getType();
  return scale.getRank() && scale.getNumElements() != 1 ? "channel" : "tensor";
}

/// The real numbers that the integers of `op` span.
static quantc::Range getRange(qnn::DequantizeOp op) {
  Type element = op.getInput().getType().getElementType();
  std::vector<double> scales = readConstant(op.getScale()),
                      zeroPoints = readConstant(op.getZeroPoint());
  quantc::Range range;
  if (!isa<IntegerType>(element) || scales.empty())
    return range;
  unsigned bits = element.getIntOrFloatBitWidth();
  double least = element.isUnsignedInteger() ? 0 : -std::ldexp(1.0, bits - 1);
  double most = least + std::ldexp(1.0, bits) - 1;
  for (size_t i = 0; i < scales.size(); ++i) {
    double zero = zeroPoints.empty() ? 0 : zeroPoints[i % zeroPoints.size()];
    range.min = std::min(range.min, float((least - zero) * scales[i]));
    range.max = std::max(range.max, float((most - zero) * scales[i]));
  }
  return range;
}

static uint64_t getBytes(Value value) {
  if (!value)
    return 0;
  auto type = cast<RankedTensorType>(value.getType());
  return type.hasStaticShape()
             ? llvm::divideCeil(
                   type.getNumElements() * type.getElementTypeBitWidth(), 8)
             : 0;
}

static ReportedTensor describeOperand(qnn::DequantizeOp op,
                                      const Statistics &statistics) {
  ReportedTensor tensor;
  Value integers = op.getInput();
  Type element = op.getInput().getType().getElementType();
  llvm::raw_string_ostream(tensor.type) << element;
  tensor.granularity = describeGranularity(op);
  tensor.range = getRange(op);
  if (auto quantize = integers.getDefiningOp<qnn::QuantizeOp>()) {
    tensor.name = qnn::getValueName(quantize.getInput()).str();
    if (const ValueStatistics *value = statistics.find(tensor.name))
      tensor.histogram = binStatistics(*value);
    return tensor;
  }
  ElementsAttr attr;
  tensor.isWeight = matchPattern(integers, m_Constant(&attr));
  tensor.name = qnn::getValueName(integers).str();
  if (tensor.name.empty())
    tensor.name = qnn::getValueName(op.getOutput()).str();
  if (tensor.isWeight) {
    tensor.histogram = binIntegers(integers, element);
    tensor.bytes = getBytes(integers) + getBytes(op.getScale()) +
                   getBytes(op.getZeroPoint());
    tensor.floatBytes = getBytes(op.getOutput());
  }
  return tensor;
}

//===- the report ---------------------------------------------------------===//

QuantizationReport quantc::makeReport(ModuleOp quantized,
                                      const Statistics &statistics,
                                      const MeasuredErrors &errors) {
  QuantizationReport report;
  if (auto name = quantized->getAttrOfType<StringAttr>("qnn.graph_name"))
    report.model = name.str();
  report.numSamples = statistics.numSamples;
  quantized.walk([&](Operation *op) {
    if (isa<qnn::QuantizeOp, qnn::DequantizeOp>(op) || !op->getNumResults())
      return;
    ReportedOp reported;
    for (Value operand : op->getOperands())
      if (auto source = operand.getDefiningOp<qnn::DequantizeOp>())
        reported.operands.push_back(describeOperand(source, statistics));
    if (reported.operands.empty())
      return;
    reported.node = qnn::getNodeName(op->getLoc()).str();
    reported.op = op->getName().getStringRef().str();
    reported.value = qnn::getValueName(op->getResult(0)).str();
    if (auto it = errors.values.find(reported.value);
        it != errors.values.end()) {
      reported.isMeasured = true;
      reported.own = it->second.own;
      reported.total = it->second.total;
    }
    report.ops.push_back(std::move(reported));
  });
  llvm::stable_sort(report.ops, [](const ReportedOp &a, const ReportedOp &b) {
    if (a.isMeasured != b.isMeasured)
      return a.isMeasured;
    return a.isMeasured && a.own.getSQNR() < b.own.getSQNR();
  });
  report.outputs = errors.outputs;
  return report;
}
