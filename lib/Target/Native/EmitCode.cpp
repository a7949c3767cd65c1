//===- EmitCode.cpp - LLVM dialect to optimized native code ---------------===//

#include "quantc/Target/Native/Native.h"

#include "mlir/Target/LLVMIR/Export.h"
#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/IR/LLVMContext.h"
#include "llvm/IR/LegacyPassManager.h"
#include "llvm/IR/Module.h"
#include "llvm/Passes/PassBuilder.h"
#include "llvm/Target/TargetMachine.h"
#include "llvm/TargetParser/Triple.h"

using namespace mlir;
using namespace quantc::native;

static void optimize(llvm::Module &module, llvm::TargetMachine &machine) {
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
  builder.buildPerModuleDefaultPipeline(llvm::OptimizationLevel::O3)
      .run(module, modules);
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
      translateModuleToLLVMIR(module, context, "quantc");
  if (!code)
    return module.emitError("cannot be translated to LLVM IR");
  code->setTargetTriple(llvm::Triple(spec.triple));
  code->setDataLayout((*machine)->createDataLayout());
  code->setPICLevel(llvm::PICLevel::BigPIC);
  for (llvm::Function &function : *code) {
    // The vectorizers ask each function what it may use.
    if (function.isDeclaration())
      continue;
    function.addFnAttr("target-cpu", (*machine)->getTargetCPU());
    function.addFnAttr("target-features", spec.features);
  }
  if (largeWeights && llvm::Triple(spec.triple).isX86())
    for (llvm::GlobalVariable &global : code->globals())
      if (global.isDeclaration())
        global.setCodeModel(llvm::CodeModel::Large);

  optimize(*code, **machine);
  llvm::legacy::PassManager passes;
  auto type = kind == ObjectKind::Object ? llvm::CodeGenFileType::ObjectFile
                                         : llvm::CodeGenFileType::AssemblyFile;
  if ((*machine)->addPassesToEmitFile(passes, os, nullptr, type))
    return module.emitError("target '" + spec.triple +
                            "' cannot emit this kind of file");
  passes.run(*code);
  return success();
}
