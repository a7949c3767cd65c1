//===- EmitCode.cpp - LLVM dialect to optimized native code ---------------===//

#include "ByteMasks.h"
#include "quantc/Target/Native/Native.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Bitcode/BitcodeReader.h"
#include "llvm/Bitcode/BitcodeWriter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/ThreadPool.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"
#include "llvm/Transforms/IPO/DeadArgumentElimination.h"
#include "llvm/Transforms/Utils/SplitModule.h"

using namespace mlir;
using namespace quantc::native;

/// Parts of a model that compile side by side. The same number everywhere, so
/// that a library does not depend on the machine that made it.
static constexpr unsigned kNumParts = 4;
/// Below this, splitting costs more than it gains.
static constexpr unsigned kSmallestPart = 4;

/// Runs what `build` makes of a pass builder.
static void runPasses(
    llvm::Module &module, llvm::TargetMachine &machine,
    llvm::function_ref<llvm::ModulePassManager(llvm::PassBuilder &)> build) {
  llvm::PipelineTuningOptions tuning;
  tuning.LoopVectorization = true;
  tuning.SLPVectorization = true;
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager sccs;
  llvm::ModuleAnalysisManager modules;
  llvm::PassBuilder builder(&machine, tuning);
  builder.registerModuleAnalyses(modules);
  builder.registerCGSCCAnalyses(sccs);
  builder.registerFunctionAnalyses(functions);
  builder.registerLoopAnalyses(loops);
  builder.crossRegisterProxies(loops, functions, sccs, modules);
  build(builder).run(module, modules);
}

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
  // What pays to be unrolled is already: -O3 unrolls edges and copies twice as
  // far, which is a tenth of a small model's code, and no faster.
  runPasses(module, machine, [](llvm::PassBuilder &builder) {
    return builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O2);
  });
}

/// Of a buffer's descriptor, a kernel reads little more than the pointer. Parts
/// of a module call each other, so that they cannot drop the rest.
static void dropUnusedArguments(llvm::Module &module,
                                llvm::TargetMachine &machine) {
  runPasses(module, machine, [](llvm::PassBuilder &) {
    llvm::ModulePassManager passes;
    passes.addPass(llvm::DeadArgumentEliminationPass());
    return passes;
  });
}

/// Masked stores of one element become stores of a scalar. LLVM 22 does so,
/// too, but for X86 it forgets that the vector may have been truncated on the
/// way: an i8 of <16 x i32> is stored as four bytes.
static void storeSingleElements(llvm::Module &module) {
  SmallVector<llvm::IntrinsicInst *> stores;
  for (llvm::Function &function : module)
    for (llvm::Instruction &instruction : llvm::instructions(function))
      if (auto *call = dyn_cast<llvm::IntrinsicInst>(&instruction))
        if (call->getIntrinsicID() == llvm::Intrinsic::masked_store)
          stores.push_back(call);
  for (llvm::IntrinsicInst *store : stores) {
    llvm::Value *vector = store->getArgOperand(0);
    auto *type = dyn_cast<llvm::FixedVectorType>(vector->getType());
    auto *mask = dyn_cast<llvm::Constant>(store->getArgOperand(2));
    if (!type || !mask)
      continue;
    SmallVector<unsigned> lanes;
    bool isKnown = true;
    for (unsigned i = 0; i < type->getNumElements(); ++i) {
      llvm::Constant *bit = mask->getAggregateElement(i);
      isKnown &= isa_and_present<llvm::ConstantInt>(bit);
      if (isKnown && bit->isOneValue())
        lanes.push_back(i);
    }
    if (!isKnown || lanes.size() != 1)
      continue;
    llvm::IRBuilder<> b(store);
    llvm::Type *element = type->getElementType();
    uint64_t bytes = module.getDataLayout().getTypeStoreSize(element);
    llvm::Value *place = b.CreatePtrAdd(
        store->getArgOperand(1), b.getInt64(lanes.front() * bytes), "element");
    b.CreateAlignedStore(b.CreateExtractElement(vector, lanes.front()), place,
                         llvm::Align(1));
    store->eraseFromParent();
  }
}

/// Translates `module` to LLVM IR, ready to be optimized for `machine`.
static std::unique_ptr<llvm::Module>
translate(ModuleOp module, const TargetSpec &spec, bool largeWeights,
          llvm::TargetMachine &machine, llvm::LLVMContext &context) {
  std::unique_ptr<llvm::Module> code =
      translateModuleToLLVMIR(module, context, "quantc");
  if (!code) {
    module.emitError("cannot be translated to LLVM IR");
    return nullptr;
  }
  code->setTargetTriple(llvm::Triple(spec.triple));
  code->setDataLayout(machine.createDataLayout());
  code->setPICLevel(llvm::PICLevel::BigPIC);
  bool isX86 = llvm::Triple(spec.triple).isX86();
  for (llvm::Function &function : *code) {
    if (function.isDeclaration()) {
      // The address is known once the library is loaded (`-z now`), so that a
      // call needs no stub that looks for it.
      if (isX86 && function.hasDefaultVisibility())
        function.addFnAttr(llvm::Attribute::NonLazyBind);
      continue;
    }
    // The vectorizers ask each function what it may use.
    // Nothing throws, so that nobody needs tables for unwinding.
    function.setDoesNotThrow();
    function.addFnAttr("target-cpu", machine.getTargetCPU());
    function.addFnAttr("target-features", spec.features);
    // It only calls kernels, so its own speed does not matter.
    if (function.getName() == "main")
      function.addFnAttr(llvm::Attribute::OptimizeForSize);
  }
  // The same for what LLVM itself calls, such as memcpy.
  if (isX86)
    code->setRtLibUseGOT();
  loopOverMaskedElements(*code, machine);
  if (largeWeights && isX86)
    for (llvm::GlobalVariable &global : code->globals())
      if (global.isDeclaration())
        global.setCodeModel(llvm::CodeModel::Large);
  return code;
}

/// Optimizes `code`, as far as `machine` is to, and writes it; false if the
/// target cannot.
static bool emit(llvm::Module &code, llvm::TargetMachine &machine,
                 ObjectKind kind, llvm::raw_pwrite_stream &os) {
  if (machine.getOptLevel() != llvm::CodeGenOptLevel::None)
    optimize(code, machine);
  storeSingleElements(code);
  llvm::legacy::PassManager passes;
  auto type = kind == ObjectKind::Object ? llvm::CodeGenFileType::ObjectFile
                                         : llvm::CodeGenFileType::AssemblyFile;
  if (machine.addPassesToEmitFile(passes, os, nullptr, type))
    return false;
  passes.run(code);
  return true;
}

static LogicalResult cannotEmit(ModuleOp module, const TargetSpec &spec) {
  return module.emitError("target '" + spec.triple +
                          "' cannot emit this kind of file");
}

LogicalResult quantc::native::emitCode(ModuleOp module, const TargetSpec &spec,
                                       ObjectKind kind, bool largeWeights,
                                       llvm::raw_pwrite_stream &os) {
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createTargetMachine(spec);
  if (!machine)
    return module.emitError(llvm::toString(machine.takeError()));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code =
      translate(module, spec, largeWeights, **machine, context);
  if (!code)
    return failure();
  return emit(*code, **machine, kind, os) ? success()
                                          : cannotEmit(module, spec);
}

LogicalResult
quantc::native::emitObjects(ModuleOp module, const TargetSpec &spec,
                            StringRef localPrefix, bool largeWeights,
                            SmallVectorImpl<SmallVector<char, 0>> &objects,
                            Effort effort) {
  auto createMachine = [&] {
    auto machine = createTargetMachine(spec);
    if (machine && effort == Effort::Quick)
      (*machine)->setOptLevel(llvm::CodeGenOptLevel::None);
    return machine;
  };
  llvm::Expected<std::unique_ptr<llvm::TargetMachine>> machine =
      createMachine();
  if (!machine)
    return module.emitError(llvm::toString(machine.takeError()));
  llvm::LLVMContext context;
  std::unique_ptr<llvm::Module> code =
      translate(module, spec, largeWeights, **machine, context);
  if (!code)
    return failure();
  unsigned numFunctions = llvm::count_if(
      *code, [](llvm::Function &f) { return !f.isDeclaration(); });
  if (numFunctions < kSmallestPart * kNumParts) {
    llvm::raw_svector_ostream os(objects.emplace_back());
    return emit(*code, **machine, ObjectKind::Object, os)
               ? success()
               : cannotEmit(module, spec);
  }

  dropUnusedArguments(*code, **machine);
  // Splitting exports what is local, where the parts of another variant of the
  // library have the same names (or none, which it makes up).
  if (!localPrefix.empty())
    for (llvm::GlobalValue &value : code->global_values())
      if (value.hasLocalLinkage())
        value.setName(localPrefix + "." +
                      (value.hasName() ? value.getName() : "unnamed"));
  // A context belongs to one thread, so parts travel as bitcode.
  SmallVector<SmallString<0>> parts;
  llvm::SplitModule(
      *code, kNumParts,
      [&](std::unique_ptr<llvm::Module> part) {
        llvm::raw_svector_ostream os(parts.emplace_back());
        llvm::WriteBitcodeToFile(*part, os);
      },
      /*PreserveLocals=*/false, /*RoundRobin=*/true);
  code.reset();
  objects.resize(parts.size());
  std::vector<std::string> errors(parts.size());
  llvm::DefaultThreadPool pool(llvm::hardware_concurrency(kNumParts));
  for (size_t i = 0; i < parts.size(); ++i)
    pool.async([&, i] {
      auto own = createMachine();
      llvm::LLVMContext context;
      auto part = llvm::parseBitcodeFile(
          llvm::MemoryBufferRef(parts[i], "quantc"), context);
      if (!own || !part) {
        errors[i] =
            llvm::toString(llvm::joinErrors(own.takeError(), part.takeError()));
        return;
      }
      llvm::raw_svector_ostream os(objects[i]);
      if (!emit(**part, **own, ObjectKind::Object, os))
        errors[i] = "cannot emit this kind of file";
    });
  pool.wait();
  for (const std::string &error : errors)
    if (!error.empty())
      return module.emitError("target '" + spec.triple + "': " + error);
  return success();
}
