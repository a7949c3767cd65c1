//===- NativeTest.cpp - Targets and the weights' object -------------------===//

#include "quantc/Target/Native/Native.h"
#include "quantc/CodeGen/DeferredConstants.h"
#include "quantc/Dialect/Kernel/IR/KernelDialect.h"
#include "quantc/Target/Native/TargetSpec.h"
#include "quantc/Target/Native/Weights.h"

#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Target/LLVMIR/Dialect/All.h"
#include "llvm/Object/ELFObjectFile.h"
#include "llvm/Support/DynamicLibrary.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>
#include <map>

using namespace quantc::native;

static TargetSpec resolve(llvm::StringRef name) {
  auto spec = resolveTarget(name);
  EXPECT_TRUE(bool(spec)) << name.str();
  return spec ? *spec : (llvm::consumeError(spec.takeError()), TargetSpec());
}

TEST(TargetSpec, Features) {
  EXPECT_TRUE(resolve("x86-64-v3").hasFeature("avx2"));
  EXPECT_FALSE(resolve("x86-64-v3").hasFeature("avx512f"));
  EXPECT_TRUE(resolve("x86-64-v4").hasFeature("avx512f"));
  EXPECT_TRUE(resolve("amx").hasFeature("amx-int8"));
  EXPECT_TRUE(resolve("x86-64-v3,+avxvnni").hasFeature("avxvnni"));
  EXPECT_TRUE(resolve("native").isHostArchitecture());
  for (const char *bad : {"", "pentium", "x86-64-v3,avxvnni"}) {
    auto spec = resolveTarget(bad);
    EXPECT_FALSE(bool(spec)) << bad;
    if (!spec)
      llvm::consumeError(spec.takeError());
  }
}

TEST(TargetSpec, SeveralTargets) {
  auto specs = resolveTargets("x86-64-v4/x86-64-v3,+avxvnni/x86-64");
  ASSERT_TRUE(bool(specs));
  ASSERT_EQ(specs->size(), 3u);
  EXPECT_TRUE((*specs)[0].hasFeature("avx512f"));
  EXPECT_TRUE((*specs)[1].hasFeature("avxvnni"));
  EXPECT_FALSE((*specs)[2].hasFeature("avx2"));

  auto multi = resolveTargets("multi");
  ASSERT_TRUE(bool(multi));
  EXPECT_TRUE(multi->front().hasFeature("amx-int8"));
  EXPECT_FALSE(multi->back().hasFeature("avx2"));

  for (const char *bad : {"", "/", "x86-64-v3/", "x86-64-v3/aarch64"}) {
    auto spec = resolveTargets(bad);
    EXPECT_FALSE(bool(spec)) << bad;
    if (!spec)
      llvm::consumeError(spec.takeError());
  }
}

TEST(Weights, SharesEqualBytes) {
  std::vector<char> a(100, 1), b(100, 1), c(100, 2);
  WeightTable table;
  table.add("a", a);
  table.add("b", b);
  table.add("c", c);
  EXPECT_EQ(table.weights.size(), 2u);
  EXPECT_EQ(table.totalBytes(), 256u);
}

TEST(Weights, ObjectIsValidELF) {
  std::vector<char> a(100, 1), c(64, 2);
  WeightTable table;
  table.add("first", a);
  table.add("second", c);
  table.add("again", a);
  for (const char *target : {"x86-64", "aarch64"}) {
    llvm::SmallVector<char, 0> bytes;
    llvm::raw_svector_ostream os(bytes);
    llvm::Error error =
        writeWeightsObject(table, resolve(target), WeightStorage::Stored, os);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
    auto file = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef(os.str(), "weights.o"));
    ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
    std::map<std::string, std::pair<uint64_t, uint64_t>> symbols;
    for (const llvm::object::ELFSymbolRef symbol :
         llvm::cast<llvm::object::ELFObjectFileBase>(**file).symbols()) {
      EXPECT_EQ(symbol.getOther(), llvm::ELF::STV_HIDDEN);
      symbols[llvm::cantFail(symbol.getName()).str()] = {
          llvm::cantFail(symbol.getValue()), symbol.getSize()};
    }
    ASSERT_EQ(symbols.size(), 3u);
    EXPECT_EQ(symbols["first"], std::make_pair(uint64_t(0), uint64_t(100)));
    EXPECT_EQ(symbols["again"], symbols["first"]);
    EXPECT_EQ(symbols["second"].first, 128u);
    // The first section is ELF's empty one.
    llvm::StringRef data =
        llvm::cantFail(std::next((*file)->section_begin())->getContents());
    EXPECT_EQ(data[0], 1);
    EXPECT_EQ(data[128], 2);
  }
}

// A module of so many functions is compiled in parts.
TEST(Objects, PassNoUnusedArguments) {
  std::string text = "llvm.func @main(%p: !llvm.ptr) {\n"
                     "  %c = llvm.mlir.constant(7 : i64) : i64\n";
  std::string arguments, types, values;
  for (int i = 0; i < 40; ++i) {
    arguments += ", %a" + std::to_string(i) + ": i64";
    types += ", i64";
    values += ", %c";
  }
  std::string kernels;
  for (int i = 0; i < 20; ++i) {
    std::string name = "@kernel" + std::to_string(i);
    text += "  llvm.call " + name + "(%p" + values + ") : (!llvm.ptr" + types +
            ") -> ()\n";
    kernels += "llvm.func internal " + name + "(%p: !llvm.ptr" + arguments +
               ") attributes {no_inline} {\n  llvm.store volatile %a" +
               std::to_string(i) + ", %p : i64, !llvm.ptr\n  llvm.return\n}\n";
  }
  text += "  llvm.return\n}\n" + kernels;

  mlir::DialectRegistry registry;
  registry.insert<mlir::LLVM::LLVMDialect>();
  mlir::registerAllToLLVMIRTranslations(registry);
  mlir::MLIRContext context(registry);
  auto module = mlir::parseSourceString<mlir::ModuleOp>(text, &context);
  ASSERT_TRUE(bool(module));
  llvm::SmallVector<llvm::SmallVector<char, 0>> objects;
  ASSERT_TRUE(mlir::succeeded(
      emitObjects(*module, resolve("x86-64"), "", false, objects)));
  EXPECT_GT(objects.size(), 1u);
  uint64_t size = 0;
  for (const llvm::SmallVector<char, 0> &object : objects) {
    auto file = llvm::object::ObjectFile::createObjectFile(
        llvm::MemoryBufferRef({object.data(), object.size()}, "part.o"));
    ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
    for (const llvm::object::SectionRef &section : (*file)->sections())
      if (section.isText())
        size += section.getSize();
  }
  // The module has 20 calls. Each passes two registers, for which 60 bytes are
  // enough; passing 41 values takes 300 bytes.
  EXPECT_LT(size, 20 * 60u);
}

TEST(Weights, DeferredOnesAreMadeWhenWritten) {
  std::vector<char> source = {1, 2, 3};
  int numMade = 0;
  auto make = [&](std::string recipe) {
    return quantc::DeferredConstant{source, std::move(recipe), 100,
                                    [&](char *target) {
                                      ++numMade;
                                      std::fill_n(target, 100, char(7));
                                    }};
  };
  WeightTable table;
  table.add("a", make("twice"));
  table.add("b", make("twice"));
  table.add("c", make("thrice"));
  EXPECT_EQ(table.weights.size(), 2u);
  EXPECT_EQ(table.totalBytes(), 256u);
  EXPECT_EQ(numMade, 0);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::Error error =
      writeWeightsObject(table, resolve("x86-64"), WeightStorage::Stored, os);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  EXPECT_EQ(numMade, 2);
  // The header takes 64 bytes.
  EXPECT_EQ(llvm::StringRef(bytes.data(), bytes.size()).substr(64, 100),
            std::string(100, char(7)));
}

TEST(Weights, ReservedOnesTakeNoPlaceInTheObject) {
  std::vector<char> a(100, 1), c(64, 2);
  WeightTable table;
  table.add("first", a);
  table.add("second", c);
  llvm::SmallVector<char, 0> bytes;
  llvm::raw_svector_ostream os(bytes);
  llvm::Error error =
      writeWeightsObject(table, resolve("x86-64"), WeightStorage::Reserved, os);
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  auto file = llvm::object::ObjectFile::createObjectFile(
      llvm::MemoryBufferRef(os.str(), "weights.o"));
  ASSERT_TRUE(bool(file)) << llvm::toString(file.takeError());
  // All but a few bytes have no place in the object.
  std::map<unsigned, uint64_t> sizes;
  for (const llvm::object::ELFSectionRef section : (*file)->sections())
    if (llvm::cantFail(section.getName()) == ".quantc.weights")
      sizes[section.getType()] = section.getSize();
  std::map<unsigned, uint64_t> expected = {{llvm::ELF::SHT_NOBITS, 192},
                                           {llvm::ELF::SHT_PROGBITS, 64}};
  EXPECT_EQ(sizes, expected);
}

static mlir::OwningOpRef<mlir::ModuleOp> parseModule(mlir::MLIRContext &context,
                                                     llvm::StringRef text) {
  context.loadDialect<mlir::LLVM::LLVMDialect>();
  mlir::DialectRegistry registry;
  mlir::registerAllToLLVMIRTranslations(registry);
  context.appendDialectRegistry(registry);
  return mlir::parseSourceString<mlir::ModuleOp>(text, &context);
}

TEST(Weights, LinkerReservesTheirPlace) {
  if (getWeightStorage() != WeightStorage::Reserved)
    GTEST_SKIP() << "there is no linker that reserves a place";
  // Two of the functions that every library exports return where weights are.
  mlir::MLIRContext context;
  auto module = parseModule(context, R"(
    llvm.mlir.global external hidden constant @first() {dso_local}
      : !llvm.array<100 x i8>
    llvm.mlir.global external hidden constant @second() {dso_local}
      : !llvm.array<64 x i8>
    llvm.func @net_info() -> !llvm.ptr {
      %0 = llvm.mlir.addressof @first : !llvm.ptr
      llvm.return %0 : !llvm.ptr
    }
    llvm.func @net_run() -> !llvm.ptr {
      %0 = llvm.mlir.addressof @second : !llvm.ptr
      llvm.return %0 : !llvm.ptr
    }
    llvm.func @quantc_interface() { llvm.return }
    llvm.func @net_last_error() { llvm.return }
    llvm.func @net_set_num_threads() { llvm.return }
    llvm.func @net_profile() { llvm.return }
  )");
  ASSERT_TRUE(bool(module));
  std::vector<char> first(100, 1), second(64, 2);
  WeightTable table;
  table.add("first", first);
  table.add("second", second);
  TargetSpec spec = resolve("native");
  llvm::SmallVector<char, 0> code, weights;
  llvm::raw_svector_ostream codeStream(code), weightStream(weights);
  ASSERT_TRUE(mlir::succeeded(
      emitCode(*module, spec, ObjectKind::Object, false, codeStream)));

  TemporaryDirectory directory;
  std::vector<std::string> objects;
  auto check = [](llvm::Error error) {
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  };
  check(directory.create());
  check(writeWeightsObject(table, spec, WeightStorage::Reserved, weightStream));
  for (llvm::StringRef bytes : {codeStream.str(), weightStream.str()}) {
    objects.push_back(directory.file(std::to_string(objects.size()) + ".o"));
    check(writeFileAtomically(objects.back(), bytes));
  }
  LinkOptions options;
  options.output = directory.file("net.so");
  options.prefix = "net";
  options.complete = [&](llvm::StringRef path) {
    return writeReservedWeights(table, spec, path);
  };
  check(linkLibrary(objects, options));
  std::string error;
  auto library = llvm::sys::DynamicLibrary::getPermanentLibrary(
      options.output.c_str(), &error);
  ASSERT_TRUE(library.isValid()) << error;
  auto read = [&](const char *function, size_t size) {
    auto *get = reinterpret_cast<const char *(*)()>(
        library.getAddressOfSymbol(function));
    return std::vector<char>(get(), get() + size);
  };
  EXPECT_EQ(read("net_info", 100), first);
  EXPECT_EQ(read("net_run", 64), second);
}

TEST(Weights, BytesMustBeThere) {
  for (auto [resources, expected] : {
           std::pair("", "the bytes of this constant are missing"),
           // The first four bytes say how the others are aligned.
           std::pair(
               "{-# dialect_resources: {builtin: {w: \"0x040000000102\"}} "
               "#-}",
               "this constant takes 100 bytes, and 2 are given"),
       })
    for (bool isDeferred : {false, true}) {
      mlir::MLIRContext context;
      std::string said;
      mlir::ScopedDiagnosticHandler handler(
          &context,
          [&](mlir::Diagnostic &diagnostic) { said += diagnostic.str(); });
      auto module = parseModule(
          context, std::string("llvm.mlir.global private constant @w("
                               "dense_resource<w> : tensor<100xi8>) "
                               ": !llvm.array<100 x i8>\n") +
                       resources);
      ASSERT_TRUE(bool(module)) << said;
      WeightTable table;
      mlir::DialectRegistry registry;
      quantc::DeferredConstants::registerInterface(registry);
      context.appendDialectRegistry(registry);
      context.loadDialect<quantc::kernel::KernelDialect>();
      auto *deferred = quantc::DeferredConstants::find(&context);
      ASSERT_TRUE(deferred);
      EXPECT_TRUE(mlir::failed(extractWeights(
          *module, "net", table, isDeferred ? deferred : nullptr)));
      EXPECT_EQ(said, expected);
    }
}

// A shift by the width of the only element would be poison, and with it the
// load would go.
TEST(Objects, LoadMasksOfOneByte) {
  mlir::MLIRContext context;
  auto module = parseModule(context, R"(
    llvm.func @load(%p: !llvm.ptr, %limit: i32) -> vector<1xi8> {
      %i = llvm.mlir.constant(0 : i32) : i32
      %undef = llvm.mlir.poison : vector<1xi32>
      %one = llvm.insertelement %limit, %undef[%i : i32] : vector<1xi32>
      %limits = llvm.shufflevector %one, %undef [0] : vector<1xi32>
      %steps = llvm.mlir.constant(dense<0> : vector<1xi32>) : vector<1xi32>
      %mask = llvm.icmp "sgt" %limits, %steps : vector<1xi32>
      %zero = llvm.mlir.constant(dense<0> : vector<1xi8>) : vector<1xi8>
      %loaded = llvm.intr.masked.load %p, %mask, %zero {alignment = 1 : i32}
        : (!llvm.ptr, vector<1xi1>, vector<1xi8>) -> vector<1xi8>
      llvm.return %loaded : vector<1xi8>
    }
  )");
  ASSERT_TRUE(bool(module));
  llvm::SmallVector<char, 0> text;
  llvm::raw_svector_ostream os(text);
  ASSERT_TRUE(mlir::succeeded(emitCode(*module, resolve("x86-64-v3"),
                                       ObjectKind::Assembly, false, os)));
  EXPECT_TRUE(os.str().contains("(%rdi)")) << os.str().str();
}

TEST(Linkers, AreKnownByTheirFileNames) {
  for (const char *path : {"/usr/bin/ld.lld-22", "/usr/bin/ld.lld", "lld"})
    EXPECT_FALSE(isCompiler(path)) << path;
  for (const char *path : {"/usr/bin/cc", "/opt/lld/bin/gcc", "clang-22"})
    EXPECT_TRUE(isCompiler(path)) << path;
}

TEST(Weights, ReservedPlaceMustBeThere) {
  std::vector<char> a(100, 1);
  WeightTable table;
  table.add("first", a);
  llvm::SmallString<128> path;
  int fd;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("weights", "o", fd, path));
  llvm::FileRemover remover(path);
  {
    llvm::raw_fd_ostream os(fd, /*shouldClose=*/true);
    llvm::Error error =
        writeWeightsObject(table, resolve("x86-64"), WeightStorage::Stored, os);
    ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  }
  llvm::Error error = writeReservedWeights(table, resolve("x86-64"), path);
  EXPECT_EQ(llvm::toString(std::move(error)),
            "the linker reserved no place for weights");
}

TEST(Header, TakesThePrefix) {
  std::string header = getModelHeader("net");
  EXPECT_NE(header.find("int32_t net_run("), std::string::npos);
  EXPECT_EQ(header.find("quantc_model"), std::string::npos);
  EXPECT_NE(header.find("QuantcModelInfo"), std::string::npos);
}
