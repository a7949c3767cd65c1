//===- ConstantDataTest.cpp - The elements of constants -------------------===//

#include "quantc/Dialect/QNN/IR/ConstantData.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinOps.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace quantc::qnn;

namespace {

class ConstantData : public testing::Test {
protected:
  ConstantData() { context.loadDialect<QNNDialect>(); }

  RankedTensorType getType(unsigned bits, bool isUnsigned, int64_t count) {
    return RankedTensorType::get(
        {count}, IntegerType::get(&context, bits,
                                  isUnsigned ? IntegerType::Unsigned
                                             : IntegerType::Signless));
  }

  MLIRContext context;
};

TEST_F(ConstantData, ManySmallIntegersTakeAByteEach) {
  for (unsigned bits = 2; bits < 8; ++bits)
    for (bool isUnsigned : {false, true}) {
      // Bits above the element's do not count.
      std::vector<char> bytes(2048);
      for (size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = char(i);
      ElementsAttr value =
          makeConstant(getType(bits, isUnsigned, bytes.size()), bytes);
      std::optional<ArrayRef<char>> stored = getConstantBytes(value);
      ASSERT_TRUE(stored);
      ASSERT_EQ(stored->size(), bytes.size());
      for (size_t i = 0; i < bytes.size(); ++i) {
        int expected = int(i % (1u << bits));
        if (!isUnsigned && expected >= 1 << (bits - 1))
          expected -= 1 << bits;
        ASSERT_EQ(int((*stored)[i]), expected) << bits << " bits, " << i;
      }
    }
}

TEST_F(ConstantData, FewSmallIntegersAreUniqued) {
  std::vector<char> bytes(16, 3);
  ElementsAttr value = makeConstant(getType(4, false, 16), bytes);
  EXPECT_TRUE(isa<DenseElementsAttr>(value));
  EXPECT_FALSE(getConstantBytes(value));
}

TEST_F(ConstantData, FloatsAreSeenWhereTheyLie) {
  std::vector<float> numbers(1024), storage;
  for (size_t i = 0; i < numbers.size(); ++i)
    numbers[i] = float(i) / 8;
  ElementsAttr large = makeFloatConstant(&context, {1024}, numbers);
  std::optional<ArrayRef<float>> view = viewFloats(large, storage);
  ASSERT_TRUE(view);
  EXPECT_EQ(*view, ArrayRef(numbers));
  EXPECT_TRUE(storage.empty());
  EXPECT_EQ(readFloats(large), std::optional(numbers));

  // A splat holds one number only.
  ElementsAttr splat = DenseElementsAttr::get(
      RankedTensorType::get({3}, Float32Type::get(&context)), 2.5f);
  EXPECT_EQ(readFloats(splat), std::optional(std::vector<float>(3, 2.5f)));
}

TEST_F(ConstantData, MemoryIsGivenBackWithTheLastHolder) {
  Location loc = UnknownLoc::get(&context);
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  OpBuilder b = OpBuilder::atBlockBegin(module->getBody());
  std::vector<float> numbers(1024, 1);
  ElementsAttr value = makeFloatConstant(&context, {1024}, numbers);
  auto handle = cast<DenseResourceElementsAttr>(value).getRawHandle();
  auto first = ConstantOp::create(b, loc, value);
  auto second = ConstantOp::create(b, loc, value);
  Value list = ConstantOp::create(b, loc, b.getI64TensorAttr({1024}));
  auto user = ReshapeOp::create(b, loc, value.getType(), second, list, false);

  ConstantRelease release(*module);
  release.eraseIfUnused(first);
  EXPECT_EQ(handle.getBlob()->getData().size(), 4096u);
  release.eraseIfUnused(second); // It is used.
  EXPECT_EQ(handle.getBlob()->getData().size(), 4096u);
  user.erase();
  release.eraseIfUnused(second);
  EXPECT_EQ(handle.getBlob()->getData().size(), 0u);
}

} // namespace
