//===- OutlineKernels.cpp - Groups of linalg ops become kernels -----------===//
//
// Works on tensors; the functions it makes work on buffers, so that each kernel
// is bufferized once, whatever the number of its calls, and without copies.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "KernelBuilder.h"

#include "mlir/Conversion/LLVMCommon/TypeConverter.h"
#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/MemRef/IR/MemRef.h"
#include "mlir/IR/Matchers.h"

namespace quantc {
#define GEN_PASS_DEF_OUTLINEKERNELSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;
using namespace quantc;
using quantc::kernel::CallOp;

namespace {
/// Kernels that do the same, whatever the locations of their ops.
struct EqualKernels : llvm::DenseMapInfo<func::FuncOp> {
  static unsigned getHashValue(func::FuncOp kernel) {
    llvm::hash_code hash = hash_value(kernel.getFunctionType());
    kernel.getBody().walk([&](Operation *op) {
      hash = llvm::hash_combine(hash,
                                OperationEquivalence::computeHash(
                                    op, OperationEquivalence::ignoreHashValue,
                                    OperationEquivalence::ignoreHashValue,
                                    OperationEquivalence::IgnoreLocations));
    });
    return hash;
  }
  static bool isEqual(func::FuncOp lhs, func::FuncOp rhs) {
    if (lhs == rhs)
      return true;
    for (func::FuncOp special : {getEmptyKey(), getTombstoneKey()})
      if (lhs == special || rhs == special)
        return false;
    return lhs.getFunctionType() == rhs.getFunctionType() &&
           lhs.getArgAttrsAttr() == rhs.getArgAttrsAttr() &&
           OperationEquivalence::isRegionEquivalentTo(
               &lhs.getBody(), &rhs.getBody(),
               OperationEquivalence::IgnoreLocations);
  }
};

/// What the groups of one form (what they do, whatever the numbers) share.
struct KernelForm {
  /// By number: its value in each group.
  SmallVector<SmallVector<Attribute>> values;
  NumberPlan plan;
  /// Their kernel, once it was made.
  StringAttr kernel;
};

struct OutlineKernelsPass
    : public quantc::impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    SmallVector<KernelForm> forms;
    // A group, and the number of its form.
    std::vector<std::pair<KernelBuilder, unsigned>> groups;
    llvm::SmallDenseMap<func::FuncOp, unsigned, 8, EqualKernels> known;
    for (const KernelGroup &group : findKernelGroups(getOperation())) {
      KernelBuilder &builder = groups.emplace_back(group, 0).first;
      func::FuncOp kernel = builder.build();
      auto [it, isNew] = known.try_emplace(kernel, forms.size());
      if (isNew)
        forms.emplace_back().values.resize(builder.numbers.size());
      else
        kernel->erase();
      groups.back().second = it->second;
      for (auto [column, number] :
           llvm::zip(forms[it->second].values, builder.numbers)) {
        Attribute value;
        matchPattern(number, m_Constant(&value));
        column.push_back(value);
      }
    }
    for (auto [kernel, form] : known)
      kernel->erase();
    for (KernelForm &form : forms)
      planNumbers(form);
    replaced.clear();
    for (auto &[builder, form] : groups) {
      if (!forms[form].kernel)
        forms[form].kernel =
            addKernel(builder.getGroup(), forms[form].plan, form);
      outline(builder, forms[form]);
    }
  }

  /// Decides which numbers the kernel of `form` takes as arguments.
  void planNumbers(KernelForm &form) {
    for (auto [i, column] : llvm::enumerate(form.values)) {
      int argument = llvm::find(form.values, column) - form.values.begin();
      bool isConstant = llvm::all_equal(column);
      numNumberArguments += !isConstant && argument == int(i);
      form.plan.argumentOf.push_back(isConstant ? NumberPlan::kConstant
                                                : argument);
    }
  }

  /// The inputs of a kernel that takes each number as an argument, but for
  /// those that it does not take by `plan`.
  static SmallVector<Value> getInputs(const KernelBuilder &builder,
                                      const NumberPlan &plan) {
    SmallVector<Value> inputs = builder.inputs;
    for (auto [number, input] : builder.inputOfNumber)
      if (plan.argumentOf[number] != int(number))
        inputs[input] = nullptr;
    llvm::erase(inputs, nullptr);
    return inputs;
  }

  void outline(const KernelBuilder &builder, const KernelForm &form) {
    const KernelGroup &group = builder.getGroup();
    // Groups that are calls by now made some of the operands.
    auto getCurrent = [&](Value &value) {
      value = replaced.lookupOrDefault(value);
    };
    SmallVector<Value> inputs = getInputs(builder, form.plan);
    SmallVector<Value> outputs = builder.outputs;
    llvm::for_each(inputs, getCurrent);
    llvm::for_each(outputs, getCurrent);
    linalg::LinalgOp last = group.last();
    OpBuilder b(last);
    SmallVector<Value> results = group.results();
    // The call stands for all: what is measured or fails there names them.
    SmallVector<Location> locations;
    if (group.scores)
      locations.push_back(group.scores->getLoc());
    locations.append({group.root->getLoc(), last->getLoc()});
    Location loc = FusedLoc::get(&getContext(), locations);
    auto call = CallOp::create(b, loc, TypeRange(ValueRange(results)),
                               form.kernel.getValue(), inputs, outputs,
                               builder.readsOutputs);
    for (auto [old, result] : llvm::zip(results, call->getResults())) {
      old.replaceAllUsesWith(result);
      replaced.map(old, result);
    }
    ++numCalls;
    numFusedEpilogues += group.epilogue != nullptr;
    numFoldedPads += group.pad != nullptr;
    numAttentions += group.scores != nullptr;
    if (group.hasOnlyRows())
      numFusedRowOps += group.rows.ops.size() - 1;
    SmallVector<linalg::LinalgOp> ops = group.ops();
    for (linalg::LinalgOp op : llvm::reverse(ops))
      op->erase();
    if (group.pad)
      group.pad->erase();
  }

  /// Makes the kernel of all groups that are like `group`.
  StringAttr addKernel(const KernelGroup &group, const NumberPlan &plan,
                       unsigned number) {
    func::FuncOp kernel = KernelBuilder(group, &plan).build();
    kernel.setName("kernel_" + std::to_string(number) + "_" +
                   group.root->getName().stripDialect().str());
    // Where all sizes are known, calls need not pass them on.
    bool isStatic = llvm::all_of(kernel.getArgumentTypes(), [](Type type) {
      auto memref = dyn_cast<MemRefType>(type);
      return !memref || LLVMTypeConverter::canConvertToBarePtr(memref);
    });
    if (isStatic)
      kernel->setAttr("llvm.bareptr", UnitAttr::get(&getContext()));
    getOperation().push_back(kernel);
    ++numKernels;
    return kernel.getSymNameAttr();
  }

  /// Results of groups that are calls by now.
  IRMapping replaced;
};
} // namespace
