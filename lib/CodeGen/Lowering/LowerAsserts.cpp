//===- LowerAsserts.cpp - Failed assertions become errors -----------------===//
//
// Runs after structured control flow is gone, as it splits blocks.
//
//===----------------------------------------------------------------------===//

#include "quantc/CodeGen/Passes.h"

#include "mlir/Dialect/ControlFlow/IR/ControlFlowOps.h"
#include "mlir/Dialect/LLVMIR/LLVMDialect.h"
#include "mlir/IR/BuiltinOps.h"

namespace quantc {
#define GEN_PASS_DEF_LOWERASSERTSPASS
#include "quantc/CodeGen/Passes.h.inc"
} // namespace quantc

using namespace mlir;

static constexpr StringLiteral kFailFunction = "quantc_rt_fail";

namespace {
struct LowerAssertsPass
    : public quantc::impl::LowerAssertsPassBase<LowerAssertsPass> {
  void runOnOperation() override {
    SmallVector<cf::AssertOp> asserts;
    getOperation().walk([&](cf::AssertOp op) { asserts.push_back(op); });
    if (asserts.empty())
      return;
    declareFailFunction();
    SmallVector<FlatSymbolRefAttr> texts;
    for (cf::AssertOp op : asserts)
      texts.push_back(getMessage(op.getMsg(), op.getLoc()));
    // The last one first: to split a block moves all that is behind.
    for (auto [op, text] :
         llvm::zip(llvm::reverse(asserts), llvm::reverse(texts)))
      lower(op, text);
    numAsserts += asserts.size();
  }

  void declareFailFunction() {
    ModuleOp module = getOperation();
    if (module.lookupSymbol(kFailFunction))
      return;
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    auto type =
        LLVM::LLVMFunctionType::get(LLVM::LLVMVoidType::get(&getContext()),
                                    LLVM::LLVMPointerType::get(&getContext()));
    LLVM::LLVMFuncOp::create(builder, module.getLoc(), kFailFunction, type);
  }

  /// One global for each different message.
  FlatSymbolRefAttr getMessage(StringRef text, Location loc) {
    FlatSymbolRefAttr &symbol = messages[text];
    if (symbol)
      return symbol;
    ModuleOp module = getOperation();
    OpBuilder builder = OpBuilder::atBlockBegin(module.getBody());
    std::string bytes = text.str();
    bytes.push_back('\0');
    std::string name = "__quantc_message_" + std::to_string(messages.size());
    auto type = LLVM::LLVMArrayType::get(builder.getI8Type(), bytes.size());
    LLVM::GlobalOp::create(builder, loc, type, /*isConstant=*/true,
                           LLVM::Linkage::Private, name,
                           builder.getStringAttr(bytes));
    symbol = FlatSymbolRefAttr::get(&getContext(), name);
    return symbol;
  }

  void lower(cf::AssertOp op, FlatSymbolRefAttr message) {
    OpBuilder builder(op);
    Location loc = op.getLoc();
    Block *before = op->getBlock();
    Block *after = before->splitBlock(op->getNextNode());
    Block *fail = builder.createBlock(before->getParent());
    Value text = LLVM::AddressOfOp::create(
        builder, loc, LLVM::LLVMPointerType::get(&getContext()), message);
    LLVM::CallOp::create(builder, loc, TypeRange(), kFailFunction, text);
    LLVM::UnreachableOp::create(builder, loc);
    builder.setInsertionPointToEnd(before);
    cf::CondBranchOp::create(builder, loc, op.getArg(), after, fail);
    op.erase();
  }

  llvm::StringMap<FlatSymbolRefAttr> messages;
};
} // namespace
