//===- ModelReader.cpp - Serialized models --------------------------------===//
//
// protobuf would copy all of a model's weights. Those in a file stay there:
// large initializers become external data, of the model's own file.
//
//===----------------------------------------------------------------------===//

#include "ModelPreparation.h"

#include "onnx/checker.h"

#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "llvm/Support/Path.h"

using namespace mlir;
using namespace quantc::onnx_import;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

/// Smaller initializers are parsed as they are.
static constexpr size_t kMinExternalBytes = 1 << 14;

static constexpr char kDamaged[] =
    "this is not an ONNX model, or it is damaged";

/// Calls `visit` for each field of a serialized message: with its number, all
/// of it, and what it holds if that is bytes or a message. False if the message
/// is damaged.
static bool
forEachField(StringRef message,
             llvm::function_ref<void(int, StringRef, StringRef)> visit) {
  CodedInputStream input(reinterpret_cast<const uint8_t *>(message.data()),
                         message.size());
  while (size_t(input.CurrentPosition()) < message.size()) {
    size_t begin = input.CurrentPosition();
    uint32_t tag = input.ReadTag();
    StringRef payload;
    if (WireFormatLite::GetTagWireType(tag) ==
        WireFormatLite::WIRETYPE_LENGTH_DELIMITED) {
      uint32_t size;
      if (!input.ReadVarint32(&size) || !input.Skip(size))
        return false;
      payload = message.substr(input.CurrentPosition() - size, size);
    } else if (!tag || !WireFormatLite::SkipField(&input, tag)) {
      return false;
    }
    visit(WireFormatLite::GetTagFieldNumber(tag),
          message.slice(begin, input.CurrentPosition()), payload);
  }
  return true;
}

/// The serialized initializer as a tensor whose bytes lie in `file`, which is
/// named `location`; nothing if it is to be parsed like all else.
static std::optional<onnx::TensorProto>
makeExternal(StringRef serialized, StringRef file, StringRef location) {
  if (serialized.size() < kMinExternalBytes)
    return std::nullopt;
  std::string rest;
  StringRef bytes;
  bool isWhole = forEachField(
      serialized, [&](int number, StringRef field, StringRef payload) {
        if (number == onnx::TensorProto::kRawDataFieldNumber)
          bytes = payload;
        else
          rest += field;
      });
  onnx::TensorProto tensor;
  // Lists may be sizes, which ONNX's inference reads.
  if (!isWhole || bytes.size() < kMinExternalBytes ||
      !tensor.ParseFromString(rest) || tensor.dims_size() < 2 ||
      tensor.data_location() == onnx::TensorProto::EXTERNAL)
    return std::nullopt;
  tensor.set_data_location(onnx::TensorProto::EXTERNAL);
  auto add = [&](const char *key, const std::string &value) {
    onnx::StringStringEntryProto *entry = tensor.add_external_data();
    entry->set_key(key);
    entry->set_value(value);
  };
  add("location", location.str());
  add("offset", std::to_string(bytes.data() - file.data()));
  add("length", std::to_string(bytes.size()));
  return tensor;
}

/// Parses the bytes of the file `location`.
static bool parseExternalizing(StringRef file, StringRef location,
                               onnx::ModelProto &model) {
  std::string modelFields, graphFields;
  std::vector<onnx::TensorProto> tensors;
  bool isGraphWhole = true;
  bool isWhole =
      forEachField(file, [&](int number, StringRef field, StringRef payload) {
        if (number != onnx::ModelProto::kGraphFieldNumber) {
          modelFields += field;
          return;
        }
        isGraphWhole &= forEachField(
            payload, [&](int number, StringRef field, StringRef payload) {
              std::optional<onnx::TensorProto> tensor;
              if (number == onnx::GraphProto::kInitializerFieldNumber)
                tensor = makeExternal(payload, file, location);
              if (tensor)
                tensors.push_back(std::move(*tensor));
              else
                graphFields += field;
            });
      });
  if (!isWhole || !isGraphWhole || !model.ParseFromString(modelFields))
    return false;
  if (graphFields.empty() && tensors.empty())
    return true;
  onnx::GraphProto &graph = *model.mutable_graph();
  if (!graph.ParseFromString(graphFields))
    return false;
  for (onnx::TensorProto &tensor : tensors)
    graph.add_initializer()->Swap(&tensor);
  return true;
}

/// Whether ONNX takes the file `path` as external data of a model beside it.
static bool mayBeExternalData(StringRef path) {
  try {
    onnx::checker::resolve_external_data_location(
        llvm::sys::path::parent_path(path).str(),
        llvm::sys::path::filename(path).str(), "");
    return true;
  } catch (const onnx::checker::ValidationError &) {
    return false;
  }
}

FailureOr<MappedFile> quantc::onnx_import::parseModel(StringRef path,
                                                      onnx::ModelProto &model,
                                                      Location loc) {
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return emitError(loc) << "cannot open '" << path
                          << "': " << buffer.getError().message();
  MappedFile file = std::move(*buffer);
  // Weights are read while we work on what is around them.
  file->willNeedIfMmap();
  StringRef bytes = file->getBuffer();
  if (!mayBeExternalData(path)) {
    if (failed(parseModelBytes(bytes, model, loc)))
      return failure();
    return MappedFile();
  }
  if (bytes.size() > INT_MAX ||
      !parseExternalizing(bytes, llvm::sys::path::filename(path), model))
    return emitError(loc) << kDamaged;
  return file;
}

LogicalResult quantc::onnx_import::parseModelBytes(StringRef bytes,
                                                   onnx::ModelProto &model,
                                                   Location loc) {
  if (bytes.size() <= INT_MAX &&
      model.ParseFromArray(bytes.data(), bytes.size()))
    return success();
  return emitError(loc) << kDamaged;
}
