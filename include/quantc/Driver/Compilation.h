//===- Compilation.h - One model in, artefacts out --------------*- C++ -*-===//
//
// What the program quantc and the Python package call. It strings pipelines
// together and holds no logic of its own.
//
//===----------------------------------------------------------------------===//
#ifndef QUANTC_DRIVER_COMPILATION_H
#define QUANTC_DRIVER_COMPILATION_H

#include "quantc/CodeGen/KernelChoices.h"
#include "quantc/Driver/Quantization.h"

#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/OwningOpRef.h"
#include "llvm/ADT/StringMap.h"
#include "llvm/Support/Error.h"

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace quantc {

/// Where to stop; see docs/Architecture.md. Each prints what the next reads.
enum class Stage { Import, Linalg, LLVM, Assembly, Object, Library };

/// What products of floats take their factors for; sums are f32 in any case.
enum class FloatProducts {
  f32,
  /// Factors may be rounded to bf16 (the pass quantc-round-products).
  bf16
};

/// How an exported model says that operands of an op are integers.
enum class ExportForm {
  /// By QuantizeLinear and DequantizeLinear around float ops where ONNX Runtime
  /// makes integer ops of that, and by integer ops where it does not.
  mixed,
  /// By QuantizeLinear and DequantizeLinear only.
  qdq,
  /// By the integer ops that the library computes with.
  integerOps
};

/// The form with this name in `--float-products`, if there is one.
std::optional<FloatProducts> parseFloatProducts(llvm::StringRef name);

/// The stage with this name in `--emit`, if there is one.
std::optional<Stage> parseStage(llvm::StringRef name);

/// "x:1x128" or "x:?x128" (-1 for a dimension to leave alone).
llvm::Error parseShape(llvm::StringRef text,
                       llvm::StringMap<llvm::SmallVector<int64_t>> &shapes);

struct CompileOptions {
  Stage emit = Stage::Library;
  std::string target = "native";
  /// Sizes for dynamic dimensions of inputs.
  llvm::StringMap<llvm::SmallVector<int64_t>> shapes;
  /// Whether and how to quantize a float model.
  QuantizeOptions quantize;
  /// How a decoder's cache is stored ("int8", "int4", "fp8"), if not as it is.
  std::string kvCache;
  /// Whether it grows in memory that the caller gives, without copies.
  bool cacheInPlace = false;
  /// Whether quantized ops are computed with integers, and whether it is an
  /// error if a quantized weight is not.
  bool foldQuantization = true, verifyFolded = false;
  FloatProducts floatProducts = FloatProducts::f32;
  /// Whether remarks say what stays float, what is left of quantize and
  /// dequantize, what could saturate, and which kernels were chosen, and why.
  bool remarks = false;
  /// Whether an exported model may have ops of com.microsoft.
  bool exportContribOps = true;
  /// The form of a model that is quantized and exported.
  ExportForm exportForm = ExportForm::mixed;
  /// What the names of the library's functions start with.
  std::string prefix = "quantc_model";
  /// A file, or "-" for the standard output (textual stages only).
  std::string output;
  /// Whether a header is written beside a library.
  bool writeHeader = true;
  /// Whether the buffers' places in the arena are printed.
  bool printMemoryPlan = false;
  /// Whether the library times the calls of its kernels.
  bool profile = false;
  /// A file with blocks for products (KernelChoices); empty leaves all of them
  /// to the cost model.
  std::string kernels;
  /// Called when a step begins; `total` is 0 if it has no parts.
  std::function<void(llvm::StringRef step, size_t done, size_t total)> progress;
  /// Called for each error and warning.
  std::function<void(mlir::DiagnosticSeverity, llvm::StringRef text)> report;
};

/// What `--print-stats` shows.
struct CompileStatistics {
  std::vector<std::pair<std::string, double>> seconds;
  /// By name; owns the names, since it outlives the context of the ops.
  std::map<std::string, size_t> qnnOps;
  /// Of a model that was quantized.
  std::optional<qnn::QuantizationReport> quantization;
  /// With `profile`: the products, as they were cut into blocks.
  std::vector<ProductKernel> products;
  uint64_t weightBytes = 0, libraryBytes = 0, peakMemoryBytes = 0;

  void print(llvm::raw_ostream &os) const;
};

/// The most memory that this process has had, the files it maps included.
uint64_t getPeakMemoryBytes();

/// Compiles a model: a file with an ONNX model or with the text of a stage.
mlir::LogicalResult compileFile(llvm::StringRef path,
                                const CompileOptions &options,
                                CompileStatistics *statistics = nullptr);

/// The same for an ONNX model in memory.
mlir::LogicalResult compileBytes(llvm::StringRef bytes,
                                 const CompileOptions &options,
                                 CompileStatistics *statistics = nullptr);

/// A diagnostic in the model's language: "node 'conv1': ..." with its notes.
std::string formatDiagnostic(mlir::Diagnostic &diagnostic);

/// Gives all diagnostics of `context` to `report`, if there is one.
void forwardDiagnostics(
    mlir::MLIRContext &context,
    std::function<void(mlir::DiagnosticSeverity, llvm::StringRef)> report);

} // namespace quantc

#endif // QUANTC_DRIVER_COMPILATION_H
