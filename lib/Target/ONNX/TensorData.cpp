//===- TensorData.cpp - ONNX types and tensors as MLIR ones ---------------===//

#include "TensorData.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Path.h"
#include "llvm/Support/Process.h"

#include <sys/mman.h>

using namespace mlir;
using namespace quantc::onnx_import;
using onnx::TensorProto;

namespace {
/// How ONNX stores an element type.
struct Storage {
  int32_t type;
  const char *name;
  /// Bits of one element in raw data; below 8, elements are packed.
  unsigned bits;
};
} // namespace

static constexpr Storage kStorage[] = {
    {TensorProto::FLOAT, "float", 32},
    {TensorProto::UINT8, "uint8", 8},
    {TensorProto::INT8, "int8", 8},
    {TensorProto::UINT16, "uint16", 16},
    {TensorProto::INT16, "int16", 16},
    {TensorProto::INT32, "int32", 32},
    {TensorProto::INT64, "int64", 64},
    {TensorProto::STRING, "string", 0},
    {TensorProto::BOOL, "bool", 8},
    {TensorProto::FLOAT16, "float16", 16},
    {TensorProto::DOUBLE, "double", 64},
    {TensorProto::UINT32, "uint32", 32},
    {TensorProto::UINT64, "uint64", 64},
    {TensorProto::COMPLEX64, "complex64", 0},
    {TensorProto::COMPLEX128, "complex128", 0},
    {TensorProto::BFLOAT16, "bfloat16", 16},
    {TensorProto::FLOAT8E4M3FN, "float8e4m3fn", 8},
    {TensorProto::FLOAT8E4M3FNUZ, "float8e4m3fnuz", 8},
    {TensorProto::FLOAT8E5M2, "float8e5m2", 8},
    {TensorProto::FLOAT8E5M2FNUZ, "float8e5m2fnuz", 8},
    {TensorProto::UINT4, "uint4", 4},
    {TensorProto::INT4, "int4", 4},
    {TensorProto::FLOAT4E2M1, "float4e2m1", 4},
    {TensorProto::FLOAT8E8M0, "float8e8m0", 8},
    {TensorProto::UINT2, "uint2", 2},
    {TensorProto::INT2, "int2", 2},
};

Type quantc::onnx_import::convertElementType(MLIRContext *context,
                                             int32_t onnxType) {
  Builder b(context);
  auto unsignedInt = [&](unsigned width) {
    return IntegerType::get(context, width, IntegerType::Unsigned);
  };
  switch (onnxType) {
  case TensorProto::FLOAT:
    return b.getF32Type();
  case TensorProto::DOUBLE:
    return b.getF64Type();
  case TensorProto::FLOAT16:
    return b.getF16Type();
  case TensorProto::BFLOAT16:
    return b.getBF16Type();
  case TensorProto::FLOAT8E4M3FN:
    return Float8E4M3FNType::get(context);
  case TensorProto::FLOAT8E4M3FNUZ:
    return Float8E4M3FNUZType::get(context);
  case TensorProto::FLOAT8E5M2:
    return Float8E5M2Type::get(context);
  case TensorProto::FLOAT8E5M2FNUZ:
    return Float8E5M2FNUZType::get(context);
  case TensorProto::FLOAT8E8M0:
    return Float8E8M0FNUType::get(context);
  case TensorProto::FLOAT4E2M1:
    return Float4E2M1FNType::get(context);
  case TensorProto::BOOL:
    return b.getI1Type();
  case TensorProto::INT2:
    return b.getIntegerType(2);
  case TensorProto::INT4:
    return b.getIntegerType(4);
  case TensorProto::INT8:
    return b.getI8Type();
  case TensorProto::INT16:
    return b.getI16Type();
  case TensorProto::INT32:
    return b.getI32Type();
  case TensorProto::INT64:
    return b.getI64Type();
  case TensorProto::UINT2:
    return unsignedInt(2);
  case TensorProto::UINT4:
    return unsignedInt(4);
  case TensorProto::UINT8:
    return unsignedInt(8);
  case TensorProto::UINT16:
    return unsignedInt(16);
  case TensorProto::UINT32:
    return unsignedInt(32);
  case TensorProto::UINT64:
    return unsignedInt(64);
  default:
    return {};
  }
}

int32_t quantc::onnx_import::elementTypeToONNX(Type type) {
  for (const Storage &s : kStorage)
    if (convertElementType(type.getContext(), s.type) == type)
      return s.type;
  return TensorProto::UNDEFINED;
}

static const Storage *findStorage(int32_t onnxType) {
  const Storage *it = llvm::find_if(
      kStorage, [&](const Storage &s) { return s.type == onnxType; });
  return it == std::end(kStorage) ? nullptr : it;
}

std::string quantc::onnx_import::elementTypeName(int32_t onnxType) {
  const Storage *storage = findStorage(onnxType);
  return storage ? storage->name : "type " + std::to_string(onnxType);
}

int64_t quantc::onnx_import::elementTypeBytes(int32_t onnxType, int64_t count) {
  const Storage *storage = findStorage(onnxType);
  return storage ? llvm::divideCeil(uint64_t(count) * storage->bits, 8) : 0;
}

RankedTensorType quantc::onnx_import::convertType(MLIRContext *context,
                                                  const onnx::TypeProto &type) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape())
    return {};
  Type elementType =
      convertElementType(context, type.tensor_type().elem_type());
  if (!elementType)
    return {};
  SmallVector<int64_t> shape;
  for (const auto &dim : type.tensor_type().shape().dim())
    shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0
                        ? dim.dim_value()
                        : ShapedType::kDynamic);
  return RankedTensorType::get(shape, elementType);
}

RankedTensorType
quantc::onnx_import::convertStringType(MLIRContext *context,
                                       const onnx::TypeProto &type) {
  if (!type.has_tensor_type() || !type.tensor_type().has_shape())
    return {};
  SmallVector<int64_t> shape;
  for (const auto &dim : type.tensor_type().shape().dim())
    shape.push_back(dim.has_dim_value() && dim.dim_value() >= 0
                        ? dim.dim_value()
                        : ShapedType::kDynamic);
  shape.push_back(ShapedType::kDynamic);
  return RankedTensorType::get(
      shape, IntegerType::get(context, 8, IntegerType::Unsigned));
}

onnx::TypeProto quantc::onnx_import::typeToONNX(RankedTensorType type) {
  onnx::TypeProto result;
  auto *tensor = result.mutable_tensor_type();
  tensor->set_elem_type(elementTypeToONNX(type.getElementType()));
  auto *shape = tensor->mutable_shape();
  for (int64_t d : type.getShape()) {
    auto *dim = shape->add_dim();
    if (!ShapedType::isDynamic(d))
      dim->set_dim_value(d);
  }
  return result;
}

//===- Attributes from bytes ----------------------------------------------===//

namespace {
/// Smaller tensors are uniqued in the context, so that folders and readers see
/// their elements; larger ones are blobs.
constexpr size_t kMinResourceBytes = 1024;

template <typename... Ts>
llvm::Error makeError(const char *format, const Ts &...values) {
  return llvm::createStringError(std::errc::invalid_argument, format,
                                 values...);
}

/// A dense attribute of elements that take a whole number of bytes.
ElementsAttr makeDense(RankedTensorType type, ArrayRef<char> bytes) {
  if (type.getElementType().isInteger(1)) {
    SmallVector<bool> values;
    for (char c : bytes)
      values.push_back(c != 0);
    return DenseElementsAttr::get(type, values);
  }
  return DenseElementsAttr::getFromRawBuffer(type, bytes);
}

/// An attribute over `bytes`, which `owner` keeps alive.
template <typename Owner>
ElementsAttr makeElements(RankedTensorType type, StringRef name,
                          ArrayRef<char> bytes, Owner owner) {
  unsigned width = type.getElementTypeBitWidth();
  if (bytes.size() < kMinResourceBytes || width < 8)
    return makeDense(type, bytes);
  // In a file they may begin anywhere.
  bool isAligned = llvm::isAddrAligned(llvm::Align(width / 8), bytes.data());
  AsmResourceBlob blob(
      bytes, /*dataAlignment=*/isAligned ? width / 8 : 1,
      [owner = std::move(owner)](void *, size_t, size_t) mutable {
        owner = Owner();
      },
      /*dataIsMutable=*/false);
  // A tensor in an attribute has no name, and the printer needs one.
  return DenseResourceElementsAttr::get(type, name.empty() ? "constant" : name,
                                        std::move(blob));
}

/// One byte an element, from packed elements of 2 or 4 bits.
std::vector<char> unpack(StringRef packed, unsigned bits, bool isSigned,
                         int64_t count) {
  std::vector<char> result(count);
  unsigned perByte = 8 / bits, mask = (1u << bits) - 1;
  for (int64_t i = 0; i < count; ++i) {
    unsigned byte = static_cast<unsigned char>(packed[i / perByte]);
    result[i] = static_cast<char>((byte >> (bits * (i % perByte))) & mask);
  }
  return result;
}

template <typename To, typename Field>
std::vector<char> narrow(const Field &field) {
  std::vector<char> result(size_t(field.size()) * sizeof(To));
  size_t i = 0;
  for (auto v : field) {
    To to = static_cast<To>(v);
    std::memcpy(result.data() + i++ * sizeof(To), &to, sizeof(To));
  }
  return result;
}
} // namespace

/// Elements of `tensor`'s typed fields, as raw data would hold them (but for
/// packed types: those stay packed).
static std::vector<char> collectTypedData(const TensorProto &tensor,
                                          unsigned bits) {
  switch (tensor.data_type()) {
  case TensorProto::FLOAT:
    return narrow<float>(tensor.float_data());
  case TensorProto::DOUBLE:
    return narrow<double>(tensor.double_data());
  case TensorProto::INT64:
    return narrow<int64_t>(tensor.int64_data());
  case TensorProto::UINT32:
    return narrow<uint32_t>(tensor.uint64_data());
  case TensorProto::UINT64:
    return narrow<uint64_t>(tensor.uint64_data());
  default:
    break;
  }
  if (bits <= 8)
    return narrow<uint8_t>(tensor.int32_data());
  if (bits == 16)
    return narrow<uint16_t>(tensor.int32_data());
  return narrow<int32_t>(tensor.int32_data());
}

llvm::Expected<ElementsAttr> TensorLoader::load(TensorProto &tensor) {
  if (ElementsAttr known = loaded.lookup(&tensor))
    return known;
  if (tensor.data_type() == TensorProto::STRING)
    return loadStrings(tensor);
  Type elementType = convertElementType(context, tensor.data_type());
  if (!elementType)
    return makeError("tensors of %s are not supported",
                     elementTypeName(tensor.data_type()).c_str());
  int64_t count = 1;
  for (int64_t d : tensor.dims()) {
    if (d < 0)
      return makeError("the tensor has the negative dimension %lld",
                       (long long)d);
    if (llvm::MulOverflow(count, d, count) || count > (int64_t(1) << 48))
      return makeError("the tensor is too large");
  }
  auto type = RankedTensorType::get(
      SmallVector<int64_t>(tensor.dims().begin(), tensor.dims().end()),
      elementType);
  auto result =
      count == 0
          ? llvm::Expected<ElementsAttr>(makeDense(type, ArrayRef<char>()))
      : tensor.data_location() == TensorProto::EXTERNAL
          ? loadExternal(tensor, type, count)
          : loadUncached(tensor, type, count);
  if (result)
    loaded[&tensor] = *result;
  return result;
}

llvm::Expected<ElementsAttr>
TensorLoader::loadStrings(const TensorProto &tensor) {
  int64_t count = 1, width = 1;
  for (int64_t d : tensor.dims())
    if (d < 0 || llvm::MulOverflow(count, d, count))
      return makeError("the tensor's dimensions are invalid");
  if (count != tensor.string_data_size())
    return makeError("the tensor has %d strings, its shape needs %lld",
                     tensor.string_data_size(), (long long)count);
  for (const std::string &text : tensor.string_data()) {
    if (text.find('\0') != std::string::npos)
      return makeError("strings with zero bytes are not supported");
    width = std::max<int64_t>(width, text.size());
  }
  int64_t size;
  if (llvm::MulOverflow(count, width, size) || size > (int64_t(1) << 30))
    return makeError("the tensor is too large");
  std::vector<char> bytes(size, 0);
  for (auto [i, text] : llvm::enumerate(tensor.string_data()))
    llvm::copy(text, bytes.begin() + i * width);
  SmallVector<int64_t> shape(tensor.dims().begin(), tensor.dims().end());
  shape.push_back(width);
  return makeDense(
      RankedTensorType::get(
          shape, IntegerType::get(context, 8, IntegerType::Unsigned)),
      bytes);
}

llvm::Expected<ElementsAttr> TensorLoader::loadUncached(TensorProto &tensor,
                                                        RankedTensorType type,
                                                        int64_t count) {
  const Storage *storage = findStorage(tensor.data_type());
  uint64_t expected = (uint64_t(count) * storage->bits + 7) / 8;
  if (tensor.has_raw_data()) {
    // ONNX's checker accepts longer data.
    if (tensor.raw_data().size() < expected)
      return makeError("the tensor has %zu bytes of data, its shape needs %llu",
                       tensor.raw_data().size(), (unsigned long long)expected);
    std::unique_ptr<std::string> bytes(tensor.release_raw_data());
    if (storage->bits < 8) {
      std::vector<char> elements =
          unpack(*bytes, storage->bits,
                 type.getElementType().isSignlessInteger(), count);
      return makeDense(type, elements);
    }
    ArrayRef<char> data(bytes->data(), expected);
    return makeElements(type, tensor.name(), data, std::move(bytes));
  }
  auto bytes = std::make_unique<std::vector<char>>(
      collectTypedData(tensor, storage->bits));
  if (bytes->size() < expected)
    return makeError("the tensor has %zu bytes of data, its shape needs %llu",
                     bytes->size(), (unsigned long long)expected);
  tensor.clear_float_data();
  tensor.clear_double_data();
  tensor.clear_int32_data();
  tensor.clear_int64_data();
  tensor.clear_uint64_data();
  if (storage->bits < 8)
    return makeDense(
        type, unpack(StringRef(bytes->data(), bytes->size()), storage->bits,
                     type.getElementType().isSignlessInteger(), count));
  ArrayRef<char> data(bytes->data(), expected);
  return makeElements(type, tensor.name(), data, std::move(bytes));
}

//===- External data ------------------------------------------------------===//

/// Bytes of a mapped file. When they are needed no longer, the system may have
/// their memory back at once: the file may be larger than all there is.
struct TensorLoader::MappedPart {
  MappedFile file;
  ArrayRef<char> data;

  ~MappedPart() {
    // Small files are read instead.
    if (file->getBufferKind() != llvm::MemoryBuffer::MemoryBuffer_MMap)
      return;
    uintptr_t page = llvm::sys::Process::getPageSizeEstimate();
    auto first = reinterpret_cast<uintptr_t>(data.data());
    uintptr_t begin = llvm::alignTo(first, page);
    uintptr_t end = llvm::alignDown(first + data.size(), page);
    if (begin < end)
      (void)madvise(reinterpret_cast<void *>(begin), end - begin,
                    MADV_DONTNEED);
  }
};

TensorLoader::TensorLoader(MLIRContext *context, std::string directory,
                           MappedFile modelFile)
    : context(context), directory(std::move(directory)),
      modelFile(std::move(modelFile)) {
  if (this->modelFile)
    files[llvm::sys::path::filename(this->modelFile->getBufferIdentifier())] =
        this->modelFile;
}

llvm::Expected<MappedFile> TensorLoader::mapFile(StringRef location) {
  MappedFile &file = files[location];
  if (file)
    return file;
  namespace fs = llvm::sys::fs;
  namespace path = llvm::sys::path;
  if (directory.empty())
    return makeError("it has external data, but there is no folder for it");
  if (location.empty() || path::is_absolute(location))
    return makeError("external data must lie in the model's folder, not at "
                     "'%s'",
                     location.str().c_str());
  SmallString<256> full(directory), base, real;
  path::append(full, location);
  if (fs::real_path(directory, base) || fs::real_path(full, real))
    return makeError("cannot find the external data file '%s'",
                     location.str().c_str());
  // Symbolic links and ".." are resolved by now. The root ends in a separator.
  if (!base.ends_with(path::get_separator()))
    base += path::get_separator();
  if (!real.starts_with(base))
    return makeError("external data must lie in the model's folder; '%s' "
                     "leads out of it",
                     location.str().c_str());
  auto handle = fs::openNativeFileForRead(real);
  if (!handle)
    return handle.takeError();
  fs::file_status status;
  std::error_code error = fs::status(*handle, status);
  if (!error && status.type() != fs::file_type::regular_file)
    error = std::make_error_code(std::errc::invalid_argument);
  auto opened =
      error ? error
            : llvm::MemoryBuffer::getOpenFile(*handle, real, status.getSize(),
                                              /*RequiresNullTerminator=*/false);
  fs::closeFile(*handle);
  if (!opened)
    return makeError("cannot read the external data file '%s': %s",
                     location.str().c_str(),
                     opened.getError().message().c_str());
  return file = std::move(*opened);
}

llvm::Expected<ElementsAttr> TensorLoader::loadExternal(TensorProto &tensor,
                                                        RankedTensorType type,
                                                        int64_t count) {
  const Storage *storage = findStorage(tensor.data_type());
  uint64_t expected = (uint64_t(count) * storage->bits + 7) / 8;
  std::string location;
  uint64_t offset = 0, length = expected;
  for (const auto &entry : tensor.external_data()) {
    StringRef value = entry.value();
    if (entry.key() == "location")
      location = entry.value();
    else if (entry.key() == "offset" && value.getAsInteger(10, offset))
      return makeError("external data has the bad offset '%s'",
                       entry.value().c_str());
    else if (entry.key() == "length" && value.getAsInteger(10, length))
      return makeError("external data has the bad length '%s'",
                       entry.value().c_str());
  }
  auto file = mapFile(location);
  if (!file)
    return file.takeError();
  uint64_t size = (*file)->getBufferSize();
  if (length < expected && *file == modelFile)
    return makeError("the tensor has %llu bytes of data, its shape needs %llu",
                     (unsigned long long)length, (unsigned long long)expected);
  if (length < expected)
    return makeError("its external data is %llu bytes long, its shape needs "
                     "%llu",
                     (unsigned long long)length, (unsigned long long)expected);
  if (offset > size || expected > size - offset)
    return makeError("external data at offset %llu, %llu bytes long, ends "
                     "behind the end of '%s' (%llu bytes)",
                     (unsigned long long)offset, (unsigned long long)expected,
                     location.c_str(), (unsigned long long)size);
  ArrayRef<char> data((*file)->getBufferStart() + offset, expected);
  if (storage->bits < 8)
    return makeDense(type,
                     unpack(StringRef(data.data(), data.size()), storage->bits,
                            type.getElementType().isSignlessInteger(), count));
  return makeElements(type, tensor.name(), data,
                      std::unique_ptr<MappedPart>(new MappedPart{*file, data}));
}

//===- Sparse tensors -----------------------------------------------------===//

llvm::Expected<ElementsAttr>
TensorLoader::load(onnx::SparseTensorProto &sparse) {
  if (ElementsAttr known = loaded.lookup(&sparse))
    return known;
  auto values = load(*sparse.mutable_values());
  if (!values)
    return values;
  auto indices = load(*sparse.mutable_indices());
  if (!indices)
    return indices;
  Type elementType = values->getElementType();
  unsigned width = elementType.getIntOrFloatBitWidth();
  auto valueType = cast<RankedTensorType>(values->getType());
  auto indexType = cast<RankedTensorType>(indices->getType());
  SmallVector<int64_t> shape(sparse.dims().begin(), sparse.dims().end());
  int64_t count = 1;
  for (int64_t d : shape)
    if (d < 0 || llvm::MulOverflow(count, d, count) || count > (1 << 30))
      return makeError("the sparse tensor is too large");
  if (width < 8 || valueType.getRank() != 1 ||
      !indexType.getElementType().isInteger(64))
    return makeError("sparse tensors of this form are not supported");

  auto bytesOf = [](ElementsAttr attr) -> ArrayRef<char> {
    if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr))
      return resource.getData();
    return cast<DenseElementsAttr>(attr).getRawData();
  };
  int64_t nnz = valueType.getDimSize(0);
  auto type = RankedTensorType::get(shape, elementType);
  size_t size = width / 8;
  auto dense = std::make_unique<std::vector<char>>(size * count);
  ArrayRef<char> raw = bytesOf(*values), rawIndex = bytesOf(*indices);
  bool splat = isa<SplatElementsAttr>(*values);
  bool splatIndex = isa<SplatElementsAttr>(*indices);
  auto index = [&](int64_t i) {
    int64_t v;
    std::memcpy(&v, rawIndex.data() + (splatIndex ? 0 : i * 8), 8);
    return v;
  };
  int64_t rank = indexType.getRank() == 2 ? shape.size() : 1;
  if (indexType.getNumElements() != nnz * rank)
    return makeError("the sparse tensor has %lld values, but indices for %lld",
                     (long long)nnz,
                     (long long)(indexType.getNumElements() / rank));
  for (int64_t i = 0; i < nnz; ++i) {
    int64_t at = indexType.getRank() == 2 ? 0 : index(i);
    if (indexType.getRank() == 2)
      for (int64_t d = 0; d < rank; ++d)
        at = at * shape[d] + index(i * rank + d);
    if (at < 0 || at >= count)
      return makeError("the sparse tensor has an index out of range");
    std::memcpy(dense->data() + at * size, raw.data() + (splat ? 0 : i * size),
                size);
  }
  ArrayRef<char> data(*dense);
  ElementsAttr result =
      makeElements(type, sparse.values().name(), data, std::move(dense));
  loaded[&sparse] = result;
  return result;
}
