//===- TuneKernels.cpp - Choose blocks of products, by measuring ----------===//
//
// Candidates are measured where they will run: in libraries of the whole model
// that count (--profile), each with another candidate for every product. The
// libraries take turns, and the least time of the turns counts, so that what
// else the machine does concerns all of them. Parts of the blocks are searched
// one after the other, from the best so far.
//
//===----------------------------------------------------------------------===//

#include "quantc/Driver/TuneKernels.h"

#include "Dialects.h"

#include "quantc/Driver/Export.h"
#include "quantc/Driver/Profile.h"
#include "quantc/Target/Native/Native.h"

#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FormatVariadic.h"

#include <limits>

using namespace mlir;
using namespace quantc;

/// What a candidate must gain to be taken, and to be kept when all that were
/// taken are measured together.
static constexpr double kGainToTake = 0.97, kGainToKeep = 0.985;
/// Runs of a library in a turn.
static constexpr int kRunsOfTurn = 3;

namespace {
/// A compiled form of the model, and the least times that its turns took.
struct MeasuredForm {
  std::shared_ptr<LoadedModel> library;
  std::vector<ProductKernel> products;
  /// By function.
  llvm::StringMap<double> seconds;
  double total = std::numeric_limits<double>::infinity();
};

class KernelTuner {
public:
  KernelTuner(StringRef path, StringRef bytes,
              const TuneKernelsOptions &options)
      : path(path), bytes(bytes), options(options),
        context(getDriverDialects(), MLIRContext::Threading::DISABLED) {
    forwardDiagnostics(context, options.report);
  }

  FailureOr<TuneKernelsResult> run();

private:
  using Wishes = llvm::StringMap<Blocking>;

  LogicalResult fail(const llvm::Twine &text) {
    return emitError(UnknownLoc::get(&context), text);
  }
  LogicalResult fail(llvm::Error error) {
    return fail(llvm::toString(std::move(error)));
  }
  LogicalResult prepare();
  FailureOr<MeasuredForm> compile(const Wishes &wishes);
  LogicalResult measure(MutableArrayRef<MeasuredForm> forms, StringRef step,
                        int rounds);
  double getSeconds(const MeasuredForm &form, StringRef kernel) const;
  LogicalResult search(TunedPart part, StringRef step);
  FailureOr<TuneKernelsResult> finish(MeasuredForm &base);
  void report(StringRef step, size_t done, size_t total) {
    if (options.progress)
      options.progress(step, done, total);
  }

  StringRef path, bytes;
  const TuneKernelsOptions &options;
  MLIRContext context;
  native::TemporaryDirectory directory;
  std::string target, quantizedPath;
  unsigned numLibraries = 0;
  SmallVector<const DLTensor *> inputs;
  /// What the file has, and what is wished so far of the other products.
  KernelChoices cache;
  Wishes wishes;
  /// The products to search for, in the order of the model.
  std::vector<std::string> kernels;
};
} // namespace

LogicalResult KernelTuner::prepare() {
  llvm::Expected<native::TargetSpec> spec =
      native::resolveTarget(options.target);
  if (!spec)
    return fail(spec.takeError());
  target = describeTarget(spec->features);
  if (llvm::sys::fs::exists(options.cache)) {
    llvm::Expected<KernelChoices> loaded = KernelChoices::load(options.cache);
    if (!loaded)
      return fail(loaded.takeError());
    cache = std::move(*loaded);
  }
  if (llvm::Error error = directory.create())
    return fail(std::move(error));
  if (options.quantize.recipe.empty())
    return success();
  // Once for all libraries.
  CompileOptions quantize;
  quantize.quantize = options.quantize;
  quantize.target = options.target;
  quantize.shapes = options.shapes;
  quantize.report = options.report;
  quantize.progress = options.progress;
  quantizedPath = quantize.output = directory.file("quantized.onnx");
  return bytes.empty() ? exportFile(path, quantize)
                       : exportBytes(bytes, quantize);
}

/// Compiles the model with the choices of the file, and `wishes` beside them.
FailureOr<MeasuredForm> KernelTuner::compile(const Wishes &wishes) {
  KernelChoices choices = cache;
  for (const auto &[kernel, blocking] : wishes)
    choices.set({target, kernel.str(), blocking});
  CompileOptions compile;
  compile.target = options.target;
  compile.shapes = options.shapes;
  compile.kernels = directory.file("kernels.yaml");
  compile.output =
      directory.file("model" + std::to_string(numLibraries++) + ".so");
  compile.writeHeader = false;
  compile.profile = true;
  compile.report = options.report;
  if (llvm::Error error =
          native::writeFileAtomically(compile.kernels, choices.toYAML()))
    return fail(std::move(error));
  CompileStatistics statistics;
  LogicalResult compiled =
      quantizedPath.empty() && !bytes.empty()
          ? compileBytes(bytes, compile, &statistics)
          : compileFile(quantizedPath.empty() ? path : quantizedPath, compile,
                        &statistics);
  if (failed(compiled))
    return failure();
  auto library = LoadedModel::load(compile.output);
  // An open library needs its file no longer.
  llvm::sys::fs::remove(compile.output);
  if (!library)
    return fail(library.takeError());
  MeasuredForm form;
  form.library = std::move(*library);
  form.products = std::move(statistics.products);
  return form;
}

LogicalResult KernelTuner::measure(MutableArrayRef<MeasuredForm> forms,
                                   StringRef step, int rounds) {
  if (inputs.empty()) {
    auto made = options.makeInputs(*forms.front().library);
    if (!made)
      return fail(made.takeError());
    inputs = std::move(*made);
  }
  ProfileOptions single;
  single.threads = options.threads;
  single.runs = 1;
  single.measurePeaks = false;
  size_t numTurns = rounds * forms.size();
  for (size_t i = 0; i < numTurns; ++i) {
    MeasuredForm &form = forms[i % forms.size()];
    report(step, i, numTurns);
    for (int run = 0; run < kRunsOfTurn; ++run) {
      // What others left in the caches goes first.
      single.warmup = run == 0;
      llvm::Expected<Profile> profile =
          profileModel(*form.library, inputs, single);
      if (!profile)
        return fail(profile.takeError());
      llvm::StringMap<double> seconds;
      for (const ProfiledKernel &kernel : profile->kernels)
        seconds[kernel.kernel] += kernel.seconds;
      for (const auto &[function, time] : seconds) {
        double &least = form.seconds.try_emplace(function, time).first->second;
        least = std::min(least, time);
      }
      form.total = std::min(form.total, profile->seconds);
    }
  }
  return success();
}

/// Of all functions that hold the product.
double KernelTuner::getSeconds(const MeasuredForm &form,
                               StringRef kernel) const {
  double sum = 0;
  llvm::StringSet<> functions;
  for (const ProductKernel &product : form.products)
    if (product.kernel == kernel && functions.insert(product.function).second)
      sum += form.seconds.lookup(product.function);
  return sum;
}

/// What is to be wished so that `actual` becomes `proposed`.
static Blocking merge(Blocking wish, const Blocking &actual,
                      const Blocking &proposed) {
  for (auto field : {&Blocking::rows, &Blocking::vectors, &Blocking::depth,
                     &Blocking::blockRows, &Blocking::blockColumns})
    if (actual.*field != proposed.*field)
      wish.*field = proposed.*field;
  return wish;
}

/// Tries other forms of one part of the blocks, and takes those that gain.
LogicalResult KernelTuner::search(TunedPart part, StringRef step) {
  SmallVector<MeasuredForm> forms;
  SmallVector<Wishes> formWishes = {wishes};
  std::string compiling = ("compiling: " + step).str();
  report(compiling, 0, 0);
  FailureOr<MeasuredForm> current = compile(wishes);
  if (failed(current))
    return failure();
  llvm::StringMap<std::vector<Blocking>> proposals;
  for (const ProductKernel &product : current->products) {
    if (!llvm::is_contained(kernels, product.kernel) ||
        proposals.count(product.kernel))
      continue;
    std::vector<Blocking> &list = proposals[product.kernel];
    for (const Blocking &proposed :
         proposeBlockings(product, product.blocking, part))
      list.push_back(
          merge(wishes.lookup(product.kernel), product.blocking, proposed));
    for (size_t i = 0; i < list.size(); ++i) {
      if (formWishes.size() <= i + 1)
        formWishes.push_back(wishes);
      formWishes[i + 1][product.kernel] = list[i];
    }
  }
  if (formWishes.size() == 1)
    return success();
  forms.push_back(std::move(*current));
  for (size_t i = 1; i < formWishes.size(); ++i) {
    report(compiling, i, formWishes.size());
    FailureOr<MeasuredForm> form = compile(formWishes[i]);
    if (failed(form))
      return failure();
    forms.push_back(std::move(*form));
  }
  if (failed(measure(forms, ("measuring: " + step).str(), options.rounds)))
    return failure();
  for (const auto &[kernel, list] : proposals) {
    double least = getSeconds(forms.front(), kernel) * kGainToTake;
    for (size_t i = 0; i < list.size(); ++i)
      if (double seconds = getSeconds(forms[i + 1], kernel); seconds < least) {
        least = seconds;
        wishes[kernel] = list[i];
      }
  }
  return success();
}

/// Measures what was found beside what the compiler chooses, drops what gains
/// nothing then, and writes the file.
FailureOr<TuneKernelsResult> KernelTuner::finish(MeasuredForm &base) {
  SmallVector<MeasuredForm> forms;
  forms.push_back(std::move(base));
  while (true) {
    FailureOr<MeasuredForm> tuned = compile(wishes);
    if (failed(tuned))
      return failure();
    forms.truncate(1);
    forms.push_back(std::move(*tuned));
    if (failed(measure(forms, "measuring: what was found", 2 * options.rounds)))
      return failure();
    bool hasDropped = false;
    for (const std::string &kernel : kernels)
      if (getSeconds(forms[1], kernel) >
          getSeconds(forms[0], kernel) * kGainToKeep)
        hasDropped |= wishes.erase(kernel);
    if (!hasDropped)
      break;
  }
  TuneKernelsResult result;
  result.target = target;
  result.baseSeconds = forms[0].total;
  result.seconds = forms[1].total;
  llvm::StringSet<> seen;
  for (auto [product, now] :
       llvm::zip_equal(forms[0].products, forms[1].products)) {
    if (!seen.insert(product.kernel).second)
      continue;
    TunedKernel &kernel = result.kernels.emplace_back();
    kernel.kernel = product.kernel;
    kernel.base = product.blocking;
    kernel.best = now.blocking;
    kernel.baseSeconds = getSeconds(forms[0], product.kernel);
    kernel.seconds = getSeconds(forms[1], product.kernel);
    kernel.isKnown = !llvm::is_contained(kernels, product.kernel);
    if (!kernel.isKnown)
      cache.set({target, kernel.kernel, wishes.lookup(kernel.kernel)});
  }
  llvm::stable_sort(result.kernels,
                    [](const TunedKernel &a, const TunedKernel &b) {
                      return a.baseSeconds > b.baseSeconds;
                    });
  if (llvm::Error error =
          native::writeFileAtomically(options.cache, cache.toYAML()))
    return fail(std::move(error));
  return result;
}

FailureOr<TuneKernelsResult> KernelTuner::run() {
  if (failed(prepare()))
    return failure();
  report("compiling", 0, 0);
  // The compiler's own choices for all products.
  KernelChoices known;
  std::swap(known, cache);
  FailureOr<MeasuredForm> base = compile({});
  std::swap(known, cache);
  if (failed(base))
    return failure();
  for (const ProductKernel &product : base->products)
    if (!cache.find(target, product.kernel) &&
        !llvm::is_contained(kernels, product.kernel))
      kernels.push_back(product.kernel);
  if (base->products.empty())
    return fail("the model has no products whose blocks can be chosen");
  if (!kernels.empty())
    for (auto [part, step] : {std::pair(TunedPart::Registers, "registers"),
                              {TunedPart::Depth, "depth"},
                              {TunedPart::Tasks, "tasks"}})
      if (failed(search(part, step)))
        return failure();
  return finish(*base);
}

FailureOr<TuneKernelsResult>
quantc::tuneKernels(StringRef path, StringRef bytes,
                    const TuneKernelsOptions &options) {
  return KernelTuner(path, bytes, options).run();
}

void TuneKernelsResult::printTable(llvm::raw_ostream &os) const {
  os << llvm::formatv("{0,10} {1,10} {2,7}  {3}\n", "default ms", "tuned ms",
                      "ratio", "product: blocks");
  for (const TunedKernel &kernel : kernels) {
    double ratio =
        kernel.baseSeconds > 0 ? kernel.seconds / kernel.baseSeconds : 1;
    os << llvm::formatv(
        "{0,10:f3} {1,10:f3} {2,7:f2}  {3}: ", kernel.baseSeconds * 1e3,
        kernel.seconds * 1e3, ratio, kernel.kernel);
    if (kernel.best == kernel.base)
      os << "as the compiler chooses, " << kernel.base.describe();
    else
      os << kernel.best.describe() << " instead of " << kernel.base.describe();
    os << (kernel.isKnown ? " (known)\n" : "\n");
  }
  os << llvm::formatv("{0,10:f3} {1,10:f3} {2,7:f2}  a run\n",
                      baseSeconds * 1e3, seconds * 1e3, seconds / baseSeconds);
}
