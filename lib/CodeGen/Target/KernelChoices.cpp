//===- KernelChoices.cpp - Blocks of products, as a file has them ---------===//

#include "quantc/CodeGen/KernelChoices.h"

#include "quantc/Support/YAML.h"

#include "mlir/IR/Builders.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringSet.h"
#include "llvm/Support/FormatVariadic.h"
#include "llvm/Support/MathExtras.h"
#include "llvm/Support/MemoryBuffer.h"

#include <array>

using namespace quantc;

/// Of the file's form.
static constexpr int kVersion = 1;
/// What blocks may have at most: buffers for them lie on the stack.
static constexpr int64_t kMaxRows = 64, kMaxVectors = 16, kMaxDepth = 65536,
                         kMaxBlock = 4096;

namespace {
struct ChoicesFile {
  int version = 0;
  std::vector<KernelChoice> kernels;
};
} // namespace

namespace llvm::yaml {
template <> struct MappingTraits<KernelChoice> {
  static void mapping(IO &io, KernelChoice &choice) {
    io.mapRequired("target", choice.target);
    io.mapRequired("kernel", choice.kernel);
    Blocking &b = choice.blocking;
    io.mapOptional("rows", b.rows, 0);
    io.mapOptional("vectors", b.vectors, 0);
    io.mapOptional("depth", b.depth, 0);
    io.mapOptional("block-rows", b.blockRows, 0);
    io.mapOptional("block-columns", b.blockColumns, 0);
  }
  static std::string validate(IO &, KernelChoice &choice) {
    const Blocking &b = choice.blocking;
    const struct {
      const char *key;
      int64_t value, most;
    } numbers[] = {{"rows", b.rows, kMaxRows},
                   {"vectors", b.vectors, kMaxVectors},
                   {"depth", b.depth, kMaxDepth},
                   {"block-rows", b.blockRows, kMaxBlock},
                   {"block-columns", b.blockColumns, kMaxBlock}};
    for (const auto &number : numbers)
      if (number.value < 0 || number.value > number.most)
        return formatv("{0} is {1}: it may be 1 to {2}, or 0 for the "
                       "compiler's choice",
                       number.key, number.value, number.most);
    return "";
  }
};

template <> struct MappingTraits<ChoicesFile> {
  static void mapping(IO &io, ChoicesFile &file) {
    io.mapRequired("version", file.version);
    io.mapRequired("kernels", file.kernels);
  }
  static std::string validate(IO &, ChoicesFile &file) {
    if (file.version == kVersion)
      return "";
    return formatv("version is {0}, this compiler reads {1}", file.version,
                   kVersion);
  }
};
} // namespace llvm::yaml

LLVM_YAML_IS_SEQUENCE_VECTOR(quantc::KernelChoice)

std::string Blocking::describe() const {
  return llvm::formatv("{0} x {1} registers, depth {2}, tasks of {3} x {4}",
                       rows, vectors, depth, blockRows, blockColumns);
}

llvm::Expected<KernelChoices> KernelChoices::parse(llvm::StringRef text,
                                                   llvm::StringRef source) {
  ChoicesFile file;
  constexpr llvm::StringLiteral expected = "is no file of kernels";
  if (llvm::Error error = readYAML(text, source, expected, file))
    return error;
  if (!file.version)
    return llvm::createStringError(source + ": " + expected);
  KernelChoices result;
  result.choices = std::move(file.kernels);
  return result;
}

llvm::Expected<KernelChoices> KernelChoices::load(llvm::StringRef path) {
  auto buffer = llvm::MemoryBuffer::getFile(path);
  if (!buffer)
    return llvm::createStringError(buffer.getError(),
                                   "cannot read '" + path +
                                       "': " + buffer.getError().message());
  return parse((*buffer)->getBuffer(), path);
}

std::string KernelChoices::toYAML() const {
  std::string text =
      "# Found by quantc tune --kernels, for quantc compile --kernels.\n";
  llvm::raw_string_ostream os(text);
  ChoicesFile file{kVersion, choices};
  llvm::yaml::Output output(os, nullptr, /*WrapColumn=*/0);
  output << file;
  return text;
}

const Blocking *KernelChoices::find(llvm::StringRef target,
                                    llvm::StringRef kernel) const {
  for (const KernelChoice &choice : choices)
    if (choice.target == target && choice.kernel == kernel)
      return &choice.blocking;
  return nullptr;
}

void KernelChoices::set(KernelChoice choice) {
  for (KernelChoice &known : choices)
    if (known.target == choice.target && known.kernel == choice.kernel) {
      known = std::move(choice);
      return;
    }
  choices.push_back(std::move(choice));
}

std::string quantc::describeTarget(llvm::StringRef features) {
  llvm::StringSet<> enabled;
  llvm::SmallVector<llvm::StringRef> parts;
  features.split(parts, ',', /*MaxSplit=*/-1, /*KeepEmpty=*/false);
  for (llvm::StringRef part : parts)
    if (part = part.trim(); part.consume_front("+"))
      enabled.insert(part);
  // What VectorUnit asks for.
  std::string text;
  for (llvm::StringRef feature :
       {"amx-int8", "avx512f", "avx512bw", "avx512vnni", "avx512vbmi", "avx2",
        "avxvnni", "fma", "ssse3", "sse2", "neon", "dotprod", "i8mm"})
    if (enabled.contains(feature))
      text += (text.empty() ? "" : ",") + feature.str();
  return text.empty() ? "generic" : text;
}

static constexpr llvm::StringLiteral kProducts = "qnn.products";

/// The numbers of a product, in the order in which they are listed.
static std::array<int64_t *, 10> getNumbers(ProductKernel &product) {
  Blocking &b = product.blocking;
  return {&b.rows,         &b.vectors,        &b.depth,   &b.blockRows,
          &b.blockColumns, &product.m,        &product.n, &product.k,
          &product.lanes,  &product.registers};
}

void quantc::recordProducts(mlir::ModuleOp module,
                            llvm::ArrayRef<ProductKernel> products) {
  mlir::Builder b(module.getContext());
  llvm::SmallVector<mlir::Attribute> list;
  for (ProductKernel product : products) {
    llvm::SmallVector<int64_t> numbers;
    for (int64_t *number : getNumbers(product))
      numbers.push_back(*number);
    list.push_back(b.getDictionaryAttr(
        {b.getNamedAttr("function", b.getStringAttr(product.function)),
         b.getNamedAttr("kernel", b.getStringAttr(product.kernel)),
         b.getNamedAttr("numbers", b.getDenseI64ArrayAttr(numbers))}));
  }
  module->setAttr(kProducts, b.getArrayAttr(list));
}

std::vector<ProductKernel> quantc::takeProducts(mlir::ModuleOp module) {
  std::vector<ProductKernel> products;
  auto list = module->getAttrOfType<mlir::ArrayAttr>(kProducts);
  if (!list)
    return products;
  for (auto entry : list.getAsRange<mlir::DictionaryAttr>()) {
    ProductKernel &product = products.emplace_back();
    product.function = entry.getAs<mlir::StringAttr>("function").str();
    product.kernel = entry.getAs<mlir::StringAttr>("kernel").str();
    auto numbers = entry.getAs<mlir::DenseI64ArrayAttr>("numbers");
    for (auto [to, from] :
         llvm::zip_equal(getNumbers(product), numbers.asArrayRef()))
      *to = from;
  }
  module->removeAttr(kProducts);
  return products;
}

std::vector<Blocking> quantc::proposeBlockings(const ProductKernel &kernel,
                                               const Blocking &best,
                                               TunedPart part) {
  std::vector<Blocking> result;
  auto propose = [&](Blocking blocking) {
    if (!(blocking == best) && !llvm::is_contained(result, blocking))
      result.push_back(blocking);
  };
  switch (part) {
  case TunedPart::Registers: {
    if (!kernel.registers)
      break;
    int64_t most = kernel.m > 0 ? kernel.m : kMaxRows;
    int64_t columns =
        kernel.n > 0 ? llvm::divideCeil(kernel.n, kernel.lanes) : kMaxVectors;
    for (int64_t vectors : {1, 2, 3, 4, 6}) {
      if (vectors > std::max<int64_t>(columns, 1))
        break;
      // One vector is worth its loads where there are no more columns.
      if (vectors == 1 && columns > 4)
        continue;
      // A vector of the panel takes a register as well.
      int64_t rows = (kernel.registers + 2 - vectors) / vectors;
      if (rows < 1)
        break;
      Blocking blocking = best;
      blocking.vectors = vectors;
      blocking.rows = std::min({rows, most, int64_t(14)});
      propose(blocking);
      // Fewer rows, as many in each block.
      int64_t blocks = llvm::divideCeil(most, blocking.rows);
      if (kernel.m > 0)
        blocking.rows = llvm::divideCeil(most, blocks);
      else if (blocking.rows > 4)
        blocking.rows -= 2;
      propose(blocking);
    }
    break;
  }
  case TunedPart::Depth:
    for (int64_t depth : {best.depth / 2, best.depth * 2, best.depth * 4}) {
      if (depth < 32 || kernel.k < 0 ||
          (best.depth < depth && best.depth >= kernel.k))
        continue;
      Blocking blocking = best;
      blocking.depth = std::min(depth, kernel.k);
      propose(blocking);
    }
    break;
  case TunedPart::Tasks:
    for (auto [rows, columns] : {std::pair(1.0, 0.5),
                                 {1.0, 2.0},
                                 {1.0, 4.0},
                                 {0.5, 1.0},
                                 {0.5, 2.0},
                                 {2.0, 1.0},
                                 {2.0, 0.5}}) {
      Blocking blocking = best;
      blocking.blockRows =
          std::clamp<int64_t>(best.blockRows * rows, best.rows, kMaxBlock);
      blocking.blockColumns = std::clamp<int64_t>(
          best.blockColumns * columns, best.vectors * kernel.lanes, kMaxBlock);
      if ((rows > 1 && kernel.m > 0 && best.blockRows >= kernel.m) ||
          (columns > 1 && kernel.n > 0 && best.blockColumns >= kernel.n))
        continue;
      propose(blocking);
    }
    break;
  }
  return result;
}
