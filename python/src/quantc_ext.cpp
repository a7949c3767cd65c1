//===- quantc_ext.cpp - The Python module below the package quantc --------===//
//
// A thin border between Python and the driver. The files of this folder are the
// only ones that are compiled with exceptions, and none crosses into the
// driver.
//
//===----------------------------------------------------------------------===//

#include "ranges.h"
#include "weights.h"

#include "quantc/Driver/Calibration.h"
#include "quantc/Driver/Compilation.h"
#include "quantc/Driver/Export.h"
#include "quantc/Driver/LoadedModel.h"
#include "quantc/Driver/Profile.h"
#include "quantc/Driver/Tune.h"
#include "quantc/Driver/TuneKernels.h"

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/shared_ptr.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

namespace nb = nanobind;
using namespace quantc;

namespace {
/// Python's view of an input or output.
struct TensorDescription {
  std::string name, elementType;
  nb::tuple shape;
};

/// Errors with the types that the package exports.
nb::object compileError, runError;

[[noreturn]] void raise(const nb::object &type, const std::string &text) {
  PyErr_SetString(type.ptr(), text.c_str());
  throw nb::python_error();
}

class Model {
public:
  explicit Model(std::shared_ptr<LoadedModel> library)
      : library(std::move(library)) {}

  nb::list describe(llvm::ArrayRef<QuantcTensorInfo> tensors) const;
  nb::list inputs() const { return describe(library->inputs()); }
  nb::list outputs() const { return describe(library->outputs()); }
  nb::list run(const std::vector<nb::ndarray<nb::ro>> &arrays) const;
  nb::dict profile(const std::vector<nb::ndarray<nb::ro>> &arrays, int runs,
                   int warmup, int threads) const;

  std::shared_ptr<LoadedModel> library;
};

/// What an output's memory depends on: itself, and the library that frees it.
struct OutputOwner {
  std::shared_ptr<LoadedModel> library;
  OwnedTensor tensor; // goes first
};
} // namespace

nb::list Model::describe(llvm::ArrayRef<QuantcTensorInfo> tensors) const {
  nb::list result;
  for (const QuantcTensorInfo &tensor : tensors) {
    nb::list shape;
    for (int32_t i = 0; i < tensor.ndim; ++i) {
      if (tensor.shape[i] >= 0)
        shape.append(tensor.shape[i]);
      else if (tensor.dim_names[i][0])
        shape.append(nb::str(tensor.dim_names[i]));
      else
        shape.append(nb::none());
    }
    result.append(
        TensorDescription{tensor.name, tensor.element_type, nb::tuple(shape)});
  }
  return result;
}

namespace {
/// Arrays of Python as DLPack's tensors.
struct TensorsOfArrays {
  explicit TensorsOfArrays(const std::vector<nb::ndarray<nb::ro>> &arrays);

  std::vector<DLTensor> tensors;
  std::vector<const DLTensor *> pointers;
  std::vector<std::vector<int64_t>> shapes;
};
} // namespace

TensorsOfArrays::TensorsOfArrays(const std::vector<nb::ndarray<nb::ro>> &arrays)
    : tensors(arrays.size()), shapes(arrays.size()) {
  for (size_t i = 0; i < arrays.size(); ++i) {
    const nb::ndarray<nb::ro> &array = arrays[i];
    nb::dlpack::dtype dtype = array.dtype();
    std::vector<int64_t> &dims = shapes[i];
    for (size_t d = 0; d < array.ndim(); ++d)
      dims.push_back(int64_t(array.shape(d)));
    for (size_t d = 0; d < array.ndim(); ++d)
      dims.push_back(array.stride(d));
    DLTensor &tensor = tensors[i];
    tensor = {};
    tensor.data = const_cast<void *>(array.data());
    tensor.device.device_type =
        decltype(tensor.device.device_type)(array.device_type());
    tensor.device.device_id = array.device_id();
    tensor.ndim = int32_t(array.ndim());
    tensor.dtype = {dtype.code, dtype.bits, dtype.lanes};
    tensor.shape = dims.data();
    tensor.strides = dims.data() + array.ndim();
    pointers.push_back(&tensor);
  }
}

nb::dict Model::profile(const std::vector<nb::ndarray<nb::ro>> &arrays,
                        int runs, int warmup, int threads) const {
  TensorsOfArrays inputs(arrays);
  ProfileOptions options;
  options.runs = runs;
  options.warmup = warmup;
  options.threads = threads;
  std::string error, table, page;
  Profile profile;
  {
    nb::gil_scoped_release release;
    if (auto measured = profileModel(*library, inputs.pointers, options)) {
      profile = std::move(*measured);
      llvm::raw_string_ostream tableStream(table), pageStream(page);
      profile.printTable(tableStream);
      profile.printPage(pageStream);
    } else {
      error = llvm::toString(measured.takeError());
    }
  }
  if (!error.empty())
    raise(runError, error);
  nb::list kernels;
  for (const ProfiledKernel &kernel : profile.kernels) {
    Profile::Limit limit = profile.getLimit(kernel);
    nb::dict entry;
    entry["nodes"] = kernel.nodes;
    entry["kernel"] = kernel.kernel;
    entry["kind"] = kernel.operationName;
    entry["calls"] = kernel.calls;
    entry["seconds"] = kernel.seconds;
    entry["operations"] = kernel.operations;
    entry["bytes"] = kernel.bytes;
    entry["share_of_peak"] = limit.share;
    entry["limit"] = limit.name;
    kernels.append(entry);
  }
  nb::dict peaks;
  for (const MachinePeaks::Operations &peak : profile.peaks.operations)
    peaks[peak.name.c_str()] = peak.perSecond;
  for (const MachinePeaks::Reading &peak : profile.peaks.reading)
    peaks[peak.name.c_str()] = peak.bytesPerSecond;
  nb::dict result;
  result["seconds"] = profile.seconds;
  result["kernels"] = kernels;
  result["peaks"] = peaks;
  result["table"] = table;
  result["page"] = page;
  return result;
}

nb::list Model::run(const std::vector<nb::ndarray<nb::ro>> &arrays) const {
  TensorsOfArrays inputs(arrays);
  std::string error;
  llvm::SmallVector<OwnedTensor> results;
  {
    nb::gil_scoped_release release;
    if (auto outcome = library->run(inputs.pointers))
      results = std::move(*outcome);
    else
      error = llvm::toString(outcome.takeError());
  }
  if (!error.empty())
    raise(runError, error);

  nb::list list;
  for (OwnedTensor &result : results) {
    DLTensor &tensor = result->dl_tensor;
    nb::dlpack::dtype dtype{tensor.dtype.code, tensor.dtype.bits,
                            tensor.dtype.lanes};
    // numpy has neither bfloat16 nor 8-bit floats: the package views them.
    if (dtype.code > uint8_t(nb::dlpack::dtype_code::Float) &&
        dtype.code != uint8_t(nb::dlpack::dtype_code::Bool))
      dtype.code = uint8_t(nb::dlpack::dtype_code::UInt);
    std::vector<size_t> shape(tensor.shape, tensor.shape + tensor.ndim);
    void *data = tensor.data;
    auto *owner = new OutputOwner{library, std::move(result)};
    nb::capsule capsule(owner, [](void *pointer) noexcept {
      delete static_cast<OutputOwner *>(pointer);
    });
    list.append(nb::ndarray<nb::numpy>(data, shape.size(), shape.data(),
                                       capsule, tensor.strides, dtype)
                    .cast());
  }
  return list;
}

/// The bytes of a model, or the path of its file: parts of the argument, which
/// lives as long as the call.
static std::pair<llvm::StringRef, std::optional<llvm::StringRef>>
readModel(const nb::object &model) {
  if (!nb::isinstance<nb::bytes>(model))
    return {nb::borrow<nb::str>(model).c_str(), std::nullopt};
  auto bytes = nb::borrow<nb::bytes>(model);
  return {"", llvm::StringRef(bytes.c_str(), bytes.size())};
}

/// A report that writes errors, line by line, to `errors`.
static auto collectErrors(std::string &errors) {
  return [&errors](mlir::DiagnosticSeverity severity, llvm::StringRef text) {
    if (severity == mlir::DiagnosticSeverity::Error)
      errors += (errors.empty() ? "" : "\n") + text.str();
  };
}

static void compile(const nb::object &model, const std::string &output,
                    const std::map<std::string, std::vector<int64_t>> &shapes,
                    const std::string &target, const std::string &emit,
                    const std::string &prefix, const std::string &quantize,
                    const std::string &calibration,
                    const std::string &statistics, bool profile,
                    const std::string &kvCache, bool cacheInPlace,
                    const std::string &kernels,
                    const std::string &floatProducts) {
  CompileOptions options;
  std::optional<FloatProducts> products = parseFloatProducts(floatProducts);
  if (!products)
    raise(compileError,
          "float_products is 'f32' or 'bf16', got '" + floatProducts + "'");
  options.floatProducts = *products;
  options.kernels = kernels;
  options.cacheInPlace = cacheInPlace;
  options.kvCache = kvCache;
  options.profile = profile;
  options.quantize = {quantize, calibration, statistics};
  options.output = output;
  options.target = target;
  options.prefix = prefix;
  options.writeHeader = false;
  llvm::StringRef form = emit;
  bool isExport = form.consume_front("onnx");
  if (isExport && form.consume_front("-integer"))
    options.exportForm = ExportForm::integerOps;
  else if (isExport && form.consume_front("-qdq"))
    options.exportForm = ExportForm::qdq;
  options.exportContribOps = !(isExport && form.consume_front("-standard"));
  std::optional<Stage> stage =
      parseStage(isExport && form.empty() ? "import" : emit);
  if (!stage)
    raise(compileError, "unknown stage '" + emit + "'");
  options.emit = *stage;
  for (const auto &[name, sizes] : shapes)
    options.shapes[name].assign(sizes.begin(), sizes.end());
  std::string errors;
  options.report = collectErrors(errors);

  auto [path, bytes] = readModel(model);
  mlir::LogicalResult result = mlir::failure();
  {
    nb::gil_scoped_release release;
    if (isExport)
      result = bytes ? exportBytes(*bytes, options) : exportFile(path, options);
    else
      result =
          bytes ? compileBytes(*bytes, options) : compileFile(path, options);
  }
  if (mlir::failed(result))
    raise(compileError, errors.empty() ? "compilation failed" : errors);
}

static void
runCalibration(const nb::object &model, const std::string &data,
               const std::string &output,
               const std::map<std::string, std::vector<int64_t>> &shapes,
               const std::string &values, const std::string &method, bool gram,
               unsigned threads, nb::object progress) {
  CalibrateOptions options;
  options.data = data;
  options.output = output;
  for (const auto &[name, sizes] : shapes)
    options.shapes[name].assign(sizes.begin(), sizes.end());
  options.run.values = values;
  options.run.rangeMethod = method;
  options.run.gram = gram;
  options.run.threads = threads;
  if (!progress.is_none())
    options.run.progress = [&](llvm::StringRef step, size_t done,
                               size_t total) {
      nb::gil_scoped_acquire acquire;
      progress(step.str(), done, total);
    };
  std::string errors;
  options.report = collectErrors(errors);
  auto [path, bytes] = readModel(model);
  mlir::LogicalResult result = mlir::failure();
  {
    nb::gil_scoped_release release;
    result = calibrateModel(path, bytes.value_or(""), options);
  }
  if (mlir::failed(result))
    raise(compileError, errors.empty() ? "calibration failed" : errors);
}

static nb::dict describeCost(const ModelCost &cost) {
  nb::dict result;
  result["loss"] = cost.loss;
  result["bytes"] = cost.bytes;
  result["seconds"] = cost.seconds;
  return result;
}

static nb::dict tune(const nb::object &model, const std::string &quantize,
                     const std::string &calibration,
                     const std::string &statistics,
                     const std::map<std::string, std::vector<int64_t>> &shapes,
                     double maxLoss, double maxBytes, double maxLatency,
                     bool minimizeBytes, const std::vector<unsigned> &bits,
                     size_t samples, int runs, int threads) {
  TuneOptions options;
  options.quantize = {quantize, calibration, statistics};
  for (const auto &[name, sizes] : shapes)
    options.shapes[name].assign(sizes.begin(), sizes.end());
  // 0 stands for no limit.
  if (maxLoss > 0)
    options.budget.loss = maxLoss;
  if (maxBytes > 0)
    options.budget.bytes = maxBytes;
  if (maxLatency > 0)
    options.budget.seconds = maxLatency;
  options.goal = minimizeBytes ? TuneGoal::Bytes : TuneGoal::Seconds;
  options.bits = bits;
  options.samples = samples;
  options.runs = runs;
  options.threads = threads;
  std::string errors;
  options.report = collectErrors(errors);
  auto [path, bytes] = readModel(model);
  mlir::FailureOr<TuneResult> tuned = mlir::failure();
  std::string table;
  {
    nb::gil_scoped_release release;
    tuned = tuneModel(path, bytes.value_or(""), options);
    if (succeeded(tuned)) {
      llvm::raw_string_ostream os(table);
      tuned->printTable(os);
    }
  }
  if (mlir::failed(tuned))
    raise(compileError, errors.empty() ? "tuning failed" : errors);
  nb::list layers;
  for (const TunedLayer &layer : tuned->layers) {
    nb::dict forms, entry;
    for (size_t i = 0; i < layer.forms.size(); ++i)
      forms[tuned->formNames[i].c_str()] = describeCost(layer.forms[i]);
    entry["node"] = layer.node;
    entry["forms"] = forms;
    entry["chosen"] = tuned->formNames[layer.chosen];
    layers.append(entry);
  }
  nb::dict result;
  result["yaml"] = tuned->yaml;
  result["table"] = table;
  result["layers"] = layers;
  result["float"] = describeCost(tuned->floatCost);
  result["base"] = describeCost(tuned->baseCost);
  result["found"] = describeCost(tuned->cost);
  return result;
}

static nb::dict describeBlocks(const Blocking &blocking) {
  nb::dict result;
  result["rows"] = blocking.rows;
  result["vectors"] = blocking.vectors;
  result["depth"] = blocking.depth;
  result["block_rows"] = blocking.blockRows;
  result["block_columns"] = blocking.blockColumns;
  return result;
}

static nb::dict
tuneKernelsOfModel(const nb::object &model, const std::string &cache,
                   const std::map<std::string, nb::ndarray<nb::ro>> &inputs,
                   const std::string &quantize, const std::string &calibration,
                   const std::string &statistics,
                   const std::map<std::string, std::vector<int64_t>> &shapes,
                   const std::string &target, int rounds, int threads) {
  TuneKernelsOptions options;
  options.target = target;
  options.quantize = {quantize, calibration, statistics};
  for (const auto &[name, sizes] : shapes)
    options.shapes[name].assign(sizes.begin(), sizes.end());
  options.cache = cache;
  options.rounds = rounds;
  options.threads = threads;
  std::optional<TensorsOfArrays> tensors;
  options.makeInputs = [&](const LoadedModel &library)
      -> llvm::Expected<llvm::SmallVector<const DLTensor *>> {
    nb::gil_scoped_acquire acquire;
    std::vector<nb::ndarray<nb::ro>> ordered;
    for (const QuantcTensorInfo &info : library.inputs()) {
      auto found = inputs.find(info.name);
      if (found == inputs.end())
        return llvm::createStringError("input '" + llvm::Twine(info.name) +
                                       "' is missing");
      ordered.push_back(found->second);
    }
    tensors.emplace(ordered);
    return llvm::SmallVector<const DLTensor *>(tensors->pointers.begin(),
                                               tensors->pointers.end());
  };
  std::string errors;
  options.report = collectErrors(errors);
  auto [path, bytes] = readModel(model);
  std::string table;
  mlir::FailureOr<TuneKernelsResult> tuned = mlir::failure();
  {
    nb::gil_scoped_release release;
    tuned = tuneKernels(path, bytes.value_or(""), options);
    if (succeeded(tuned)) {
      llvm::raw_string_ostream os(table);
      tuned->printTable(os);
    }
  }
  if (mlir::failed(tuned))
    raise(compileError, errors.empty() ? "tuning failed" : errors);
  nb::list kernels;
  for (const TunedKernel &kernel : tuned->kernels) {
    nb::dict entry;
    entry["kernel"] = kernel.kernel;
    entry["default"] = describeBlocks(kernel.base);
    entry["blocks"] = describeBlocks(kernel.best);
    entry["default_seconds"] = kernel.baseSeconds;
    entry["seconds"] = kernel.seconds;
    entry["known"] = kernel.isKnown;
    kernels.append(entry);
  }
  nb::dict result;
  result["kernels"] = kernels;
  result["default_seconds"] = tuned->baseSeconds;
  result["seconds"] = tuned->seconds;
  result["table"] = table;
  return result;
}

static void mergeStatisticsFiles(const std::vector<std::string> &inputs,
                                 const std::string &output) {
  if (llvm::Error error = mergeStatistics(inputs, output))
    raise(compileError, llvm::toString(std::move(error)));
}

static Model load(const std::string &path) {
  auto library = LoadedModel::load(path);
  if (!library)
    raise(runError, llvm::toString(library.takeError()));
  return Model(std::move(*library));
}

NB_MODULE(_quantc, m) {
  m.doc() = "The compiler and loader below the package quantc";
  compileError =
      nb::exception<std::runtime_error>(m, "CompileError", PyExc_RuntimeError);
  runError =
      nb::exception<std::runtime_error>(m, "RunError", PyExc_RuntimeError);
  // The objects live as long as the module; leave them at exit.
  compileError.inc_ref();
  runError.inc_ref();

  nb::class_<TensorDescription>(m, "Tensor", "An input or output of a model")
      .def_ro("name", &TensorDescription::name)
      .def_ro("dtype", &TensorDescription::elementType)
      .def_ro("shape", &TensorDescription::shape)
      .def("__repr__", [](const TensorDescription &self) {
        return "Tensor(" + self.name + ": " + self.elementType +
               nb::str(self.shape).c_str() + ")";
      });
  nb::class_<Model>(m, "Library")
      .def_prop_ro("inputs", &Model::inputs)
      .def_prop_ro("outputs", &Model::outputs)
      .def_prop_ro("name",
                   [](const Model &self) { return self.library->info().name; })
      .def_prop_ro(
          "features",
          [](const Model &self) { return self.library->info().features; })
      .def_prop_ro(
          "weight_bytes",
          [](const Model &self) { return self.library->info().weight_bytes; })
      .def_prop_ro(
          "scratch_bytes",
          [](const Model &self) { return self.library->info().arena_bytes; })
      .def("run", &Model::run, nb::arg("arrays"))
      .def("profile", &Model::profile, nb::arg("arrays"), nb::arg("runs"),
           nb::arg("warmup"), nb::arg("threads"))
      .def("set_num_threads", [](const Model &self, int count) {
        self.library->setNumThreads(count);
      });
  m.def("compile", &compile, nb::arg("model"), nb::arg("output"),
        nb::arg("shapes"), nb::arg("target"), nb::arg("emit"),
        nb::arg("prefix"), nb::arg("quantize") = "",
        nb::arg("calibration") = "", nb::arg("statistics") = "",
        nb::arg("profile") = false, nb::arg("kv_cache") = "",
        nb::arg("kv_cache_in_place") = false, nb::arg("kernels") = "",
        nb::arg("float_products") = "f32");
  m.def("calibrate", &runCalibration, nb::arg("model"), nb::arg("data"),
        nb::arg("output"), nb::arg("shapes"), nb::arg("values"),
        nb::arg("method"), nb::arg("gram"), nb::arg("threads"),
        nb::arg("progress").none());
  m.def("tune", &tune, nb::arg("model"), nb::arg("quantize"),
        nb::arg("calibration"), nb::arg("statistics"), nb::arg("shapes"),
        nb::arg("max_loss"), nb::arg("max_bytes"), nb::arg("max_latency"),
        nb::arg("minimize_bytes"), nb::arg("bits"), nb::arg("samples"),
        nb::arg("runs"), nb::arg("threads"));
  m.def("tune_kernels", &tuneKernelsOfModel, nb::arg("model"), nb::arg("cache"),
        nb::arg("inputs"), nb::arg("quantize"), nb::arg("calibration"),
        nb::arg("statistics"), nb::arg("shapes"), nb::arg("target"),
        nb::arg("rounds"), nb::arg("threads"));
  m.def("merge_statistics", &mergeStatisticsFiles, nb::arg("inputs"),
        nb::arg("output"));
  addRanges(m);
  addWeights(m);
  m.def("load", &load, nb::arg("path"));
  m.attr("__version__") = QUANTC_VERSION;
}
