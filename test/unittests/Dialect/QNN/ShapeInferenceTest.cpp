//===- ShapeInferenceTest.cpp - What the ops' type inference shares -------===//

#include "quantc/Dialect/QNN/IR/ShapeInference.h"
#include "quantc/Dialect/QNN/IR/QNNDialect.h"
#include "quantc/Dialect/QNN/IR/TensorOps.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/IR/OwningOpRef.h"

#include "gtest/gtest.h"

using namespace mlir;
using namespace quantc::qnn;

namespace {

constexpr int64_t kDynamic = ShapedType::kDynamic;
using Shape = SmallVector<int64_t>;

TEST(ShapeInference, AxesCountFromTheBack) {
  EXPECT_EQ(normalizeAxis(1, 3), 1);
  EXPECT_EQ(normalizeAxis(-1, 3), 2);
  EXPECT_EQ(normalizeAxis(-3, 3), 0);
  EXPECT_EQ(normalizeAxis(3, 3), std::nullopt);
  EXPECT_EQ(normalizeAxis(-4, 3), std::nullopt);
  EXPECT_EQ(normalizeAxis(0, 0), std::nullopt);
}

TEST(ShapeInference, BroadcastsBothWays) {
  EXPECT_EQ(*broadcastShapes({4, 1}, {3}), Shape({4, 3}));
  EXPECT_EQ(*broadcastShapes({}, {2, 3}), Shape({2, 3}));
  EXPECT_EQ(*broadcastShapes({0}, {1}), Shape({0}));
  EXPECT_TRUE(failed(broadcastShapes({2}, {3})));
}

TEST(ShapeInference, ADynamicDimensionMeetsAStaticOne) {
  EXPECT_EQ(*broadcastShapes({kDynamic}, {3}), Shape({3}));
  EXPECT_EQ(*broadcastShapes({3}, {kDynamic}), Shape({3}));
  // Against 1 it stays unknown.
  EXPECT_EQ(*broadcastShapes({kDynamic}, {1}), Shape({kDynamic}));
}

TEST(ShapeInference, MeetKeepsWhatEitherKnows) {
  MLIRContext context;
  Type f32 = Float32Type::get(&context);
  auto a = RankedTensorType::get({kDynamic, 4}, f32);
  auto b = RankedTensorType::get({2, kDynamic}, f32);
  EXPECT_EQ(*meetTypes(a, b), RankedTensorType::get({2, 4}, f32));
  EXPECT_TRUE(failed(meetTypes(b, RankedTensorType::get({3, 4}, f32))));
  EXPECT_TRUE(failed(meetTypes(b, RankedTensorType::get({2}, f32))));
}

TEST(ShapeInference, ReadsConstantsOfEachSignedness) {
  MLIRContext context;
  context.loadDialect<QNNDialect>();
  OpBuilder builder(&context);
  Location loc = builder.getUnknownLoc();
  OwningOpRef<ModuleOp> module = ModuleOp::create(loc);
  builder.setInsertionPointToEnd(module->getBody());

  auto read = [&](ElementsAttr value) {
    auto op = ConstantOp::create(
        builder, loc, cast<RankedTensorType>(value.getType()), value);
    return getConstantInts(op);
  };
  auto signedType = RankedTensorType::get({2}, builder.getIntegerType(8));
  auto unsignedType =
      RankedTensorType::get({2}, builder.getIntegerType(8, false));
  auto bytes = [&](Type type) {
    return DenseElementsAttr::get(cast<RankedTensorType>(type),
                                  {APInt(8, 1), APInt(8, 255)});
  };
  EXPECT_EQ(*read(bytes(signedType)), Shape({1, -1}));
  EXPECT_EQ(*read(bytes(unsignedType)), Shape({1, 255}));
  EXPECT_EQ(read(builder.getF32VectorAttr({1.0f})), std::nullopt);
  EXPECT_EQ(getConstantInts(Value()), std::nullopt);
}

} // namespace
