//===- ConstantArenaTest.cpp - Memory for large constants -----------------===//

#include "quantc/Support/ConstantArena.h"

#include <gtest/gtest.h>
#include <vector>

using quantc::ConstantArena;

TEST(ConstantArena, BlobsAreApartAndOutliveIt) {
  std::vector<mlir::AsmResourceBlob> blobs;
  {
    ConstantArena arena;
    // Small ones, several in a piece, and more than a piece.
    for (size_t size : {1ul, 20001ul, 3000000ul, 70000000ul, 20000ul}) {
      blobs.push_back(arena.allocate(size));
      ASSERT_EQ(blobs.back().getData().size(), size);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(blobs.back().getData().data()) % 64,
                0u);
    }
  }
  for (auto [i, blob] : llvm::enumerate(blobs))
    llvm::fill(blob.getMutableData(), char(i));
  blobs[2] = mlir::AsmResourceBlob();
  for (size_t i : {0, 1, 3, 4})
    EXPECT_TRUE(llvm::all_of(blobs[i].getData(),
                             [&](char byte) { return byte == char(i); }));
}
