//===- Tensors.cpp - Arrays of files as a model's tensors -----------------===//

#include "Tensors.h"

#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/bit.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <random>

using namespace llvm;
using namespace quantc;
using namespace quantc::tool;

enum DLCode : uint8_t { Int = 0, UInt = 1, Float = 2, Bool = 6 };

InputSet::InputSet(std::vector<NumpyArray> givenArrays,
                   ArrayRef<QuantcTensorInfo> infos)
    : arrays(std::move(givenArrays)) {
  for (auto [array, info] : llvm::zip(arrays, infos)) {
    DLTensor tensor = {};
    tensor.data = array.bytes.data();
    tensor.device.device_type = decltype(tensor.device.device_type)(kDLCPU);
    tensor.ndim = int32_t(array.shape.size());
    tensor.shape = array.shape.data();
    uint8_t bits = uint8_t(array.itemSize * 8);
    switch (array.kind) {
    case 'i':
      tensor.dtype = {Int, bits, 1};
      break;
    case 'u':
      tensor.dtype = {UInt, bits, 1};
      break;
    case 'b':
      tensor.dtype = {Bool, bits, 1};
      break;
    case 'f':
      tensor.dtype = {Float, bits, 1};
      break;
    default: // opaque bytes, which is how numpy writes bfloat16
      tensor.dtype =
          info.dtype.bits == bits ? info.dtype : DLDataType{UInt, bits, 1};
    }
    tensors.push_back(tensor);
  }
}

SmallVector<const DLTensor *> InputSet::pointers() const {
  SmallVector<const DLTensor *> result;
  for (const DLTensor &tensor : tensors)
    result.push_back(&tensor);
  return result;
}

Expected<InputSet> tool::bindInputs(const LoadedModel &model,
                                    std::vector<NumpyArray> arrays) {
  if (arrays.size() == 1 && arrays[0].name.empty() &&
      model.inputs().size() == 1)
    arrays[0].name = model.inputs()[0].name;
  std::vector<NumpyArray> ordered;
  for (const QuantcTensorInfo &info : model.inputs()) {
    auto found = llvm::find_if(
        arrays, [&](const NumpyArray &a) { return a.name == info.name; });
    if (found == arrays.end())
      return createStringError("the file has no array for input '" +
                               Twine(info.name) + "', " + describe(info));
    ordered.push_back(std::move(*found));
  }
  return InputSet(std::move(ordered), model.inputs());
}

/// Fills an array with numbers that most models can work with: floats from a
/// normal distribution, and integers small enough to be indices.
static void fillRandom(NumpyArray &array, std::mt19937 &generator) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> small(0, array.kind == 'b' ? 1 : 7);
  for (size_t i = 0; i < array.bytes.size(); i += array.itemSize) {
    char *to = &array.bytes[i];
    if (array.kind == 'f' && array.itemSize == 4) {
      float value = normal(generator);
      std::memcpy(to, &value, sizeof(value));
    } else if (array.kind == 'f' && array.itemSize == 8) {
      double value = normal(generator);
      std::memcpy(to, &value, sizeof(value));
    } else {
      // Little-endian integers; zero bits elsewhere are a zero of any type.
      *to = array.kind == 'f' || array.kind == 'V' ? 0 : char(small(generator));
    }
  }
}

Expected<InputSet>
tool::randomInputs(const LoadedModel &model,
                   const StringMap<SmallVector<int64_t>> &shapes) {
  std::mt19937 generator(0);
  std::vector<NumpyArray> arrays;
  StringMap<int64_t> named;
  for (const auto &entry : shapes)
    if (none_of(model.inputs(), [&](const QuantcTensorInfo &info) {
          return entry.first() == info.name;
        }))
      return createStringError("the model has no input '" + entry.first() +
                               "'");
  // A size given for one input is that of the same name in others.
  for (const QuantcTensorInfo &info : model.inputs()) {
    auto given = shapes.find(info.name);
    if (given == shapes.end())
      continue;
    if (given->second.size() != size_t(info.ndim))
      return createStringError("the shape for input '" + Twine(info.name) +
                               "' does not have its rank: " + describe(info));
    for (int32_t i = 0; i < info.ndim; ++i)
      if (given->second[i] >= 0 && info.dim_names[i][0])
        named[info.dim_names[i]] = given->second[i];
  }
  for (const QuantcTensorInfo &info : model.inputs()) {
    NumpyArray array;
    array.name = info.name;
    array.itemSize = info.dtype.bits / 8;
    array.kind = info.dtype.code == Int     ? 'i'
                 : info.dtype.code == UInt  ? 'u'
                 : info.dtype.code == Bool  ? 'b'
                 : info.dtype.code == Float ? 'f'
                                            : 'V';
    size_t bytes = array.itemSize;
    auto given = shapes.find(info.name);
    for (int32_t i = 0; i < info.ndim; ++i) {
      int64_t size = info.shape[i];
      if (size < 0 && given != shapes.end())
        size = given->second[i];
      if (size < 0) {
        auto it = named.find(info.dim_names[i]);
        size = it == named.end() ? 1 : it->second;
      }
      array.shape.push_back(size);
      if (__builtin_mul_overflow(bytes, size_t(size), &bytes))
        return createStringError("input '" + Twine(info.name) +
                                 "' would be too large");
    }
    array.bytes.resize(bytes);
    fillRandom(array, generator);
    arrays.push_back(std::move(array));
  }
  return InputSet(std::move(arrays), model.inputs());
}

NumpyArray tool::toNumpyArray(const QuantcTensorInfo &info,
                              const DLTensor &tensor) {
  NumpyArray array;
  array.name = info.name;
  array.itemSize = info.dtype.bits / 8;
  switch (info.dtype.code) {
  case Int:
    array.kind = 'i';
    break;
  case Float:
    array.kind = 'f';
    break;
  case Bool:
    array.kind = 'b';
    break;
  default: // numpy has no such floats: their bits
    array.kind = 'u';
  }
  size_t bytes = array.itemSize;
  for (int32_t i = 0; i < tensor.ndim; ++i) {
    array.shape.push_back(tensor.shape[i]);
    bytes *= size_t(tensor.shape[i]);
  }
  auto *data = static_cast<const char *>(tensor.data) + tensor.byte_offset;
  if (bytes)
    array.bytes.assign(data, data + bytes);
  return array;
}

std::string tool::describe(const QuantcTensorInfo &info) {
  std::string text = info.element_type;
  raw_string_ostream os(text);
  os << " [";
  for (int32_t i = 0; i < info.ndim; ++i) {
    os << (i ? "," : "");
    if (info.shape[i] >= 0)
      os << info.shape[i];
    else
      os << (info.dim_names[i][0] ? info.dim_names[i] : "?");
  }
  os << "]";
  return text;
}
