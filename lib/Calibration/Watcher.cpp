//===- Watcher.cpp - What sees the values of a running graph --------------===//

#include "Watcher.h"

#include "quantc/Calibration/Passes.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/Pass/PassManager.h"
#include "llvm/ADT/bit.h"

using namespace mlir;
using namespace quantc;

//===- what compiled code calls -------------------------------------------===//

/// Of the sample that this thread is running.
static thread_local Watcher *currentWatcher;

static float toFloat(float value) { return value; }
static float toFloat(double value) { return float(value); }
static float toFloat(_Float16 value) { return float(value); }
namespace {
struct BFloat16 {
  uint16_t bits;
};
} // namespace
static float toFloat(BFloat16 value) {
  return llvm::bit_cast<float>(uint32_t(value.bits) << 16);
}

/// Copies a tensor with any strides, as float32.
template <typename T>
static void gather(const T *data, ArrayRef<int64_t> sizes,
                   ArrayRef<int64_t> strides, std::vector<float> &to) {
  if (sizes.empty()) {
    to.push_back(toFloat(*data));
    return;
  }
  for (int64_t i = 0; i < sizes.front(); ++i)
    gather(data + i * strides.front(), sizes.drop_front(), strides.drop_front(),
           to);
}

static bool isContiguous(ArrayRef<int64_t> sizes, ArrayRef<int64_t> strides) {
  int64_t expected = 1;
  for (size_t i = sizes.size(); i-- > 0;) {
    if (sizes[i] != 1 && strides[i] != expected)
      return false;
    expected *= sizes[i];
  }
  return true;
}

/// `descriptor` is that of a ranked memref: two pointers, an offset, sizes and
/// strides.
template <typename T>
static void observe(int64_t number, int64_t rank, const void *descriptor) {
  Watcher &watcher = *currentWatcher;
  auto *words = static_cast<const int64_t *>(descriptor);
  const T *data = reinterpret_cast<const T *>(words[1]) + words[2];
  ArrayRef<int64_t> sizes(words + 3, rank), strides(words + 3 + rank, rank);
  ArrayRef<float> numbers;
  int64_t count = 1;
  for (int64_t size : sizes)
    count *= size;
  if constexpr (std::is_same_v<T, float>)
    if (isContiguous(sizes, strides))
      numbers = ArrayRef(data, count);
  if (numbers.empty() && count) {
    watcher.scratch.clear();
    watcher.scratch.reserve(count);
    gather(data, sizes, strides, watcher.scratch);
    numbers = watcher.scratch;
  }
  watcher.see(number, numbers, sizes);
}

static ArrayRef<HostFunction> getHostFunctions() {
  static const HostFunction functions[] = {
      {"quantc_observe_f32", reinterpret_cast<void *>(&observe<float>)},
      {"quantc_observe_f64", reinterpret_cast<void *>(&observe<double>)},
      {"quantc_observe_f16", reinterpret_cast<void *>(&observe<_Float16>)},
      {"quantc_observe_bf16", reinterpret_cast<void *>(&observe<BFloat16>)}};
  return functions;
}

LogicalResult quantc::runWatched(const JITFunction &function,
                                 ArrayRef<TensorView> inputs,
                                 SmallVectorImpl<Tensor> &outputs,
                                 std::string &error, Watcher &watcher) {
  currentWatcher = &watcher;
  LogicalResult result = function.run(inputs, outputs, error);
  currentWatcher = nullptr;
  return result;
}

//===- compile ------------------------------------------------------------===//

FailureOr<WatchedFunction> quantc::compileWatched(ModuleOp module) {
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  pm.addPass(createLowerObserversPass());
  if (failed(pm.run(module)))
    return failure();
  std::vector<std::string> names;
  for (Attribute name : module->getAttrOfType<ArrayAttr>("qnn.observed"))
    names.push_back(cast<StringAttr>(name).str());
  SmallVector<int64_t> axes(
      module->getAttrOfType<DenseI64ArrayAttr>("qnn.observed_axes")
          .asArrayRef());
  FailureOr<JITFunction> function =
      JITFunction::compile(module, getHostFunctions());
  if (failed(function))
    return failure();
  return WatchedFunction{std::move(*function), std::move(names),
                         std::move(axes)};
}
