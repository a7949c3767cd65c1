//===- Weights.cpp - Large constants, past LLVM into the object -----------===//

#include "quantc/Target/Native/Weights.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "llvm/ADT/Hashing.h"
#include "llvm/BinaryFormat/ELF.h"
#include "llvm/Object/ELF.h"
#include "llvm/Support/Errno.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/Process.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Support/raw_ostream.h"
#include "llvm/Support/xxhash.h"
#include "llvm/TargetParser/Triple.h"

#include <mutex>
#include <unistd.h>

using namespace mlir;
using namespace quantc;
using namespace quantc::native;

/// Constants below this size are LLVM's business.
static constexpr size_t smallestWeight = 64;

void WeightTable::add(StringRef symbol, ArrayRef<char> bytes) {
  add(symbol, DeferredConstant{bytes, /*recipe=*/"", bytes.size(), nullptr});
}

/// A few bytes of each end are enough: what agrees in them is compared.
static uint64_t hashSample(const DeferredConstant &constant) {
  constexpr size_t sample = 1024;
  auto hash = [](StringRef text) {
    return llvm::xxh3_64bits(
        ArrayRef(reinterpret_cast<const uint8_t *>(text.data()), text.size()));
  };
  StringRef bytes(constant.bytes.data(), constant.bytes.size());
  return llvm::hash_combine(bytes.size(), hash(bytes.take_front(sample)),
                            hash(bytes.take_back(sample)), constant.recipe);
}

void WeightTable::add(StringRef symbol, DeferredConstant constant) {
  uint64_t hash = hashSample(constant);
  auto [begin, end] = byHash.equal_range(hash);
  for (auto it = begin; it != end; ++it) {
    Weight &known = weights[it->second];
    if (known.constant.recipe == constant.recipe &&
        known.constant.bytes == constant.bytes) {
      known.symbols.push_back(symbol.str());
      return;
    }
  }
  byHash.emplace(hash, weights.size());
  weights.push_back({std::move(constant), {symbol.str()}});
}

uint64_t WeightTable::totalBytes() const {
  uint64_t total = 0;
  for (const Weight &weight : weights)
    total += llvm::alignTo(weight.constant.size, weightAlignment);
  return total;
}

/// The bytes of a large constant; 0 for others.
static uint64_t getWeightSize(LLVM::GlobalOp global) {
  auto elements = dyn_cast_or_null<ElementsAttr>(global.getValueAttr());
  if (!elements || !global.getConstant() ||
      !elements.getElementType().isIntOrFloat() ||
      elements.getElementType().getIntOrFloatBitWidth() % 8)
    return 0;
  auto dense = dyn_cast<DenseElementsAttr>(elements);
  if (dense ? dense.isSplat() : !isa<DenseResourceElementsAttr>(elements))
    return 0;
  uint64_t size = elements.getNumElements() *
                  (elements.getElementType().getIntOrFloatBitWidth() / 8);
  return size >= smallestWeight ? size : 0;
}

uint64_t quantc::native::countWeightBytes(ModuleOp module) {
  uint64_t total = 0;
  for (auto global : module.getOps<LLVM::GlobalOp>())
    total += getWeightSize(global);
  return total;
}

/// The bytes of a constant, which may still have to be made; none if they are
/// nowhere.
static std::optional<DeferredConstant>
takeConstant(Attribute value, DeferredConstants *deferred) {
  auto stored = [](ArrayRef<char> bytes) {
    return DeferredConstant{bytes, /*recipe=*/"", bytes.size(), nullptr};
  };
  auto resource = dyn_cast<DenseResourceElementsAttr>(value);
  if (!resource)
    return stored(cast<DenseElementsAttr>(value).getRawData());
  if (AsmResourceBlob *blob = resource.getRawHandle().getBlob())
    return stored(blob->getData());
  return deferred ? deferred->take(resource.getRawHandle()) : std::nullopt;
}

LogicalResult quantc::native::extractWeights(ModuleOp module, StringRef prefix,
                                             WeightTable &table,
                                             DeferredConstants *deferred) {
  llvm::DenseMap<StringAttr, StringAttr> names;
  for (auto global : module.getOps<LLVM::GlobalOp>()) {
    uint64_t size = getWeightSize(global);
    if (!size)
      continue;
    std::optional<DeferredConstant> constant =
        takeConstant(global.getValueAttr(), deferred);
    if (!constant)
      return global.emitError("the bytes of this constant are missing");
    if (constant->size != size)
      return global.emitError("this constant takes ")
             << size << " bytes, and " << constant->size << " are given";
    // Objects of several models may meet in one program.
    auto name = StringAttr::get(module.getContext(),
                                prefix + "_weight" + global.getSymName());
    table.add(name, std::move(*constant));
    names[global.getSymNameAttr()] = name;
    global.setSymNameAttr(name);
    global.removeValueAttr();
    global.setLinkage(LLVM::Linkage::External);
    global.setVisibility_(LLVM::Visibility::Hidden);
    global.setDsoLocal(true);
    global.setUnnamedAddr(std::nullopt);
    global.setAlignment(weightAlignment);
  }
  // All at once: each search goes through the whole module.
  module.walk([&](LLVM::AddressOfOp op) {
    if (StringAttr name = names.lookup(op.getGlobalNameAttr().getAttr()))
      op.setGlobalName(name);
  });
  return success();
}

namespace {
/// A string table of an ELF file.
class StringTable {
public:
  uint32_t add(StringRef text) {
    uint32_t offset = bytes.size();
    bytes += text;
    bytes.push_back('\0');
    return offset;
  }
  std::string bytes = std::string(1, '\0');
};
} // namespace

template <typename T> static void writeStruct(raw_ostream &os, const T &value) {
  static_assert(std::is_trivially_copyable_v<T>);
  os.write(reinterpret_cast<const char *>(&value), sizeof(T));
}

/// The bytes of a constant, in `room` if it was deferred. Then it is made once,
/// since what it is made of may be freed behind that.
static ArrayRef<char> makeBytes(DeferredConstant &constant,
                                std::vector<char> &room) {
  if (!constant.write)
    return constant.bytes;
  room.resize(std::max<size_t>(room.size(), constant.size));
  constant.write(room.data());
  constant.write = nullptr;
  return ArrayRef(room).take_front(constant.size);
}

/// All weights as they lie in their section.
static void writeBytes(WeightTable &table, raw_ostream &os) {
  std::vector<char> made;
  for (Weight &weight : table.weights) {
    ArrayRef<char> bytes = makeBytes(weight.constant, made);
    os.write(bytes.data(), bytes.size());
    os.write_zeros(
        llvm::offsetToAlignment(bytes.size(), llvm::Align(weightAlignment)));
  }
}

static bool isLarge(const WeightTable &table, const llvm::Triple &triple) {
  return triple.isX86() && table.totalBytes() >= largeWeightBytes;
}

/// Linkers place what is too large for x86-64's code model by this name.
static StringRef getSectionName(bool isLarge) {
  return isLarge ? ".lrodata" : ".quantc.weights";
}

namespace {
using namespace llvm::ELF;

/// An object of weights and of the symbols that name them.
class WeightsObject {
public:
  WeightsObject(WeightTable &table, const llvm::Triple &triple,
                WeightStorage storage)
      : table(table), triple(triple),
        isReserved(storage == WeightStorage::Reserved) {
    addSymbols();
    addWeightSections();
    addTables();
  }

  void write(raw_ostream &os);

private:
  void addSymbols();
  void addWeightSections();
  void addTables();
  Elf64_Shdr &addSection(StringRef name, unsigned type, uint64_t flags,
                         uint64_t size, uint64_t alignment);
  Elf64_Ehdr getHeader() const;

  WeightTable &table;
  const llvm::Triple &triple;
  bool isReserved;
  StringTable strings, sectionNames;
  /// The first of each is none, as the format wants it.
  std::vector<Elf64_Sym> symbols = {Elf64_Sym{}};
  std::vector<Elf64_Shdr> sections = {Elf64_Shdr{}};
  /// Which section the symbols are in, the string table being behind it.
  size_t symbolTable = 0;
  uint64_t weightBytes = 0;
  /// Where the next section lies in the file.
  uint64_t position = llvm::alignTo(sizeof(Elf64_Ehdr), weightAlignment);
};
} // namespace

void WeightsObject::addSymbols() {
  for (const Weight &weight : table.weights) {
    for (const std::string &name : weight.symbols) {
      Elf64_Sym symbol{};
      symbol.st_name = strings.add(name);
      symbol.st_info = (STB_GLOBAL << 4) | STT_OBJECT;
      symbol.st_other = STV_HIDDEN;
      symbol.st_shndx = 1;
      symbol.st_value = weightBytes;
      symbol.st_size = weight.constant.size;
      symbols.push_back(symbol);
    }
    weightBytes += llvm::alignTo(weight.constant.size, weightAlignment);
  }
}

Elf64_Shdr &WeightsObject::addSection(StringRef name, unsigned type,
                                      uint64_t flags, uint64_t size,
                                      uint64_t alignment) {
  Elf64_Shdr section{};
  section.sh_name = sectionNames.add(name);
  section.sh_type = type;
  section.sh_flags = flags;
  section.sh_offset = position;
  section.sh_size = size;
  section.sh_addralign = alignment;
  if (type != SHT_NOBITS)
    position = llvm::alignTo(position + size, 8);
  sections.push_back(section);
  return sections.back();
}

void WeightsObject::addWeightSections() {
  StringRef name = getSectionName(isLarge(table, triple));
  uint64_t flags =
      SHF_ALLOC | (isLarge(table, triple) ? uint64_t(SHF_X86_64_LARGE) : 0);
  if (!isReserved) {
    addSection(name, SHT_PROGBITS, flags, weightBytes, weightAlignment);
    return;
  }
  // Of sections of one name a linker makes one, which takes its place in the
  // file if any of them has bytes. Nothing refers to the one that has.
  flags |= SHF_GNU_RETAIN;
  addSection(name, SHT_NOBITS, flags, weightBytes, weightAlignment);
  addSection(name, SHT_PROGBITS, flags, weightAlignment, weightAlignment);
}

void WeightsObject::addTables() {
  symbolTable = sections.size();
  Elf64_Shdr &symtab = addSection(".symtab", SHT_SYMTAB, 0,
                                  symbols.size() * sizeof(Elf64_Sym), 8);
  symtab.sh_link = symbolTable + 1; // .strtab
  symtab.sh_info = 1;               // the first global symbol
  symtab.sh_entsize = sizeof(Elf64_Sym);
  addSection(".strtab", SHT_STRTAB, 0, strings.bytes.size(), 1);
  addSection(".note.GNU-stack", SHT_PROGBITS, 0, 0, 1);
  // Its size counts its own name.
  uint32_t ownName = sectionNames.add(".shstrtab");
  addSection("", SHT_STRTAB, 0, sectionNames.bytes.size() + 1, 1).sh_name =
      ownName;
}

Elf64_Ehdr WeightsObject::getHeader() const {
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ElfMagic, 4);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_REL;
  header.e_machine = triple.isX86() ? EM_X86_64 : EM_AARCH64;
  header.e_version = EV_CURRENT;
  header.e_shoff = position;
  header.e_ehsize = sizeof(Elf64_Ehdr);
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = sections.size();
  header.e_shstrndx = sections.size() - 1;
  return header;
}

void WeightsObject::write(raw_ostream &os) {
  uint64_t start = os.tell();
  auto padTo = [&](uint64_t offset) {
    os.write_zeros(offset - (os.tell() - start));
  };
  writeStruct(os, getHeader());
  padTo(sections[1].sh_offset);
  if (!isReserved)
    writeBytes(table, os);
  padTo(sections[symbolTable].sh_offset);
  for (const Elf64_Sym &symbol : symbols)
    writeStruct(os, symbol);
  padTo(sections[symbolTable + 1].sh_offset);
  os << strings.bytes;
  padTo(sections.back().sh_offset);
  os << sectionNames.bytes;
  padTo(position);
  for (const Elf64_Shdr &section : sections)
    writeStruct(os, section);
}

llvm::Error quantc::native::writeWeightsObject(WeightTable &table,
                                               const TargetSpec &spec,
                                               WeightStorage storage,
                                               raw_ostream &os) {
  llvm::Triple triple(spec.triple);
  if (!triple.isLittleEndian() || !triple.isArch64Bit() ||
      !(triple.isX86() || triple.isAArch64()))
    return llvm::createStringError("cannot write weights for '" + spec.triple +
                                   "'");
  WeightsObject(table, triple, storage).write(os);
  return llvm::Error::success();
}

/// Where the reserved section of weights lies in a linked file.
static llvm::Expected<uint64_t> findReserved(StringRef path, StringRef name,
                                             uint64_t size) {
  using ELFFile = llvm::object::ELF64LEFile;
  auto buffer = llvm::MemoryBuffer::getFile(path, /*IsText=*/false,
                                            /*RequiresNullTerminator=*/false);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   "cannot read '" + path + "'");
  llvm::Expected<ELFFile> file = ELFFile::create((*buffer)->getBuffer());
  if (!file)
    return file.takeError();
  auto sections = file->sections();
  if (!sections)
    return sections.takeError();
  for (const ELFFile::Elf_Shdr &section : *sections) {
    llvm::Expected<StringRef> found = file->getSectionName(section);
    if (!found)
      return found.takeError();
    if (*found == name && section.sh_type == llvm::ELF::SHT_PROGBITS &&
        section.sh_size == size)
      return section.sh_offset;
  }
  return llvm::createStringError("the linker reserved no place for weights");
}

/// Writes `bytes` at `offset` of a file.
static std::error_code writeAt(int file, ArrayRef<char> bytes,
                               uint64_t offset) {
  while (!bytes.empty()) {
    ssize_t written = pwrite(file, bytes.data(), bytes.size(), offset);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return llvm::errnoAsErrorCode();
    bytes = bytes.drop_front(written);
    offset += written;
  }
  return std::error_code();
}

/// `writeBytes` from `offset` on in a file of zeros, by two threads: one packs
/// while the other one waits for the system to copy.
static std::error_code writeSideBySide(WeightTable &table, int file,
                                       uint64_t offset) {
  std::mutex mutex;
  size_t next = 0;
  std::error_code error;
  auto writeSome = [&] {
    std::vector<char> made;
    std::unique_lock lock(mutex);
    while (next < table.weights.size() && !error) {
      DeferredConstant &constant = table.weights[next++].constant;
      uint64_t place = offset;
      offset += llvm::alignTo(constant.size, weightAlignment);
      lock.unlock();
      std::error_code failed = writeAt(file, makeBytes(constant, made), place);
      lock.lock();
      error = error ? error : failed;
    }
  };
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(2));
  for (unsigned i = 0; i < pool.getMaxConcurrency(); ++i)
    pool.async(writeSome);
  pool.wait();
  return error;
}

llvm::Error quantc::native::writeReservedWeights(WeightTable &table,
                                                 const TargetSpec &spec,
                                                 StringRef path) {
  StringRef name = getSectionName(isLarge(table, llvm::Triple(spec.triple)));
  llvm::Expected<uint64_t> offset =
      findReserved(path, name, table.totalBytes() + weightAlignment);
  if (!offset)
    return offset.takeError();
  int file;
  std::error_code error = llvm::sys::fs::openFileForWrite(
      path, file, llvm::sys::fs::CD_OpenExisting);
  if (!error) {
    error = writeSideBySide(table, file, *offset);
    std::error_code closed =
        llvm::sys::Process::SafelyCloseFileDescriptor(file);
    error = error ? error : closed;
  }
  return error ? llvm::createStringError(error, "cannot write weights")
               : llvm::Error::success();
}
