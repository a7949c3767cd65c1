//===- JIT.cpp - Compile a module and call it, in this process ------------===//

#include "quantc/JIT/JIT.h"

#include "quantc/CodeGen/Passes.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Support/RewriteConfig.h"
#include "quantc/Target/Native/Native.h"
#include "quantc/Target/Native/Passes.h"
#include "quantc/Target/Native/Weights.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/ExecutionEngine/Orc/AbsoluteSymbols.h"
#include "llvm/ExecutionEngine/Orc/ExecutionUtils.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Target/TargetMachine.h"

#include <csetjmp>
#include <cstdlib>

using namespace mlir;
using namespace quantc;

//===- what compiled code calls -------------------------------------------===//

// A library finds these in its runtime archive; here they are this process's. A
// failing check jumps back to `run`, over compiled frames only.
namespace {
struct RunningCall {
  jmp_buf onFailure;
  std::string error;
  llvm::DenseSet<void *> allocations;
};
} // namespace
static thread_local RunningCall *currentCall;

static void *jitAlignedAlloc(uint64_t alignment, uint64_t size) {
  void *pointer = nullptr;
  if (size > uint64_t(PTRDIFF_MAX) - 64 ||
      posix_memalign(&pointer, std::max<uint64_t>(alignment, 64), size + 64)) {
    currentCall->error = "out of memory";
    longjmp(currentCall->onFailure, 1);
  }
  currentCall->allocations.insert(pointer);
  return pointer;
}
static void *jitAlloc(uint64_t size) { return jitAlignedAlloc(64, size); }
/// What is left, results above all, is freed when the call ends.
static void jitFree(void *pointer) {
  if (currentCall->allocations.erase(pointer))
    free(pointer);
}
[[noreturn]] static void jitFail(const char *message) {
  currentCall->error = message;
  longjmp(currentCall->onFailure, 1);
}

// Conversions of 16-bit floats from the same archive (lib/Runtime/half.c): not
// all systems have them, nor can they be found where they are in a library that
// is private to one of its users. Called by generated code only.
extern "C" {
void __truncsfhf2();
void __truncdfhf2();
void __extendhfsf2();
#if defined(__clang__) || __GNUC__ >= 13
void __truncsfbf2();
void __truncdfbf2();
#endif
}

//===- compile ------------------------------------------------------------===//

JITFunction::JITFunction() = default;
JITFunction::JITFunction(JITFunction &&) = default;
JITFunction::~JITFunction() = default;

static SmallVector<RankedTensorType> getStorageTypes(TypeRange types) {
  SmallVector<RankedTensorType> result;
  for (Type type : types) {
    auto tensor = cast<RankedTensorType>(type);
    result.push_back(cast<RankedTensorType>(
        tensor.clone(getStorageType(tensor.getElementType()))));
  }
  return result;
}

static void buildPipeline(OpPassManager &pm, StringRef features) {
  pm.addPass(native::createRecordInterfacePass());
  pm.addPass(createConvertQNNToLinalgPass());
  pm.addPass(createCanonicalizerPass(quantc::getRewriteConfig()));
  pm.addPass(createCSEPass());
  LinalgToLLVMOptions options;
  options.targetFeatures = features.str();
  options.threads = false;
  buildLinalgToLLVMPipeline(pm, options);
  native::EmitEntryPointPassOptions entryOptions;
  entryOptions.prefix = "jit";
  entryOptions.entryOnly = true;
  pm.addPass(native::createEmitEntryPointPass(entryOptions));
}

void JITFunction::getDependentDialects(DialectRegistry &registry) {
  OpPassManager pm(ModuleOp::getOperationName());
  buildPipeline(pm, "");
  pm.getDependentDialects(registry);
}

/// The code of a module and its weights, which lie outside of it.
static LogicalResult
compileToObjects(ModuleOp module, const native::TargetSpec &spec,
                 native::Effort effort, native::WeightTable &weights,
                 SmallVectorImpl<SmallVector<char, 0>> &objects) {
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  pm.enableVerifier(false);
  buildPipeline(pm, spec.features);
  if (failed(pm.run(module)) ||
      failed(native::extractWeights(module, "jit", weights)))
    return failure();
  // Weights may be anywhere in the address space.
  return native::emitObjects(module, spec, /*localPrefix=*/"",
                             /*largeWeights=*/true, objects, effort);
}

/// Adds what code calls: the runtime's functions and the host's.
static void addFunctions(llvm::orc::LLJIT &jit,
                         ArrayRef<HostFunction> hostFunctions,
                         llvm::orc::SymbolMap &symbols) {
  auto define = [&](StringRef name, auto *pointer) {
    symbols[jit.mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(pointer),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  };
  define("_mlir_memref_to_llvm_alloc", &jitAlloc);
  define("_mlir_memref_to_llvm_aligned_alloc", &jitAlignedAlloc);
  define("_mlir_memref_to_llvm_free", &jitFree);
  define("quantc_rt_fail", &jitFail);
  define("__truncsfhf2", &__truncsfhf2);
  define("__truncdfhf2", &__truncdfhf2);
  define("__extendhfsf2", &__extendhfsf2);
#if defined(__clang__) || __GNUC__ >= 13
  define("__truncsfbf2", &__truncsfbf2);
  define("__truncdfbf2", &__truncdfbf2);
#endif
  for (const HostFunction &host : hostFunctions)
    define(host.name, host.address);
}

/// The bytes, or a copy, where vectors can be loaded from.
llvm::Expected<const void *> JITFunction::align(ArrayRef<char> bytes) {
  if (reinterpret_cast<uintptr_t>(bytes.data()) % native::weightAlignment == 0)
    return bytes.data();
  void *copy = nullptr;
  if (posix_memalign(&copy, native::weightAlignment, bytes.size()))
    return llvm::createStringError("out of memory");
  memcpy(copy, bytes.data(), bytes.size());
  alignedWeights.emplace_back(copy);
  return copy;
}

llvm::Error JITFunction::load(ArrayRef<SmallVector<char, 0>> objects,
                              StringRef triple,
                              const native::WeightTable &weights,
                              ArrayRef<HostFunction> hostFunctions) {
  llvm::orc::JITTargetMachineBuilder machine{llvm::Triple(triple)};
  machine.setRelocationModel(llvm::Reloc::PIC_);
  auto created = llvm::orc::LLJITBuilder()
                     .setJITTargetMachineBuilder(std::move(machine))
                     .create();
  if (!created)
    return created.takeError();
  jit = std::move(*created);
  llvm::orc::SymbolMap symbols;
  addFunctions(*jit, hostFunctions, symbols);
  for (const native::Weight &weight : weights.weights) {
    llvm::Expected<const void *> bytes = align(weight.constant.bytes);
    if (!bytes)
      return bytes.takeError();
    for (const std::string &symbol : weight.symbols)
      symbols[jit->mangleAndIntern(symbol)] = {
          llvm::orc::ExecutorAddr::fromPtr(*bytes),
          llvm::JITSymbolFlags::Exported};
  }
  llvm::orc::JITDylib &dylib = jit->getMainJITDylib();
  if (auto error = dylib.define(llvm::orc::absoluteSymbols(symbols)))
    return error;
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      jit->getDataLayout().getGlobalPrefix());
  if (!process)
    return process.takeError();
  dylib.addGenerator(std::move(*process));
  for (const SmallVector<char, 0> &object : objects)
    if (auto error = jit->addObjectFile(llvm::MemoryBuffer::getMemBufferCopy(
            StringRef(object.data(), object.size()), "main")))
      return error;
  auto found = jit->lookup("jit_entry");
  if (!found)
    return found.takeError();
  entry = found->toPtr<void *>();
  return llvm::Error::success();
}

FailureOr<JITFunction>
JITFunction::compile(ModuleOp module, ArrayRef<HostFunction> hostFunctions) {
  return compile(module, native::Effort::Full, hostFunctions);
}

FailureOr<JITFunction>
JITFunction::compile(ModuleOp module, native::Effort effort,
                     ArrayRef<HostFunction> hostFunctions) {
  auto main = module.lookupSymbol<func::FuncOp>("main");
  JITFunction function;
  function.inputTypes = getStorageTypes(main.getArgumentTypes());
  function.outputTypes = getStorageTypes(main.getResultTypes());

  auto fail = [&](llvm::Error error) {
    return module.emitError("cannot compile for this machine: ")
           << llvm::toString(std::move(error));
  };
  auto spec = native::resolveTarget("native");
  if (!spec)
    return fail(spec.takeError());
  native::WeightTable weights;
  SmallVector<SmallVector<char, 0>> objects;
  if (failed(compileToObjects(module, *spec, effort, weights, objects)))
    return failure();
  if (llvm::Error error =
          function.load(objects, spec->triple, weights, hostFunctions))
    return fail(std::move(error));
  return function;
}

//===- run ----------------------------------------------------------------===//

/// Words of a memref descriptor: two pointers, an offset, sizes, strides.
static size_t descriptorWords(RankedTensorType type) {
  return 3 + 2 * type.getRank();
}

static SmallVector<uint64_t> makeDescriptor(const TensorView &tensor) {
  size_t rank = tensor.shape.size();
  SmallVector<uint64_t> words(3 + 2 * rank, 0);
  words[0] = words[1] = reinterpret_cast<uint64_t>(tensor.bytes.data());
  uint64_t stride = 1;
  for (size_t d = rank; d-- > 0;) {
    words[3 + d] = tensor.shape[d];
    words[3 + rank + d] = stride;
    stride *= tensor.shape[d];
  }
  return words;
}

/// Copies a result, whose memory is row-major.
static Tensor readDescriptor(RankedTensorType type, ArrayRef<uint64_t> words) {
  Tensor tensor;
  size_t size = type.getElementTypeBitWidth() / 8;
  auto *data = reinterpret_cast<const char *>(words[1]) + words[2] * size;
  for (uint64_t dim : words.slice(3, type.getRank())) {
    tensor.shape.push_back(int64_t(dim));
    size *= dim;
  }
  tensor.bytes.assign(data, data + size);
  return tensor;
}

/// What is wrong with an input; empty if nothing is.
static std::string checkInput(RankedTensorType type, const TensorView &tensor) {
  std::string text;
  llvm::raw_string_ostream os(text);
  auto print = [&](ArrayRef<int64_t> shape) {
    os << "[";
    llvm::interleave(
        shape, os, [&](int64_t size) { size < 0 ? os << "?" : os << size; },
        ",");
    os << "]";
  };
  uint64_t bytes = type.getElementTypeBitWidth() / 8;
  for (int64_t size : tensor.shape)
    bytes *= size;
  if (failed(verifyCompatibleShape(type.getShape(), tensor.shape))) {
    os << "has shape ";
    print(tensor.shape);
    os << ", the model takes ";
    print(type.getShape());
  } else if (bytes != tensor.bytes.size()) {
    os << "has " << tensor.bytes.size() << " bytes instead of " << bytes;
  }
  return text;
}

LogicalResult JITFunction::run(ArrayRef<TensorView> inputs,
                               SmallVectorImpl<Tensor> &outputs,
                               std::string &error) const {
  SmallVector<SmallVector<uint64_t>> arguments, results;
  for (auto [i, type, tensor] : llvm::enumerate(inputTypes, inputs)) {
    std::string problem = checkInput(type, tensor);
    if (!problem.empty()) {
      error = "input " + std::to_string(i) + " " + problem;
      return failure();
    }
    arguments.push_back(makeDescriptor(tensor));
  }
  for (RankedTensorType type : outputTypes)
    results.emplace_back(descriptorWords(type), 0);
  SmallVector<void *> in, out;
  for (auto &descriptor : arguments)
    in.push_back(descriptor.data());
  for (auto &descriptor : results)
    out.push_back(descriptor.data());

  RunningCall call;
  RunningCall *outer = currentCall;
  currentCall = &call;
  volatile bool failed = true;
  if (setjmp(call.onFailure) == 0) {
    reinterpret_cast<void (*)(void **, void **)>(entry)(in.data(), out.data());
    failed = false;
  }
  currentCall = outer;
  if (!failed)
    for (auto [type, words] : llvm::zip(outputTypes, results))
      outputs.push_back(readDescriptor(type, words));
  for (void *pointer : call.allocations)
    free(pointer);
  error = call.error;
  return failure(failed);
}

LogicalResult JITFunction::run(ArrayRef<ArrayRef<char>> inputs,
                               SmallVectorImpl<TensorBytes> &outputs,
                               std::string &error) const {
  SmallVector<TensorView> views;
  for (auto [type, bytes] : llvm::zip_equal(inputTypes, inputs))
    views.push_back({bytes, type.getShape()});
  SmallVector<Tensor> results;
  LogicalResult result = run(views, results, error);
  for (Tensor &tensor : results)
    outputs.push_back(std::move(tensor.bytes));
  return result;
}
