//===- ByteMasks.cpp - Masked bytes for targets without masks -------------===//
//
// AVX2 and others have masks for words of 32 bits, but not for bytes. LLVM then
// asks about each lane of its own: eight tests, eight branches and eight
// inserted bytes for the end of a line, where kernels have eight such loads. A
// loop that shifts bytes into a register is a fifth of that, and as fast.
//
//===----------------------------------------------------------------------===//

#include "ByteMasks.h"

#include "llvm/Analysis/TargetTransformInfo.h"
#include "llvm/Analysis/VectorUtils.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"
#include "llvm/IR/PatternMatch.h"
#include "llvm/Target/TargetMachine.h"

using namespace llvm;

/// How many lanes `mask` has on, if these are the first ones; null if it does
/// not say so.
static Value *getPrefix(Value *mask) {
  using namespace PatternMatch;
  Value *limit;
  Constant *steps;
  if (!match(mask, m_SpecificICmp(CmpInst::ICMP_SGT, m_Value(limit),
                                  m_Constant(steps))))
    return nullptr;
  unsigned lanes = cast<FixedVectorType>(mask->getType())->getNumElements();
  for (unsigned i = 0; i < lanes; ++i) {
    auto *step = dyn_cast_or_null<ConstantInt>(steps->getAggregateElement(i));
    if (!step || step->getValue() != i)
      return nullptr;
  }
  return getSplatValue(limit);
}

/// The branch at the end of a loop that has few iterations each time.
static void branchBack(IRBuilder<> &b, Value *again, BasicBlock *loop,
                       BasicBlock *end) {
  LLVMContext &context = b.getContext();
  Metadata *parts[] = {
      nullptr,
      MDNode::get(context, MDString::get(context, "llvm.loop.unroll.disable")),
      MDNode::get(context,
                  {MDString::get(context, "llvm.loop.vectorize.enable"),
                   ConstantAsMetadata::get(b.getFalse())})};
  MDNode *id = MDNode::getDistinct(context, parts);
  id->replaceOperandWith(0, id);
  b.CreateCondBr(again, loop, end)->setMetadata(LLVMContext::MD_loop, id);
}

namespace {
/// A loop over the first elements of memory, in place of a masked access.
class MaskedAccess {
public:
  MaskedAccess(IntrinsicInst *access, FixedVectorType *type, Value *limit)
      : access(access), type(type), element(type->getElementType()),
        bits(IntegerType::get(access->getContext(),
                              type->getPrimitiveSizeInBits())),
        width(element->getPrimitiveSizeInBits()) {
    before = access->getParent();
    after = before->splitBasicBlock(access->getIterator());
    loop = BasicBlock::Create(access->getContext(), "", before->getParent(),
                              after);
    before->getTerminator()->eraseFromParent();
    IRBuilder<> b(before);
    b.SetCurrentDebugLocation(access->getDebugLoc());
    limit = b.CreateSExtOrTrunc(limit, b.getInt64Ty());
    Value *lanes = b.getInt64(type->getNumElements());
    count = b.CreateBinaryIntrinsic(Intrinsic::smin, limit, lanes);
    b.CreateCondBr(b.CreateICmpSGT(count, b.getInt64(0)), loop, after);
  }

  void expandLoad(Value *pointer);
  void expandStore(Value *value, Value *pointer);

private:
  /// The index, and the elements as they are shifted.
  std::pair<PHINode *, PHINode *> enter(IRBuilder<> &b);
  Value *place(IRBuilder<> &b, Value *pointer, Value *index) {
    return b.CreateGEP(element, pointer, index);
  }
  template <typename Access> void keepAliases(Access *one) {
    one->copyMetadata(*access,
                      {LLVMContext::MD_alias_scope, LLVMContext::MD_noalias});
  }

  IntrinsicInst *access;
  FixedVectorType *type;
  Type *element;
  IntegerType *bits;
  unsigned width;
  BasicBlock *before, *loop, *after;
  Value *count;
};
} // namespace

std::pair<PHINode *, PHINode *> MaskedAccess::enter(IRBuilder<> &b) {
  b.SetCurrentDebugLocation(access->getDebugLoc());
  PHINode *index = b.CreatePHI(b.getInt64Ty(), 2);
  return {index, b.CreatePHI(bits, 2)};
}

/// From the last element to the first, which ends up lowest.
void MaskedAccess::expandLoad(Value *pointer) {
  IRBuilder<> b(loop);
  auto [index, loaded] = enter(b);
  Value *next = b.CreateSub(index, b.getInt64(1));
  LoadInst *one = b.CreateAlignedLoad(b.getIntNTy(width),
                                      place(b, pointer, next), Align(1));
  keepAliases(one);
  Value *joined =
      b.CreateOr(b.CreateShl(loaded, width), b.CreateZExt(one, bits));
  branchBack(b, b.CreateICmpSGT(next, b.getInt64(0)), loop, after);
  index->addIncoming(count, before);
  index->addIncoming(next, loop);
  loaded->addIncoming(ConstantInt::get(bits, 0), before);
  loaded->addIncoming(joined, loop);

  b.SetInsertPoint(after, after->begin());
  PHINode *all = b.CreatePHI(bits, 2);
  all->addIncoming(ConstantInt::get(bits, 0), before);
  all->addIncoming(joined, loop);
  access->replaceAllUsesWith(b.CreateBitCast(all, type));
  access->eraseFromParent();
}

void MaskedAccess::expandStore(Value *value, Value *pointer) {
  IRBuilder<> entry(before->getTerminator());
  Value *all = entry.CreateBitCast(value, bits);
  IRBuilder<> b(loop);
  auto [index, rest] = enter(b);
  StoreInst *one = b.CreateAlignedStore(b.CreateTrunc(rest, b.getIntNTy(width)),
                                        place(b, pointer, index), Align(1));
  keepAliases(one);
  Value *next = b.CreateAdd(index, b.getInt64(1));
  Value *shifted = b.CreateLShr(rest, width);
  branchBack(b, b.CreateICmpSLT(next, count), loop, after);
  index->addIncoming(b.getInt64(0), before);
  index->addIncoming(next, loop);
  rest->addIncoming(all, before);
  rest->addIncoming(shifted, loop);
  access->eraseFromParent();
}

static void expandAccesses(Function &function, TargetTransformInfo info) {
  SmallVector<IntrinsicInst *> accesses;
  for (Instruction &instruction : instructions(function))
    if (auto *call = dyn_cast<IntrinsicInst>(&instruction))
      if (call->getIntrinsicID() == Intrinsic::masked_load ||
          call->getIntrinsicID() == Intrinsic::masked_store)
        accesses.push_back(call);
  for (IntrinsicInst *access : accesses) {
    bool isLoad = access->getIntrinsicID() == Intrinsic::masked_load;
    Value *value = isLoad ? access : access->getArgOperand(0);
    Value *pointer = access->getArgOperand(isLoad ? 0 : 1);
    Value *mask = access->getArgOperand(isLoad ? 1 : 2);
    auto *type = dyn_cast<FixedVectorType>(value->getType());
    unsigned space = pointer->getType()->getPointerAddressSpace();
    // For a single element LLVM makes a single branch.
    if (!type || type->getNumElements() == 1 ||
        !type->getElementType()->isIntegerTy() ||
        type->getScalarSizeInBits() % 8 || type->getPrimitiveSizeInBits() > 64)
      continue;
    if (isLoad ? info.isLegalMaskedLoad(type, Align(1), space)
               : info.isLegalMaskedStore(type, Align(1), space))
      continue;
    // What takes the place of elements that are not there must be zero.
    auto *other = isLoad ? dyn_cast<Constant>(access->getArgOperand(2))
                         : Constant::getNullValue(type);
    Value *limit = getPrefix(mask);
    if (!limit || !other || !other->isNullValue())
      continue;
    MaskedAccess expanded(access, type, limit);
    if (isLoad)
      expanded.expandLoad(pointer);
    else
      expanded.expandStore(value, pointer);
  }
}

void quantc::native::loopOverMaskedElements(Module &module,
                                            TargetMachine &machine) {
  if (!module.getDataLayout().isLittleEndian())
    return;
  for (Function &function : module)
    if (!function.isDeclaration())
      expandAccesses(function, machine.getTargetTransformInfo(function));
}
