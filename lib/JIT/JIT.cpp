//===- JIT.cpp - Compile a module and call it, in this process ------------===//

#include "quantc/JIT/JIT.h"

#include "quantc/CodeGen/Passes.h"
#include "quantc/Conversion/Passes.h"
#include "quantc/Conversion/QNNToLinalg/Lowering.h"
#include "quantc/Target/Native/Native.h"
#include "quantc/Target/Native/Passes.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Pass/PassManager.h"
#include "mlir/Transforms/Passes.h"
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
  std::vector<void *> allocations;
};
} // namespace
static thread_local RunningCall *currentCall;

static void *jitAlignedAlloc(uint64_t alignment, uint64_t size) {
  void *pointer = nullptr;
  if (posix_memalign(&pointer, std::max<uint64_t>(alignment, 64), size + 64)) {
    currentCall->error = "out of memory";
    longjmp(currentCall->onFailure, 1);
  }
  currentCall->allocations.push_back(pointer);
  return pointer;
}
static void *jitAlloc(uint64_t size) { return jitAlignedAlloc(64, size); }
/// Everything is freed when the call ends.
static void jitFree(void *) {}
[[noreturn]] static void jitFail(const char *message) {
  currentCall->error = message;
  longjmp(currentCall->onFailure, 1);
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
  pm.addPass(createCanonicalizerPass());
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

FailureOr<JITFunction> JITFunction::compile(ModuleOp module) {
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
  PassManager pm(module.getContext(), ModuleOp::getOperationName());
  pm.enableVerifier(false);
  buildPipeline(pm, spec->features);
  if (failed(pm.run(module)))
    return failure();

  SmallString<0> object;
  llvm::raw_svector_ostream os(object);
  if (failed(native::emitCode(module, *spec, native::ObjectKind::Object,
                              /*largeWeights=*/false, os)))
    return failure();

  llvm::orc::JITTargetMachineBuilder machine{llvm::Triple(spec->triple)};
  machine.setRelocationModel(llvm::Reloc::PIC_);
  auto jit = llvm::orc::LLJITBuilder()
                 .setJITTargetMachineBuilder(std::move(machine))
                 .create();
  if (!jit)
    return fail(jit.takeError());
  llvm::orc::SymbolMap symbols;
  auto define = [&](StringRef name, auto *pointer) {
    symbols[(*jit)->mangleAndIntern(name)] = {
        llvm::orc::ExecutorAddr::fromPtr(pointer),
        llvm::JITSymbolFlags::Exported | llvm::JITSymbolFlags::Callable};
  };
  define("_mlir_memref_to_llvm_alloc", &jitAlloc);
  define("_mlir_memref_to_llvm_aligned_alloc", &jitAlignedAlloc);
  define("_mlir_memref_to_llvm_free", &jitFree);
  define("quantc_rt_fail", &jitFail);
  llvm::orc::JITDylib &dylib = (*jit)->getMainJITDylib();
  if (auto error = dylib.define(llvm::orc::absoluteSymbols(symbols)))
    return fail(std::move(error));
  auto process = llvm::orc::DynamicLibrarySearchGenerator::GetForCurrentProcess(
      (*jit)->getDataLayout().getGlobalPrefix());
  if (!process)
    return fail(process.takeError());
  dylib.addGenerator(std::move(*process));
  if (auto error = (*jit)->addObjectFile(
          llvm::MemoryBuffer::getMemBufferCopy(object.str(), "main")))
    return fail(std::move(error));
  auto entry = (*jit)->lookup("jit_entry");
  if (!entry)
    return fail(entry.takeError());
  function.entry = entry->toPtr<void *>();
  function.jit = std::move(*jit);
  return function;
}

//===- run ----------------------------------------------------------------===//

/// Words of a memref descriptor: two pointers, an offset, sizes, strides.
static size_t descriptorWords(RankedTensorType type) {
  return 3 + 2 * type.getRank();
}

static SmallVector<uint64_t> makeDescriptor(RankedTensorType type,
                                            const char *data) {
  SmallVector<uint64_t> words(descriptorWords(type), 0);
  words[0] = words[1] = reinterpret_cast<uint64_t>(data);
  uint64_t stride = 1;
  for (int64_t d = type.getRank() - 1; d >= 0; --d) {
    words[3 + d] = type.getDimSize(d);
    words[3 + type.getRank() + d] = stride;
    stride *= type.getDimSize(d);
  }
  return words;
}

LogicalResult JITFunction::run(ArrayRef<ArrayRef<char>> inputs,
                               SmallVectorImpl<TensorBytes> &outputs,
                               std::string &error) {
  SmallVector<SmallVector<uint64_t>> arguments;
  for (auto [type, bytes] : llvm::zip_equal(inputTypes, inputs))
    arguments.push_back(makeDescriptor(type, bytes.data()));
  SmallVector<SmallVector<uint64_t>> results;
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
  if (!failed) {
    for (auto [type, at] : llvm::zip(outputTypes, results)) {
      auto *data = reinterpret_cast<const char *>(at[1]) +
                   at[2] * (type.getElementTypeBitWidth() / 8);
      size_t size = type.getNumElements() * (type.getElementTypeBitWidth() / 8);
      outputs.emplace_back(data, data + size);
    }
  }
  for (void *pointer : call.allocations)
    free(pointer);
  error = call.error;
  return failure(failed);
}
