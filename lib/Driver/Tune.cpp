//===- Tune.cpp - Choose bits for each layer, by measuring ----------------===//
//
// Three measurements of each layer decide: the noise that it makes at the
// outputs if it alone is quantized, the bytes of its constants, and the time of
// its kernels in libraries that count (--profile), in float and in each number
// of bits. What is chosen is compiled and measured as a whole: noise need not
// add up as predicted, and then the choice is made again with that knowledge.
//
//===----------------------------------------------------------------------===//

#include "quantc/Driver/Tune.h"

#include "CalibrationInput.h"
#include "Dialects.h"

#include "quantc/Calibration/NoiseMeter.h"
#include "quantc/Driver/Profile.h"
#include "quantc/Quantization/Recipe.h"
#include "quantc/Target/Native/Native.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/Support/FormatVariadic.h"

using namespace mlir;
using namespace quantc;

namespace {
/// A library, and what it took.
struct MeasuredLibrary {
  ModelCost cost() const { return {loss, bytes, seconds}; }

  double loss = 0, bytes = 0, seconds = 0;
  std::vector<ProfiledKernel> kernels;
};

class Tuner {
public:
  Tuner(StringRef path, StringRef bytes, const TuneOptions &options)
      : path(path), bytes(bytes), options(options),
        context(getDriverDialects(), MLIRContext::Threading::DISABLED) {
    forwardDiagnostics(context, options.report);
  }

  FailureOr<TuneResult> run();

private:
  LogicalResult fail(const llvm::Twine &text) {
    return emitError(UnknownLoc::get(&context), text);
  }
  LogicalResult fail(llvm::Error error) {
    return fail(llvm::toString(std::move(error)));
  }
  LogicalResult prepare();
  LogicalResult chooseForms();
  LogicalResult measureForms();
  void addSeconds(const MeasuredLibrary &library, size_t form);
  FailureOr<double> measureLoss(const LoadedModel &library);
  FailureOr<MeasuredLibrary> measureLibrary(StringRef recipe);
  LayerChoice makeChoice(double noiseFactor) const;
  Recipe makeRecipe(ArrayRef<unsigned> choice) const;
  std::string printRecipe(const Recipe &recipe, const ModelCost &cost) const;

  StringRef path, bytes;
  const TuneOptions &options;
  MLIRContext context;
  OwningOpRef<ModuleOp> module;
  std::optional<DataSet> data;
  std::optional<NoiseMeter> meter;
  native::TemporaryDirectory directory;
  std::string statisticsFile;
  std::shared_ptr<const Statistics> statistics;
  Recipe base;
  /// The recipe for each form but float.
  std::vector<Recipe> forms;
  /// In float, and with all layers in each form.
  std::vector<MeasuredLibrary> libraries;
  TuneResult result;
  /// Noise of each layer by form (of each output); empty for impossible ones.
  std::vector<std::vector<OutputNoise>> noise;
};
} // namespace

namespace {
/// A sample's arrays as the arguments of a library.
class InputTensors {
public:
  InputTensors(const Sample &sample, const LoadedModel &library) {
    for (auto [view, info] : llvm::zip_equal(sample.inputs, library.inputs())) {
      DLTensor &tensor = tensors.emplace_back(DLTensor{});
      tensor.data = const_cast<char *>(view.bytes.data());
      tensor.device.device_type = decltype(tensor.device.device_type)(kDLCPU);
      tensor.ndim = int32_t(view.shape.size());
      tensor.dtype = info.dtype;
      tensor.shape = const_cast<int64_t *>(view.shape.data());
    }
    for (const DLTensor &tensor : tensors)
      pointers.push_back(&tensor);
  }
  ArrayRef<const DLTensor *> get() const { return pointers; }

private:
  SmallVector<DLTensor> tensors;
  SmallVector<const DLTensor *> pointers;
};
} // namespace

static double getLoss(ArrayRef<double> noise) {
  return noise.empty() ? 0 : std::sqrt(*llvm::max_element(noise));
}

/// Imports the model, and collects its statistics once for all recipes.
LogicalResult Tuner::prepare() {
  llvm::Expected<Recipe> loaded = Recipe::load(options.quantize.recipe);
  if (!loaded)
    return fail(loaded.takeError());
  base = std::move(*loaded);
  // What integers make slower is measured here, and not predicted.
  base.slowerLayers = SlowerLayers::Integer;
  for (Override &change : base.overrides)
    change.slowerLayers.reset();
  if (!base.transformations.empty())
    return fail("the recipe's transformations: layers are compared with the "
                "model as it is; leave them out");
  if (base.sequential)
    return fail("the recipe is sequential: tuning takes the statistics of one "
                "calibration; leave that out");
  if (options.quantize.calibration.empty())
    return fail("tuning measures layers on data: give --calibration=data.npz");
  const TuneBudget &budget = options.budget;
  if (!budget.loss && !budget.bytes && !budget.seconds)
    return fail("give what to keep to: a loss, bytes or a latency");

  CalibrationOptions run;
  run.gram = base.weights.rounding.usesGram();
  run.threads = std::max(1, options.threads);
  run.progress = options.progress;
  module = importForCalibration(path, bytes, options.shapes, run, context);
  if (!module)
    return failure();
  FailureOr<DataSet> opened = openData(options.quantize.calibration, *module);
  if (failed(opened))
    return failure();
  data.emplace(std::move(*opened));
  if (llvm::Error error = directory.create())
    return fail(std::move(error));
  statisticsFile = options.quantize.statistics;
  if (statisticsFile.empty()) {
    FailureOr<Statistics> collected = calibrate(*module, *data, run);
    if (failed(collected))
      return failure();
    statisticsFile = directory.file("model.stats");
    if (llvm::Error error = collected->save(statisticsFile))
      return fail(std::move(error));
  }
  llvm::Expected<Statistics> read = Statistics::load(statisticsFile);
  if (!read)
    return fail(read.takeError());
  statistics = std::make_shared<Statistics>(std::move(*read));
  FailureOr<NoiseMeter> created =
      NoiseMeter::create(*module, *data, options.samples, options.progress);
  if (failed(created))
    return failure();
  meter.emplace(std::move(*created));
  return success();
}

LogicalResult Tuner::chooseForms() {
  std::vector<unsigned> bits = options.bits;
  bool isInteger = base.weights.format == NumberFormat::Integer;
  if (bits.empty()) {
    bits.push_back(base.weights.bits);
    if (options.budget.bytes && isInteger && base.weights.bits > 4)
      bits.push_back(4);
  } else if (!isInteger) {
    return fail("the recipe's weights are no integers, so there is no choice "
                "of bits");
  }
  result.formNames = {"float"};
  for (unsigned number : bits) {
    Recipe form = base;
    form.weights.bits = number;
    if (std::string problem = findProblem(form.weights, "weights");
        !problem.empty())
      return fail(problem);
    forms.push_back(std::move(form));
    result.formNames.push_back(std::to_string(number) + " bits");
  }
  return success();
}

/// What the library computes for the samples, beside the float graph.
FailureOr<double> Tuner::measureLoss(const LoadedModel &library) {
  SmallVector<OwnedTensor> results;
  FailureOr<OutputNoise> measured = meter->measure(
      [&](const Sample &sample, SmallVectorImpl<ArrayRef<char>> &outputs) {
        auto ran = library.run(InputTensors(sample, library).get());
        if (!ran)
          return fail(ran.takeError());
        results = std::move(*ran);
        for (auto [result, info] :
             llvm::zip_equal(results, library.outputs())) {
          const DLTensor &tensor = result->dl_tensor;
          if (info.dtype.code != kDLFloat || info.dtype.bits != 32)
            continue;
          size_t size = sizeof(float);
          for (int64_t dim : ArrayRef(tensor.shape, tensor.ndim))
            size *= dim;
          outputs.emplace_back(static_cast<const char *>(tensor.data) +
                                   tensor.byte_offset,
                               size);
        }
        return success();
      });
  if (failed(measured))
    return failure();
  return getLoss(*measured);
}

/// Compiles the model with counters, and runs it.
FailureOr<MeasuredLibrary> Tuner::measureLibrary(StringRef recipe) {
  CompileOptions compile;
  compile.shapes = options.shapes;
  compile.output = directory.file("model.so");
  compile.writeHeader = false;
  compile.profile = true;
  compile.report = options.report;
  compile.progress = options.progress;
  if (!recipe.empty()) {
    compile.quantize.recipe = recipe.str();
    compile.quantize.statistics = statisticsFile;
  }
  if (failed(bytes.empty() ? compileFile(path, compile)
                           : compileBytes(bytes, compile)))
    return failure();
  MeasuredLibrary measured;
  auto library = LoadedModel::load(compile.output);
  if (!library)
    return fail(library.takeError());
  measured.bytes = double((*library)->info().weight_bytes);
  ProfileOptions run;
  run.threads = options.threads;
  run.runs = options.runs;
  run.measurePeaks = false;
  // Times are those of the first sample: the others are as large, mostly.
  llvm::Expected<Sample> sample = data->get(0);
  if (!sample)
    return fail(sample.takeError());
  llvm::Expected<Profile> profile =
      profileModel(**library, InputTensors(*sample, **library).get(), run);
  if (!profile)
    return fail(profile.takeError());
  measured.seconds = profile->seconds;
  measured.kernels = std::move(profile->kernels);
  FailureOr<double> loss = measureLoss(**library);
  if (failed(loss))
    return failure();
  measured.loss = *loss;
  return measured;
}

/// Gives each layer the time of the kernels that compute it, with all that they
/// do on the way.
void Tuner::addSeconds(const MeasuredLibrary &library, size_t form) {
  llvm::StringMap<ModelCost *> costs;
  for (TunedLayer &layer : result.layers)
    costs[layer.node] = &layer.forms[form];
  for (const ProfiledKernel &kernel : library.kernels) {
    SmallVector<StringRef> nodes;
    StringRef(kernel.nodes).split(nodes, " + ");
    llvm::erase_if(nodes, [&](StringRef node) { return !costs.count(node); });
    for (StringRef node : nodes)
      costs[node]->seconds += kernel.seconds / double(nodes.size());
  }
}

/// Fills the table of layers.
LogicalResult Tuner::measureForms() {
  llvm::StringMap<size_t> indices;
  size_t numForms = forms.size() + 1;
  for (auto [f, form] : llvm::enumerate(forms)) {
    FailureOr<std::vector<LayerNoise>> measured =
        meter->measureLayers(form, statistics);
    if (failed(measured))
      return failure();
    for (LayerNoise &layer : *measured) {
      auto [it, isNew] = indices.try_emplace(layer.node, result.layers.size());
      if (isNew) {
        TunedLayer tuned;
        tuned.node = layer.node;
        tuned.forms.resize(numForms);
        tuned.forms[0].bytes = double(layer.floatBytes);
        result.layers.push_back(std::move(tuned));
        noise.emplace_back(numForms);
        noise.back()[0].assign(layer.noise.size(), 0);
      }
      ModelCost &cost = result.layers[it->second].forms[f + 1];
      cost.bytes = double(layer.bytes);
      cost.loss = getLoss(layer.noise);
      noise[it->second][f + 1] = std::move(layer.noise);
    }
  }
  if (result.layers.empty())
    return fail("the recipe quantizes no layer that has a name");
  for (size_t f = 0; f < numForms; ++f) {
    FailureOr<MeasuredLibrary> library =
        measureLibrary(f ? forms[f - 1].toYAML() : "");
    if (failed(library))
      return failure();
    addSeconds(*library, f);
    libraries.push_back(std::move(*library));
  }
  return success();
}

/// What layers cost, so that sums are those of the libraries: what lies around
/// the layers (quantized sums, packed copies) is shared out among them.
LayerChoice Tuner::makeChoice(double noiseFactor) const {
  std::vector<std::vector<LayerOption>> layers;
  for (auto [i, layer] : llvm::enumerate(result.layers)) {
    auto &options = layers.emplace_back(layer.forms.size());
    for (auto [f, cost] : llvm::enumerate(layer.forms)) {
      options[f].noise = noise[i][f];
      for (double &part : options[f].noise)
        part *= noiseFactor;
      options[f].bytes = cost.bytes;
      options[f].seconds = cost.seconds;
      options[f].isPossible = !noise[i][f].empty();
    }
  }
  double otherBytes = libraries[0].bytes, otherSeconds = libraries[0].seconds;
  for (const auto &options : layers) {
    otherBytes -= options[0].bytes;
    otherSeconds -= options[0].seconds;
  }
  std::vector<std::vector<double>> bytes;
  for (const auto &options : layers) {
    auto &list = bytes.emplace_back();
    for (const LayerOption &option : options)
      list.push_back(option.bytes);
  }
  for (size_t f = 1; f < libraries.size(); ++f) {
    // Fewer bits are compared with the recipe's own: they need not save what
    // they could, because some kernels read whole bytes.
    size_t than = f == 1 ? 0 : 1;
    double saved = 0, seconds = otherSeconds, count = 0;
    for (auto [options, constants] : llvm::zip_equal(layers, bytes)) {
      if (!options[f].isPossible) {
        seconds += options[0].seconds;
        continue;
      }
      saved += constants[than] - constants[f];
      seconds += options[f].seconds;
      ++count;
    }
    double factor = 1;
    if (saved > 0)
      factor = (libraries[than].bytes - libraries[f].bytes) / saved;
    for (auto [options, constants] : llvm::zip_equal(layers, bytes)) {
      options[f].bytes =
          options[than].bytes - (constants[than] - constants[f]) * factor;
      options[f].seconds += (libraries[f].seconds - seconds) / count;
    }
  }
  return LayerChoice(std::move(layers), otherBytes, otherSeconds);
}

/// A name as a pattern that matches nothing else.
static std::string escapePattern(StringRef name) {
  std::string pattern;
  for (char c : name) {
    if (StringRef("*?[]{}\\").contains(c))
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

Recipe Tuner::makeRecipe(ArrayRef<unsigned> choice) const {
  Recipe recipe = base;
  for (auto [layer, form] : llvm::zip_equal(result.layers, choice)) {
    Override change;
    change.node = escapePattern(layer.node);
    if (form == 0) {
      // Overrides of the given recipe would take a skip back.
      if (base.overrides.empty()) {
        recipe.skip.push_back(change.node);
        continue;
      }
      change.skip = true;
    } else if (forms[form - 1].weights.bits != base.weights.bits) {
      change.weights = forms[form - 1].weights;
    } else {
      continue;
    }
    recipe.overrides.push_back(std::move(change));
  }
  return recipe;
}

static std::string describe(const ModelCost &cost) {
  std::string loss = "no loss";
  if (cost.loss > 0)
    loss = llvm::formatv("loss {0:f4} ({1:f1} dB)", cost.loss,
                         -20 * std::log10(cost.loss));
  return llvm::formatv("{0}, {1:f3} MB, {2:f3} ms", loss, cost.bytes / 1e6,
                       cost.seconds * 1e3);
}

std::string Tuner::printRecipe(const Recipe &recipe,
                               const ModelCost &cost) const {
  std::string text = "# Found by quantc tune --quantize=";
  text += StringRef(options.quantize.recipe).contains('\n')
              ? "recipe"
              : options.quantize.recipe;
  const TuneBudget &budget = options.budget;
  if (budget.loss)
    text += llvm::formatv(" --max-loss={0}", *budget.loss);
  if (budget.bytes)
    text += llvm::formatv(" --max-bytes={0:f0}", *budget.bytes);
  if (budget.seconds)
    text += llvm::formatv(" --max-latency={0}ms", *budget.seconds * 1e3);
  text += "\n# Measured: " + describe(cost) +
          "\n# In float: " + describe(result.floatCost) + "\n";
  return text + recipe.toYAML();
}

/// What a choice is to have little of, within the budget.
static double getObjective(const ModelCost &cost, const TuneOptions &options) {
  if (options.budget.bytes || options.budget.seconds)
    return cost.loss;
  return options.goal == TuneGoal::Seconds ? cost.seconds : cost.bytes;
}

FailureOr<TuneResult> Tuner::run() {
  if (failed(prepare()) || failed(chooseForms()) || failed(measureForms()))
    return failure();
  result.floatCost = libraries[0].cost();
  result.baseCost = libraries[1].cost();
  // Predictions that turned out wrong are scaled by how wrong they were.
  constexpr int rounds = 5;
  double noiseFactor = 1;
  TuneBudget budget = options.budget;
  std::string closest;
  std::vector<unsigned> last;
  for (int round = 0; round < rounds; ++round) {
    LayerChoice layers = makeChoice(noiseFactor);
    std::vector<unsigned> choice = layers.choose(budget, options.goal);
    if (choice == last)
      break;
    last = choice;
    ModelCost predicted = layers.predict(choice);
    Recipe recipe = makeRecipe(choice);
    FailureOr<MeasuredLibrary> library = measureLibrary(recipe.toYAML());
    if (failed(library))
      return failure();
    ModelCost cost = library->cost();
    if (cost.meets(options.budget)) {
      // Borders between integers and floats cost what no layer is charged with:
      // all layers in integers may be better than those that seem so.
      if (result.baseCost.meets(options.budget) &&
          getObjective(result.baseCost, options) <
              getObjective(cost, options)) {
        for (auto [form, parts] : llvm::zip_equal(choice, noise))
          form = parts[1].empty() ? 0 : 1;
        recipe = forms.front();
        cost = result.baseCost;
      }
      for (auto [layer, form] : llvm::zip_equal(result.layers, choice))
        layer.chosen = form;
      result.cost = cost;
      bool isForTime =
          !options.budget.bytes && options.goal == TuneGoal::Seconds;
      if (isForTime && cost.seconds >= result.floatCost.seconds)
        emitWarning(UnknownLoc::get(&context),
                    "integers are no faster than floats in this model on this "
                    "machine; --minimize=bytes looks for a small one");
      result.yaml = printRecipe(recipe, cost);
      return std::move(result);
    }
    closest = describe(cost);
    // Noise grows with the square of the loss.
    if (options.budget.loss && cost.loss > *options.budget.loss &&
        predicted.loss > 0)
      noiseFactor *= std::pow(1.02 * cost.loss / predicted.loss, 2);
    auto tighten = [](std::optional<double> &limit, double measured,
                      double wanted) {
      if (measured > wanted)
        limit = *limit * (wanted / measured) * 0.98;
    };
    if (budget.bytes)
      tighten(budget.bytes, cost.bytes, *options.budget.bytes);
    if (budget.seconds)
      tighten(budget.seconds, cost.seconds, *options.budget.seconds);
  }
  return fail("no choice of layers met what was asked for; the last one had " +
              closest);
}

FailureOr<TuneResult> quantc::tuneModel(StringRef path, StringRef bytes,
                                        const TuneOptions &options) {
  return Tuner(path, bytes, options).run();
}

void TuneResult::printTable(llvm::raw_ostream &os) const {
  os << llvm::formatv("{0,-10}", "chosen");
  for (auto [f, name] : llvm::enumerate(formNames))
    os << llvm::formatv(" {0,10} {1,10}", (f ? "loss, " : "") + name, "ms");
  os << "  node\n";
  for (const TunedLayer &layer : layers) {
    os << llvm::formatv("{0,-10}", formNames[layer.chosen]);
    for (auto [f, cost] : llvm::enumerate(layer.forms)) {
      std::string loss;
      if (f)
        loss = llvm::formatv("{0:f5}", cost.loss);
      os << llvm::formatv(" {0,10} {1,10:f3}", loss, cost.seconds * 1e3);
    }
    os << "  " << layer.node << "\n";
  }
  os << "float:  " << describe(floatCost) << "\nrecipe: " << describe(baseCost)
     << "\nfound:  " << describe(cost) << "\n";
}
