//===- NumpyFiles.cpp - Arrays in .npy and .npz files ---------------------===//
//
// A .npz file is a ZIP archive (libzip reads it) of .npy files, which are a
// Python dictionary as text and then the elements.
//
//===----------------------------------------------------------------------===//

#include "quantc/Support/NumpyFiles.h"
#include "quantc/Support/OutputFile.h"

#include "llvm/ADT/ScopeExit.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/MemoryBuffer.h"

#include <zip.h>

using namespace llvm;
using namespace quantc;

static constexpr StringLiteral magic("\x93NUMPY");

/// The text after `'key':` in the header's dictionary.
static StringRef findKey(StringRef header, StringRef key) {
  size_t at = header.find(("'" + key + "'").str());
  if (at == StringRef::npos)
    return {};
  return header.drop_front(at).split(':').second.ltrim();
}

static Error parseHeader(StringRef header, NumpyArray &array,
                         bool &isColumnMajor) {
  StringRef type = findKey(header, "descr");
  if (!type.consume_front("'"))
    return createStringError("has a structured type");
  type = type.split('\'').first;
  if (type.starts_with(">"))
    return createStringError("is big-endian");
  type = type.drop_while([](char c) { return StringRef("<|=").contains(c); });
  if (type.empty() || type.drop_front().getAsInteger(10, array.itemSize) ||
      !StringRef("fiubV").contains(type.front()) || array.itemSize > 8 ||
      array.itemSize == 0)
    return createStringError("has elements of type '" + type +
                             "', which no model takes");
  array.kind = type.front();
  isColumnMajor = findKey(header, "fortran_order").starts_with("True");
  StringRef shape = findKey(header, "shape");
  if (!shape.consume_front("("))
    return createStringError("has no shape");
  SmallVector<StringRef> sizes;
  shape.split(')').first.split(sizes, ',', -1, /*KeepEmpty=*/false);
  for (StringRef size : sizes) {
    int64_t value;
    if (size.trim().empty())
      continue;
    if (size.trim().getAsInteger(10, value) || value < 0)
      return createStringError("has a malformed shape");
    array.shape.push_back(value);
  }
  return Error::success();
}

/// Moves the elements of a column-major array into row-major order.
static void makeRowMajor(NumpyArray &array) {
  std::vector<char> sorted(array.bytes.size());
  size_t rank = array.shape.size(), size = array.itemSize;
  SmallVector<int64_t> index(rank, 0), strides(rank, 1);
  for (size_t i = 1; i < rank; ++i)
    strides[i] = strides[i - 1] * array.shape[i - 1];
  for (size_t to = 0; to < sorted.size(); to += size) {
    size_t from = 0;
    for (size_t i = 0; i < rank; ++i)
      from += index[i] * strides[i];
    std::copy_n(&array.bytes[from * size], size, &sorted[to]);
    for (size_t i = rank; i-- > 0;) {
      if (++index[i] < array.shape[i])
        break;
      index[i] = 0;
    }
  }
  array.bytes = std::move(sorted);
}

Expected<NumpyArray> quantc::parseNpy(StringRef bytes, StringRef name) {
  auto error = [&](const Twine &text) {
    return createStringError("array '" + name + "' " + text);
  };
  if (!bytes.consume_front(magic) || bytes.size() < 6)
    return error("is not in numpy's format");
  unsigned major = bytes[0];
  bytes = bytes.drop_front(2);
  size_t length;
  if (major == 1) {
    length = support::endian::read16le(bytes.data());
    bytes = bytes.drop_front(2);
  } else {
    length = support::endian::read32le(bytes.data());
    bytes = bytes.drop_front(4);
  }
  if (length > bytes.size())
    return error("is truncated");
  NumpyArray array;
  array.name = name.str();
  bool isColumnMajor = false;
  if (Error problem =
          parseHeader(bytes.take_front(length), array, isColumnMajor))
    return error(toString(std::move(problem)));
  bytes = bytes.drop_front(length);
  uint64_t size = array.itemSize;
  for (int64_t dim : array.shape)
    if (__builtin_mul_overflow(size, uint64_t(dim), &size))
      return error("has an impossible shape");
  if (bytes.size() < size)
    return error("is truncated");
  array.bytes.assign(bytes.begin(), bytes.begin() + size);
  if (isColumnMajor && array.shape.size() > 1)
    makeRowMajor(array);
  return array;
}

std::string quantc::formatNpy(const NumpyArray &array) {
  std::string header = "{'descr': '";
  header += array.itemSize == 1 ? '|' : '<';
  header += array.kind + utostr(array.itemSize) + "', 'fortran_order': False, ";
  header += "'shape': (";
  for (int64_t size : array.shape)
    header += itostr(size) + ",";
  header += "), }";
  // Elements begin at a multiple of 64 bytes, after a line feed.
  size_t prefix = magic.size() + 4;
  header.append(63 - (prefix + header.size()) % 64, ' ');
  header += '\n';
  std::string bytes = magic.str();
  bytes += '\x01';
  bytes += '\0';
  bytes += char(header.size() & 0xff);
  bytes += char(header.size() >> 8);
  bytes += header;
  bytes.append(array.bytes.begin(), array.bytes.end());
  return bytes;
}

static std::string zipError(int code) {
  zip_error_t error;
  zip_error_init_with_code(&error, code);
  std::string text = zip_error_strerror(&error);
  zip_error_fini(&error);
  return text;
}

Expected<std::vector<NumpyArray>> quantc::readNumpyFile(StringRef path) {
  auto buffer = MemoryBuffer::getFile(path, /*IsText=*/false,
                                      /*RequiresNullTerminator=*/false);
  if (!buffer)
    return createStringError(buffer.getError(),
                             "cannot read '" + path +
                                 "': " + buffer.getError().message());
  std::vector<NumpyArray> arrays;
  if ((*buffer)->getBuffer().starts_with(magic)) {
    Expected<NumpyArray> array = parseNpy((*buffer)->getBuffer(), "");
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
    return arrays;
  }
  int code = 0;
  zip_t *archive = zip_open(path.str().c_str(), ZIP_RDONLY, &code);
  if (!archive)
    return createStringError("'" + path +
                             "' is neither .npy nor .npz: " + zipError(code));
  llvm::scope_exit close([&] { zip_discard(archive); });
  for (zip_int64_t i = 0, n = zip_get_num_entries(archive, 0); i < n; ++i) {
    zip_stat_t stat;
    if (zip_stat_index(archive, i, 0, &stat) != 0 ||
        !(stat.valid & ZIP_STAT_SIZE) || !(stat.valid & ZIP_STAT_NAME))
      return createStringError("'" + path + "' is corrupt");
    zip_file_t *file = zip_fopen_index(archive, i, 0);
    if (!file)
      return createStringError("'" + path + "': " + zip_strerror(archive));
    // Read until the end instead of trusting the size that the file tells.
    std::string bytes;
    char chunk[65536];
    zip_int64_t got;
    while ((got = zip_fread(file, chunk, sizeof(chunk))) > 0)
      bytes.append(chunk, size_t(got));
    zip_fclose(file);
    if (got < 0 || bytes.size() != stat.size)
      return createStringError("'" + path + "': '" + stat.name +
                               "' is corrupt");
    StringRef name(stat.name);
    name.consume_back(".npy");
    Expected<NumpyArray> array = parseNpy(bytes, name);
    if (!array)
      return array.takeError();
    arrays.push_back(std::move(*array));
  }
  return arrays;
}

Error quantc::writeNpz(StringRef path, const std::vector<NumpyArray> &arrays) {
  if (Error error = checkOutput(path))
    return error;
  int code = 0;
  zip_t *archive =
      zip_open(path.str().c_str(), ZIP_CREATE | ZIP_TRUNCATE, &code);
  if (!archive)
    return createStringError("cannot write '" + path + "': " + zipError(code));
  // libzip reads the buffers when it closes the archive.
  std::vector<std::string> files;
  files.reserve(arrays.size());
  for (const NumpyArray &array : arrays) {
    files.push_back(formatNpy(array));
    zip_source_t *source =
        zip_source_buffer(archive, files.back().data(), files.back().size(), 0);
    zip_int64_t index =
        source ? zip_file_add(archive, (array.name + ".npy").c_str(), source,
                              ZIP_FL_ENC_UTF_8)
               : -1;
    // The fastest level: others take many times as long on arrays of small
    // integers and gain little.
    if (index < 0 || zip_set_file_compression(archive, zip_uint64_t(index),
                                              ZIP_CM_DEFLATE, 1) < 0) {
      Error error = createStringError("cannot write '" + path +
                                      "': " + zip_strerror(archive));
      zip_discard(archive);
      return error;
    }
  }
  if (zip_close(archive) != 0) {
    Error error = createStringError("cannot write '" + path +
                                    "': " + zip_strerror(archive));
    zip_discard(archive);
    return error;
  }
  return Error::success();
}
