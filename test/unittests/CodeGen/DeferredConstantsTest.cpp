//===- DeferredConstantsTest.cpp - When originals are freed ---------------===//

#include "quantc/CodeGen/DeferredConstants.h"
#include "quantc/Dialect/Kernel/IR/KernelDialect.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinDialect.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "mlir/IR/MLIRContext.h"

#include <gtest/gtest.h>

using namespace mlir;
using namespace quantc;

namespace {
/// A resource of two bytes that says when it is freed.
class DeferredConstantsTest : public testing::Test {
protected:
  using Handle = DenseResourceElementsHandle;

  DeferredConstantsTest()
      : manager(Handle::getManagerInterface(&context)),
        original(manager.insert(
            "w", AsmResourceBlob(
                     {bytes, sizeof(bytes)}, /*dataAlignment=*/1,
                     [this](void *, size_t, size_t) { isFreed = true; },
                     /*dataIsMutable=*/false))),
        deferred(load(context)) {}

  static DeferredConstants &load(MLIRContext &context) {
    DialectRegistry registry;
    DeferredConstants::registerInterface(registry);
    context.appendDialectRegistry(registry);
    EXPECT_FALSE(DeferredConstants::find(&context));
    context.loadDialect<kernel::KernelDialect>();
    return *DeferredConstants::find(&context);
  }

  /// Adds a constant that is one byte of the original, twice.
  Handle add(unsigned index) {
    Handle resource = manager.insert("packed");
    ArrayRef<char> byte(bytes + index, 1);
    deferred.add(resource, original, {byte, "twice", 2, [byte](char *target) {
                                        std::fill_n(target, 2, byte.front());
                                      }});
    return resource;
  }

  static std::string write(const DeferredConstant &constant) {
    std::string written(constant.size, 0);
    constant.write(written.data());
    return written;
  }

  bool isFreed = false;
  const char bytes[2] = {'a', 'b'};
  MLIRContext context;
  DenseResourceElementsHandle::ManagerInterface &manager;
  Handle original;
  DeferredConstants &deferred;
};
} // namespace

TEST_F(DeferredConstantsTest, TakesEachOnce) {
  Handle resource = add(1);
  std::optional<DeferredConstant> constant = deferred.take(resource);
  ASSERT_TRUE(constant);
  EXPECT_EQ(write(*constant), "bb");
  EXPECT_FALSE(deferred.take(resource));
  EXPECT_FALSE(deferred.take(original));
}

TEST_F(DeferredConstantsTest, KeepsWhatIsNotReleased) {
  deferred.take(add(0));
  EXPECT_FALSE(isFreed);
}

TEST_F(DeferredConstantsTest, FreesWhatNothingIsMadeOf) {
  DeferredConstants::release(original, &deferred);
  EXPECT_TRUE(isFreed);
}

TEST_F(DeferredConstantsTest, FreesAfterTheLastOfTwo) {
  Handle first = add(0), second = add(1);
  DeferredConstants::release(original, &deferred);
  {
    std::optional<DeferredConstant> constant = deferred.take(first);
    ASSERT_TRUE(constant);
    EXPECT_EQ(write(*constant), "aa");
  }
  EXPECT_FALSE(isFreed);
  {
    std::optional<DeferredConstant> constant = deferred.take(second);
    ASSERT_TRUE(constant);
    EXPECT_FALSE(isFreed);
    EXPECT_EQ(write(*constant), "bb");
  }
  EXPECT_TRUE(isFreed);
}

TEST_F(DeferredConstantsTest, FreesAfterTheLastTake) {
  deferred.take(add(0));
  // Something in a module may still read it.
  EXPECT_FALSE(isFreed);
  DeferredConstants::release(original, &deferred);
  EXPECT_TRUE(isFreed);
}

TEST_F(DeferredConstantsTest, FreesWhenTheOthersAreDropped) {
  Handle first = add(0);
  add(1);
  DeferredConstants::release(original, &deferred);
  deferred.take(first);
  EXPECT_FALSE(isFreed);
  deferred.clear();
  EXPECT_TRUE(isFreed);
}

// The context frees the rest, once.
TEST_F(DeferredConstantsTest, LeavesTheOthersToTheContext) {
  add(0);
  DeferredConstants::release(original, &deferred);
  EXPECT_FALSE(isFreed);
}
