//===- NumpyFilesTest.cpp - Reading and writing .npy and .npz -------------===//

#include "quantc/Support/NumpyFiles.h"

#include "llvm/ADT/SmallString.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/raw_ostream.h"

#include <cstring>
#include <gtest/gtest.h>

using namespace quantc;

static NumpyArray makeArray() {
  NumpyArray array;
  array.name = "x/y:0";
  array.kind = 'i';
  array.itemSize = 2;
  array.shape = {2, 3};
  array.bytes = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0};
  return array;
}

static std::string errorOf(llvm::StringRef bytes) {
  auto array = parseNpy(bytes, "a");
  return array ? "" : llvm::toString(array.takeError());
}

TEST(NumpyFiles, RoundTrip) {
  std::string bytes = formatNpy(makeArray());
  EXPECT_EQ((bytes.size() - 12) % 64, 0u);
  auto array = parseNpy(bytes, "a");
  ASSERT_TRUE(bool(array));
  EXPECT_EQ(array->shape, makeArray().shape);
  EXPECT_EQ(array->bytes, makeArray().bytes);
}

TEST(NumpyFiles, Scalar) {
  NumpyArray scalar;
  scalar.bytes.resize(4);
  auto array = parseNpy(formatNpy(scalar), "a");
  ASSERT_TRUE(bool(array));
  EXPECT_TRUE(array->shape.empty());
}

TEST(NumpyFiles, ColumnMajor) {
  std::string bytes = formatNpy(makeArray());
  size_t at = bytes.find("False,");
  bytes.replace(at, 6, "True, ");
  auto array = parseNpy(bytes, "a");
  ASSERT_TRUE(bool(array));
  std::vector<char> expected = {1, 0, 3, 0, 5, 0, 2, 0, 4, 0, 6, 0};
  EXPECT_EQ(array->bytes, expected);
}

TEST(NumpyFiles, RejectsMalformed) {
  std::string bytes = formatNpy(makeArray());
  EXPECT_NE(errorOf("PK"), "");
  for (size_t size : {3u, 8u, 20u, unsigned(bytes.size()) - 1})
    EXPECT_NE(errorOf(llvm::StringRef(bytes).take_front(size)), "") << size;
  auto with = [&](llvm::StringRef from, llvm::StringRef to) {
    std::string changed = bytes;
    changed.replace(changed.find(from), from.size(), to);
    return errorOf(changed);
  };
  EXPECT_NE(with("<i2", ">i2").find("big-endian"), std::string::npos);
  EXPECT_NE(with("<i2", "<c8"), "");
  EXPECT_NE(with("(2,3,)", "(9,9,)").find("truncated"), std::string::npos);
  EXPECT_NE(with("(2,3,)", "(-1,3)"), "");
}

TEST(NumpyFiles, Npz) {
  llvm::SmallString<128> path;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("quantc", "npz", path));
  llvm::FileRemover remover(path);
  NumpyArray other = makeArray();
  other.name = "other";
  other.bytes.assign(12, 7);
  llvm::Error error = writeNpz(path, {makeArray(), other});
  ASSERT_FALSE(bool(error)) << llvm::toString(std::move(error));
  auto arrays = readNumpyFile(path);
  ASSERT_TRUE(bool(arrays)) << llvm::toString(arrays.takeError());
  ASSERT_EQ(arrays->size(), 2u);
  EXPECT_EQ((*arrays)[0].name, "x/y:0");
  EXPECT_EQ((*arrays)[1].bytes, other.bytes);
}
