//===- Options.cpp - Texts that users write and read ----------------------===//

#include "quantc/Driver/Compilation.h"

#include "llvm/ADT/StringSwitch.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MemoryBuffer.h"

#include <sys/resource.h>

using namespace mlir;
using namespace quantc;

std::optional<Stage> quantc::parseStage(StringRef name) {
  return llvm::StringSwitch<std::optional<Stage>>(name)
      .Case("import", Stage::Import)
      .Case("linalg", Stage::Linalg)
      .Case("llvm", Stage::LLVM)
      .Case("asm", Stage::Assembly)
      .Case("obj", Stage::Object)
      .Case("lib", Stage::Library)
      .Default(std::nullopt);
}

std::optional<FloatProducts> quantc::parseFloatProducts(StringRef name) {
  return llvm::StringSwitch<std::optional<FloatProducts>>(name)
      .Case("f32", FloatProducts::f32)
      .Case("bf16", FloatProducts::bf16)
      .Default(std::nullopt);
}

llvm::Error quantc::parseShape(StringRef text,
                               llvm::StringMap<SmallVector<int64_t>> &shapes) {
  // Names of ONNX values may hold colons themselves.
  auto [name, sizes] = text.rsplit(':');
  auto error = [&] {
    return llvm::createStringError("shape '" + text +
                                   "' is not like name:1x128 (? for a "
                                   "dimension to leave alone)");
  };
  if (name.empty() || name.size() == text.size())
    return error();
  SmallVector<int64_t> shape;
  SmallVector<StringRef> parts;
  if (!sizes.empty())
    sizes.split(parts, 'x');
  for (StringRef part : parts) {
    int64_t size = -1;
    if (part != "?" && (part.getAsInteger(10, size) || size < 0))
      return error();
    shape.push_back(size);
  }
  shapes[name] = std::move(shape);
  return llvm::Error::success();
}

/// "node 'conv1': " for what comes from a model, "file:3:4: " for text.
static std::string formatLocation(Location loc) {
  std::string text;
  llvm::raw_string_ostream os(text);
  if (auto name = dyn_cast<NameLoc>(loc))
    os << "node '" << name.getName().getValue() << "': ";
  else if (auto file = dyn_cast<FileLineColLoc>(loc)) {
    os << file.getFilename().getValue() << ":";
    // A model as a whole has a location without a line.
    if (file.getLine())
      os << file.getLine() << ":" << file.getColumn() << ":";
    os << " ";
  } else if (auto fused = dyn_cast<FusedLoc>(loc)) {
    if (!fused.getLocations().empty())
      os << formatLocation(fused.getLocations().front());
  } else if (auto call = dyn_cast<CallSiteLoc>(loc))
    os << formatLocation(call.getCallee());
  return text;
}

std::string quantc::formatDiagnostic(Diagnostic &diagnostic) {
  std::string text = diagnostic.str();
  // The importer names the node itself, with its op and opset.
  std::string location = formatLocation(diagnostic.getLocation());
  if (!StringRef(text).starts_with(StringRef(location).drop_back(2)))
    text = location + text;
  for (Diagnostic &note : diagnostic.getNotes()) {
    // The op in the IR's syntax helps nobody who knows the model only, and can
    // be very long.
    std::string noteText = note.str();
    if (StringRef(noteText).starts_with("see current operation"))
      continue;
    text += "\n  note: " + formatLocation(note.getLocation()) + noteText;
  }
  return text;
}

void quantc::forwardDiagnostics(
    MLIRContext &context,
    std::function<void(DiagnosticSeverity, StringRef)> report) {
  context.getDiagEngine().registerHandler(
      [report = std::move(report)](Diagnostic &diagnostic) {
        if (report)
          report(diagnostic.getSeverity(), formatDiagnostic(diagnostic));
        return success();
      });
}

uint64_t quantc::getPeakMemoryBytes() {
  // What getrusage says may be that of the program which started this one.
  if (auto status = llvm::MemoryBuffer::getFileAsStream("/proc/self/status")) {
    StringRef rest = (*status)->getBuffer().split("VmHWM:").second.ltrim();
    uint64_t kilobytes;
    if (!rest.consumeInteger(10, kilobytes))
      return kilobytes * 1024;
  }
  rusage usage;
  return getrusage(RUSAGE_SELF, &usage) == 0 ? usage.ru_maxrss * 1024 : 0;
}

static std::string formatBytes(uint64_t bytes) {
  if (bytes < 10000)
    return llvm::formatv("{0} B", bytes);
  if (bytes < 10000000)
    return llvm::formatv("{0:f1} kB", bytes / 1e3);
  return llvm::formatv("{0:f1} MB", bytes / 1e6);
}

void CompileStatistics::print(llvm::raw_ostream &os) const {
  double total = 0;
  for (const auto &[step, time] : seconds) {
    os << llvm::formatv("{0,-18} {1,9:f3} s\n", step, time);
    total += time;
  }
  os << llvm::formatv("{0,-18} {1,9:f3} s\n", "total", total);
  os << llvm::formatv("{0,-18} {1,11}\n", "weights", formatBytes(weightBytes));
  if (libraryBytes)
    os << llvm::formatv("{0,-18} {1,11}\n", "output",
                        formatBytes(libraryBytes));
  if (peakMemoryBytes)
    os << llvm::formatv("{0,-18} {1,11}\n", "peak memory",
                        formatBytes(peakMemoryBytes));
  if (quantization) {
    os << llvm::formatv("{0,-28} {1,6}\n", "ops quantized",
                        quantization->numQuantized);
    os << llvm::formatv("{0,-28} {1,6}\n", "ops left in float",
                        quantization->numSkipped);
    if (quantization->numSlower)
      os << llvm::formatv("{0,-28} {1,6}\n", "ops slower in integers",
                          quantization->numSlower);
    os << llvm::formatv("{0,-28} {1,6}\n", "values quantized",
                        quantization->numActivations);
    os << llvm::formatv("{0,-28} {1,6}\n", "tables quantized",
                        quantization->numTables);
    os << llvm::formatv("{0,-18} {1,11} to {2}\n", "quantized weights",
                        formatBytes(quantization->floatBytes),
                        formatBytes(quantization->integerBytes));
    for (const std::string &remark : quantization->remarks)
      os << remark << "\n";
  }
  for (const auto &[name, count] : qnnOps)
    os << llvm::formatv("{0,-28} {1,6}\n", name, count);
}
