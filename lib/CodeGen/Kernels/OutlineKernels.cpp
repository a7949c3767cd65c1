//===- OutlineKernels.cpp - Groups of linalg ops become kernels -----------===//
//
// Works on tensors; the functions it makes work on buffers, so that each kernel
// is bufferized once, whatever the number of its calls, and without copies.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "KernelBuilder.h"

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
struct OutlineKernelsPass
    : public quantc::impl::OutlineKernelsPassBase<OutlineKernelsPass> {
  void runOnOperation() override {
    SmallVector<KernelGroup> groups = findKernelGroups(getOperation());
    SmallVector<unsigned> forms;
    SmallVector<NumberPlan> plans = planNumbers(groups, forms);
    for (auto [group, form] : llvm::zip(groups, forms))
      outline(group, plans[form]);
  }

  /// Sorts `groups` by form (what they do, whatever the numbers), and decides
  /// for each form which numbers its kernel takes as arguments.
  SmallVector<NumberPlan> planNumbers(ArrayRef<KernelGroup> groups,
                                      SmallVectorImpl<unsigned> &forms) {
    llvm::StringMap<unsigned> known;
    // By form and number: the values of its groups, as one key.
    SmallVector<SmallVector<SmallVector<Attribute>>> values;
    for (const KernelGroup &group : groups) {
      KernelBuilder kernelBuilder(group);
      func::FuncOp kernel = kernelBuilder.build();
      unsigned form =
          known.try_emplace(print(kernel), known.size()).first->second;
      kernel->erase();
      forms.push_back(form);
      if (form == values.size())
        values.emplace_back(kernelBuilder.numbers.size());
      for (auto [column, number] :
           llvm::zip(values[form], kernelBuilder.numbers)) {
        Attribute value;
        matchPattern(number, m_Constant(&value));
        column.push_back(value);
      }
    }
    SmallVector<NumberPlan> plans(values.size());
    for (auto [plan, columns] : llvm::zip(plans, values))
      for (auto [i, column] : llvm::enumerate(columns)) {
        int argument = llvm::find(columns, column) - columns.begin();
        bool isConstant = llvm::all_equal(column);
        numNumberArguments += !isConstant && argument == int(i);
        plan.argumentOf.push_back(isConstant ? NumberPlan::kConstant
                                             : argument);
      }
    return plans;
  }

  static std::string print(func::FuncOp kernel) {
    std::string text;
    llvm::raw_string_ostream os(text);
    kernel->print(os, OpPrintingFlags().useLocalScope());
    return text;
  }

  void outline(const KernelGroup &group, const NumberPlan &plan) {
    KernelBuilder kernelBuilder(group, &plan);
    func::FuncOp kernel = kernelBuilder.build();
    StringRef name = getShared(kernel, group.root);
    linalg::LinalgOp last = group.last();
    OpBuilder builder(last);
    SmallVector<Value> results = group.results();
    // The call stands for all: what is measured or fails there names them.
    SmallVector<Location> locations;
    if (group.scores)
      locations.push_back(group.scores->getLoc());
    locations.append({group.root->getLoc(), last->getLoc()});
    Location loc = FusedLoc::get(&getContext(), locations);
    auto call =
        CallOp::create(builder, loc, TypeRange(ValueRange(results)), name,
                       kernelBuilder.inputs, kernelBuilder.outputs,
                       kernelBuilder.readsOutputs);
    for (auto [old, result] : llvm::zip(results, call->getResults()))
      old.replaceAllUsesWith(result);
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

  /// The name of the kernel that equals `kernel`, which is new or deleted.
  StringRef getShared(func::FuncOp kernel, linalg::LinalgOp root) {
    auto [it, isNew] = kernels.try_emplace(print(kernel));
    if (!isNew) {
      kernel->erase();
      return it->second.getValue();
    }
    std::string name = "kernel_" + std::to_string(kernels.size() - 1) + "_" +
                       root->getName().stripDialect().str();
    kernel.setName(name);
    getOperation().push_back(kernel);
    ++numKernels;
    it->second = StringAttr::get(&getContext(), name);
    return it->second.getValue();
  }

  llvm::StringMap<StringAttr> kernels;
};
} // namespace
