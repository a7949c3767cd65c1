//===- DataSet.cpp - The samples that calibration runs --------------------===//

#include "quantc/Calibration/DataSet.h"

#include "quantc/Conversion/QNNToLinalg/Lowering.h"

#include "mlir/IR/TypeUtilities.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/Path.h"

using namespace llvm;
using namespace quantc;
using mlir::RankedTensorType;

static std::string describeShape(ArrayRef<int64_t> shape) {
  std::string text = "[";
  for (auto [i, size] : enumerate(shape))
    text += (i ? "," : "") +
            (mlir::ShapedType::isDynamic(size) ? "?" : itostr(size));
  return text + "]";
}

/// numpy's kinds for elements of a model's type ("fV" for two bytes of bf16).
static StringRef getKinds(mlir::Type type) {
  if (type.isInteger(1))
    return "b";
  if (type.isUnsignedInteger())
    return "u";
  if (type.isInteger())
    return "i";
  return isa<mlir::Float16Type, mlir::Float32Type, mlir::Float64Type>(type)
             ? "f"
             : "uV";
}

/// What numpy calls the type of an array's elements.
static std::string getNumpyName(const NumpyArray &array) {
  if (array.kind == 'b')
    return "bool";
  StringRef kind = array.kind == 'f'   ? "float"
                   : array.kind == 'i' ? "int"
                   : array.kind == 'u' ? "uint"
                                       : "void";
  return kind.str() + utostr(array.itemSize * 8);
}

static Error checkElements(const native::TensorInterface &input,
                           const NumpyArray &array) {
  mlir::Type type = input.type.getElementType();
  unsigned bytes = getStorageType(type).getIntOrFloatBitWidth() / 8;
  if (getKinds(type).contains(array.kind) && array.itemSize == bytes)
    return Error::success();
  std::string name;
  raw_string_ostream(name) << type;
  return createStringError("input '" + input.name + "' has elements of type " +
                           name + ", the data's are numpy's " +
                           getNumpyName(array));
}

/// Whether a tensor of this shape fits the input.
static bool fits(const native::TensorInterface &input,
                 ArrayRef<int64_t> shape) {
  return succeeded(mlir::verifyCompatibleShape(input.type.getShape(), shape));
}

/// Puts arrays into the order of the inputs.
static Expected<std::vector<NumpyArray>>
sortArrays(std::vector<NumpyArray> arrays,
           ArrayRef<native::TensorInterface> inputs) {
  // One array without a name (.npy) is the only input.
  if (arrays.size() == 1 && inputs.size() == 1 && arrays[0].name.empty())
    arrays[0].name = inputs[0].name;
  std::vector<NumpyArray> sorted;
  std::string missing;
  for (const native::TensorInterface &input : inputs) {
    auto it = find_if(arrays, [&](const NumpyArray &array) {
      return array.name == input.name;
    });
    if (it == arrays.end()) {
      missing += (missing.empty() ? "'" : ", '") + input.name + "'";
      continue;
    }
    if (Error error = checkElements(input, *it))
      return std::move(error);
    sorted.push_back(std::move(*it));
  }
  if (!missing.empty()) {
    std::string present;
    for (const NumpyArray &array : arrays)
      if (!array.name.empty())
        present += (present.empty() ? "'" : ", '") + array.name + "'";
    return createStringError("no array for the inputs " + missing +
                             " (there are " +
                             (present.empty() ? "none" : present) + ")");
  }
  return sorted;
}

Expected<DataSet> DataSet::fromArrays(std::vector<NumpyArray> arrays,
                                      const native::ModelInterface &interface) {
  DataSet data;
  data.inputs = interface.inputs;
  if (interface.inputs.empty())
    return createStringError("the model has no inputs");
  Expected<std::vector<NumpyArray>> sorted =
      sortArrays(std::move(arrays), data.inputs);
  if (!sorted)
    return sorted.takeError();
  data.arrays = std::move(*sorted);
  std::string first;
  for (size_t i = 0; i < data.inputs.size(); ++i) {
    const native::TensorInterface &input = data.inputs[i];
    const NumpyArray &array = data.arrays[i];
    int64_t rank = input.type.getRank(), batch = 0;
    ArrayRef<int64_t> shape = array.shape;
    auto error = [&](const Twine &text) {
      return createStringError("input '" + input.name + "' takes " +
                               describeShape(input.type.getShape()) +
                               ", but the data have " + describeShape(shape) +
                               ": " + text);
    };
    if (int64_t(shape.size()) == rank && rank > 0) {
      batch = input.type.isDynamicDim(0) ? 1 : input.type.getDimSize(0);
      SmallVector<int64_t> sample(shape);
      sample[0] = batch;
      if (!fits(input, sample))
        return error("the dimensions after the first must agree");
      if (batch == 0 || shape[0] % batch)
        return error("the first dimension must be a multiple of the model's");
    } else if (int64_t(shape.size()) != rank + 1) {
      return error(rank == 0 ? "there must be one dimension, for the samples"
                             : "there must be as many dimensions, or one more "
                               "for the samples");
    } else if (!fits(input, shape.drop_front())) {
      return error("the dimensions after the samples' must agree");
    }
    size_t count = shape[0] / std::max<int64_t>(batch, 1);
    if (first.empty()) {
      data.numSamples = count;
      first = input.name;
    } else if (count != data.numSamples) {
      return createStringError("there are " + Twine(data.numSamples) +
                               " samples of the input '" + first + "', but " +
                               Twine(count) + " of '" + input.name + "'");
    }
    data.batchSizes.push_back(batch);
  }
  if (data.numSamples == 0)
    return createStringError("there are no samples");
  return data;
}

Expected<DataSet> DataSet::open(StringRef path,
                                const native::ModelInterface &interface) {
  auto inFile = [&](Error error) {
    return createStringError("'" + path + "': " + toString(std::move(error)));
  };
  if (!sys::fs::is_directory(path)) {
    Expected<std::vector<NumpyArray>> arrays = readNumpyFile(path);
    if (!arrays)
      return arrays.takeError();
    Expected<DataSet> data = fromArrays(std::move(*arrays), interface);
    if (!data)
      return inFile(data.takeError());
    return data;
  }
  DataSet data;
  data.inputs = interface.inputs;
  std::error_code code;
  for (sys::fs::directory_iterator it(path, code), end; it != end && !code;
       it.increment(code))
    if (sys::path::extension(it->path()) == ".npz")
      data.files.push_back(it->path());
  if (code)
    return createStringError(code,
                             "cannot read '" + path + "': " + code.message());
  if (data.files.empty())
    return createStringError("folder '" + path + "' has no .npz files");
  llvm::sort(data.files);
  return data;
}

Expected<Sample> DataSet::get(size_t index) const {
  Sample sample;
  if (!files.empty()) {
    auto inFile = [&](Error error) {
      return createStringError("'" + files[index] +
                               "': " + toString(std::move(error)));
    };
    Expected<std::vector<NumpyArray>> read = readNumpyFile(files[index]);
    if (!read)
      return read.takeError();
    Expected<std::vector<NumpyArray>> sorted =
        sortArrays(std::move(*read), inputs);
    if (!sorted)
      return inFile(sorted.takeError());
    sample.arrays = std::move(*sorted);
    for (size_t i = 0; i < inputs.size(); ++i) {
      const native::TensorInterface &input = inputs[i];
      const NumpyArray &array = sample.arrays[i];
      if (!fits(input, array.shape))
        return inFile(createStringError("input '" + input.name + "' takes " +
                                        describeShape(input.type.getShape()) +
                                        ", but the data have " +
                                        describeShape(array.shape)));
      sample.shapes.push_back(array.shape);
      sample.inputs.push_back({array.bytes, sample.shapes.back()});
    }
  } else {
    for (auto [array, batch] : zip_equal(arrays, batchSizes)) {
      size_t bytes = array.bytes.size() / numSamples;
      sample.shapes.emplace_back(array.shape);
      if (batch)
        sample.shapes.back()[0] = batch;
      else
        sample.shapes.back().erase(sample.shapes.back().begin());
      sample.inputs.push_back(
          {ArrayRef(array.bytes).slice(index * bytes, bytes), {}});
    }
  }
  // Only now do the shapes stay where they are.
  for (auto [input, shape] : zip_equal(sample.inputs, sample.shapes))
    input.shape = shape;
  return sample;
}
