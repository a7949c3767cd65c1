//===- ConstantArena.cpp - Memory for large constants ---------------------===//

#include "quantc/Support/ConstantArena.h"

#include "llvm/Support/MathExtras.h"
#include "llvm/Support/Memory.h"
#include "llvm/Support/Process.h"

#include <sys/mman.h>

using namespace mlir;
using namespace quantc;
using llvm::sys::Memory;

/// A cache line, and the widest vector.
static constexpr size_t kAlignment = 64;
/// Smaller constants are a matter of the heap.
static constexpr size_t kMinBytes = 1 << 14;
/// Addresses, not memory: what is not written costs nothing.
static constexpr size_t kSlabBytes = size_t(1) << 26;

/// A piece of memory that its blobs keep alive.
struct ConstantArena::Slab {
  llvm::sys::OwningMemoryBlock memory;
  size_t used = 0;

  bool hasRoom(size_t size) const {
    return used + size <= memory.allocatedSize();
  }
};

/// Gives back the memory of the pages that lie in `bytes` as a whole.
static void releasePages(void *bytes, size_t size) {
  uintptr_t page = llvm::sys::Process::getPageSizeEstimate();
  auto first = reinterpret_cast<uintptr_t>(bytes);
  uintptr_t begin = llvm::alignTo(first, page);
  uintptr_t end = llvm::alignDown(first + size, page);
  if (begin < end)
    (void)madvise(reinterpret_cast<void *>(begin), end - begin, MADV_DONTNEED);
}

AsmResourceBlob ConstantArena::allocate(size_t size) {
  if (size < kMinBytes)
    return HeapAsmResourceBlob::allocate(size, kAlignment);
  if (!slab || !slab->hasRoom(size)) {
    std::error_code error;
    slab = std::make_shared<Slab>();
    slab->memory = llvm::sys::OwningMemoryBlock(Memory::allocateMappedMemory(
        std::max(size, kSlabBytes), /*NearBlock=*/nullptr,
        Memory::MF_READ | Memory::MF_WRITE, error));
    if (error) {
      slab = nullptr;
      return HeapAsmResourceBlob::allocate(size, kAlignment);
    }
    // Without huge pages it is only slower.
    (void)madvise(slab->memory.base(), slab->memory.allocatedSize(),
                  MADV_HUGEPAGE);
  }
  char *bytes = static_cast<char *>(slab->memory.base()) + slab->used;
  slab->used += llvm::alignTo(size, kAlignment);
  return AsmResourceBlob(
      ArrayRef<char>(bytes, size), kAlignment,
      [owner = slab](void *data, size_t size, size_t) {
        releasePages(data, size);
      },
      /*dataIsMutable=*/true);
}
