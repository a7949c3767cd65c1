//===- Calibrate.cpp - Statistics of a model over data --------------------===//

#include "quantc/Calibration/Calibrate.h"

#include "Watcher.h"

#include "quantc/Calibration/Passes.h"
#include "quantc/Dialect/QNN/IR/QuantizationOps.h"
#include "quantc/Dialect/QNN/Transforms/Passes.h"

#include "mlir/IR/OwningOpRef.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/MathExtras.h"

#include <atomic>
#include <mutex>
#include <thread>

using namespace mlir;
using namespace quantc;

//===- run ----------------------------------------------------------------===//

namespace {
/// Statistics by the observers' numbers, of some of the samples.
struct Recorder : Watcher {
  explicit Recorder(ArrayRef<CollectOptions> options)
      : options(options), values(options.size()) {}

  void see(int64_t number, ArrayRef<float> numbers,
           ArrayRef<int64_t> shape) override {
    values[number].add(numbers, shape, options[number]);
  }

  ArrayRef<CollectOptions> options;
  std::vector<ValueStatistics> values;
};

/// Runs the samples in groups, several at a time, and merges the statistics of
/// the groups in order: so the number of threads changes nothing.
class Runner {
public:
  Runner(const JITFunction &function, const DataSet &data,
         ArrayRef<CollectOptions> collected, const CalibrationOptions &options)
      : function(function), data(data), collected(collected), options(options),
        values(collected.size()) {}

  llvm::Error run() {
    std::vector<std::thread> threads;
    for (unsigned i = 1; i < std::min<size_t>(options.threads, numGroups); ++i)
      threads.emplace_back([this] { work(); });
    work();
    for (std::thread &thread : threads)
      thread.join();
    return std::move(failure);
  }

  std::vector<ValueStatistics> takeValues() { return std::move(values); }

private:
  static constexpr size_t groupSize = 8;

  void work() {
    while (!stopped) {
      size_t group = nextGroup++;
      if (group >= numGroups)
        return;
      Recorder recorder(collected);
      for (size_t i = group * groupSize;
           i < std::min(data.size(), (group + 1) * groupSize); ++i) {
        llvm::Error error = runSample(i, recorder);
        std::lock_guard<std::mutex> lock(mutex);
        if (error) {
          stopped = true;
          failure = llvm::joinErrors(std::move(failure), std::move(error));
          return;
        }
        ++numDone;
        if (options.progress)
          options.progress("calibrating", numDone, data.size());
      }
      std::lock_guard<std::mutex> lock(mutex);
      finished[group] = std::move(recorder.values);
      mergeFinished();
    }
  }

  llvm::Error runSample(size_t index, Recorder &recorder) {
    llvm::Expected<Sample> sample = data.get(index);
    if (!sample)
      return sample.takeError();
    SmallVector<Tensor> outputs;
    std::string error;
    if (failed(runWatched(function, sample->inputs, outputs, error, recorder)))
      return llvm::createStringError("sample " + Twine(index) + ": " + error);
    for (ValueStatistics &value : recorder.values)
      value.endSample();
    return llvm::Error::success();
  }

  void mergeFinished() {
    for (auto it = finished.find(numMerged); it != finished.end();
         it = finished.find(numMerged)) {
      for (auto [value, part] : llvm::zip_equal(values, it->second))
        if (llvm::Error error = value.merge(part))
          failure = llvm::joinErrors(std::move(failure), std::move(error));
      finished.erase(it);
      ++numMerged;
    }
  }

  const JITFunction &function;
  const DataSet &data;
  ArrayRef<CollectOptions> collected;
  const CalibrationOptions &options;
  size_t numGroups = llvm::divideCeil(data.size(), groupSize);
  std::atomic<size_t> nextGroup = 0;
  std::atomic<bool> stopped = false;

  std::mutex mutex;
  std::vector<ValueStatistics> values;
  std::map<size_t, std::vector<ValueStatistics>> finished;
  size_t numMerged = 0, numDone = 0;
  llvm::Error failure = llvm::Error::success();
};
} // namespace

/// Returns what is observed, instead of what the function returned: what that
/// does not need is dead then.
static void returnObserved(ModuleOp module) {
  for (auto func : module.getOps<func::FuncOp>()) {
    SmallVector<Value> observed;
    for (auto observe : func.getOps<qnn::ObserveOp>())
      observed.push_back(observe.getResult());
    if (observed.empty())
      continue;
    func.front().getTerminator()->setOperands(observed);
    func.setType(FunctionType::get(func.getContext(), func.getArgumentTypes(),
                                   TypeRange(ValueRange(observed))));
    func.removeResAttrsAttr();
  }
  // It is recorded again.
  module->removeAttr("qnn.inputs");
  module->removeAttr("qnn.outputs");
}

/// Whether `value` is the same in each run.
static bool isFixed(Value value, llvm::DenseMap<Value, bool> &known) {
  if (auto it = known.find(value); it != known.end())
    return it->second;
  Operation *op = value.getDefiningOp();
  bool result = op && op->getNumRegions() == 0 &&
                llvm::all_of(op->getOperands(), [&](Value operand) {
                  return isFixed(operand, known);
                });
  return known[value] = result;
}

/// The names of values that fixed weights multiply: methods that choose
/// weights ask for the Gram matrices of these. All channels of a result, which
/// may be a vocabulary's words, would make a matrix of gigabytes.
static llvm::StringSet<> findFactors(ModuleOp module) {
  llvm::StringSet<> names;
  llvm::DenseMap<Value, bool> known;
  module.walk([&](qnn::ObserveOp observe) {
    for (OpOperand &use : observe.getResult().getUses()) {
      auto op = dyn_cast<qnn::QuantizableOpInterface>(use.getOwner());
      if (!op || !op.getInputAxis(use.getOperandNumber()))
        continue;
      for (unsigned index : op.getQuantizableOperands())
        if (index != use.getOperandNumber() &&
            isFixed(op->getOperand(index), known))
          names.insert(observe.getId());
    }
  });
  return names;
}

FailureOr<Statistics> quantc::calibrate(ModuleOp module, const DataSet &data,
                                        const CalibrationOptions &options) {
  Statistics statistics;
  statistics.rangeMethod = options.rangeMethod;
  if (auto hash = module->getAttrOfType<StringAttr>("qnn.model_hash"))
    statistics.modelHash = hash.str();
  OwningOpRef<ModuleOp> copy = module.clone();
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  qnn::InsertObserversPassOptions observers;
  observers.values = options.values;
  observers.names.assign(options.names.begin(), options.names.end());
  pm.addNestedPass<func::FuncOp>(qnn::createInsertObserversPass(observers));
  if (failed(pm.run(*copy)))
    return failure();
  // Before what multiplies the values of interest is cut off.
  llvm::StringSet<> factors;
  if (options.gram)
    factors = findFactors(*copy);
  if (!options.names.empty()) {
    returnObserved(*copy);
    PassManager clean(module.getContext(), ModuleOp::getOperationName());
    clean.addPass(createCanonicalizerPass());
    if (failed(clean.run(*copy)))
      return failure();
  }
  if (options.progress)
    options.progress("compiling for calibration", 0, 0);
  FailureOr<WatchedFunction> watched = compileWatched(*copy);
  if (failed(watched))
    return failure();
  std::vector<CollectOptions> collected;
  for (auto [name, axis] : llvm::zip_equal(watched->names, watched->axes)) {
    CollectOptions &collect = collected.emplace_back();
    if (axis >= 0)
      collect.channelAxis = axis;
    collect.moments = options.moments;
    collect.gram = factors.contains(name);
  }
  Runner runner(watched->function, data, collected, options);
  if (llvm::Error error = runner.run())
    return module.emitError("calibration: ")
           << llvm::toString(std::move(error));
  std::vector<ValueStatistics> values = runner.takeValues();
  for (auto [name, value] : llvm::zip_equal(watched->names, values))
    statistics.values[name] = std::move(value);
  statistics.numSamples = data.size();
  return statistics;
}
