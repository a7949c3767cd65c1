/*===- memory.c - Allocations of a call, and leaving it with an error -----===*\
|*
|* Each call of a model owns the memory it allocates, so that an error in the
|* middle frees everything. Big blocks (the arena of each call, mostly) are kept
|* for the next call, because the system zeroes new pages one by one.
|*
\*===----------------------------------------------------------------------===*/

#include "internal.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

/* A cache line, and the widest vector. The block's header fits in front. */
#define ALIGNMENT 64
_Static_assert(sizeof(struct quantc_block) <= ALIGNMENT, "header must fit");
/* The size of a large page where there are any (x86-64, AArch64 with pages of
   4 KB). */
#define HUGE_PAGE (2 * 1024 * 1024)

/* As many as a call of a deep model with dynamic sizes has alive. Blocks of a
   few pages are worth keeping, too: the C library gives the end of its heap
   back to the system as soon as 128 KB are free there, in each call. */
#define KEEP_SLOTS 32
#define KEEP_MINIMUM (16 * 1024)

_Thread_local struct quantc_call *quantc_current_call;
static _Thread_local char error_message[QUANTC_ERROR_SIZE];

/* Blocks that no call uses. Taking and giving back swap one pointer, so threads
   need no lock; a full cache frees what does not fit. */
static _Atomic(struct quantc_block *) kept[KEEP_SLOTS];

int quantc_set_error(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(error_message, sizeof(error_message), format, arguments);
  va_end(arguments);
  return 1;
}

const char *quantc_rt_last_error(void) { return error_message; }

/* Ends the call with the error that was set. */
static _Noreturn void leave(void) {
  longjmp(quantc_current_call->on_failure, 1);
}

static struct quantc_block *block_of(void *pointer) {
  return (struct quantc_block *)((char *)pointer - sizeof(struct quantc_block));
}

static struct quantc_block *take_kept(size_t size) {
  for (int i = 0; i < KEEP_SLOTS; ++i) {
    /* To look at an empty slot costs less than to take from it. */
    struct quantc_block *block = NULL;
    if (atomic_load_explicit(&kept[i], memory_order_relaxed))
      block = atomic_exchange(&kept[i], NULL);
    if (!block)
      continue;
    if (block->size >= size && block->size / 2 <= size)
      return block;
    /* Wrong size: put it back, unless another thread was faster. */
    struct quantc_block *empty = NULL;
    if (!atomic_compare_exchange_strong(&kept[i], &empty, block))
      free(block->base);
  }
  return NULL;
}

static int keep(struct quantc_block *block) {
  for (int i = 0; i < KEEP_SLOTS; ++i) {
    struct quantc_block *empty = NULL;
    if (!atomic_load_explicit(&kept[i], memory_order_relaxed) &&
        atomic_compare_exchange_strong(&kept[i], &empty, block))
      return 1;
  }
  return 0;
}

/* A full cache keeps the larger blocks: those cost the most to get anew. */
static void free_block(struct quantc_block *block) {
  if (block->size >= KEEP_MINIMUM) {
    if (keep(block))
      return;
    for (int i = 0; i < KEEP_SLOTS; ++i) {
      struct quantc_block *other = atomic_exchange(&kept[i], NULL);
      struct quantc_block *larger = block, *empty = NULL;
      if (other && other->size >= block->size)
        larger = other;
      /* Another thread may have filled the slot meanwhile. */
      if (!atomic_compare_exchange_strong(&kept[i], &empty, larger)) {
        if (other)
          free(other->base);
        continue;
      }
      if (!other)
        return;
      block = larger == other ? block : other;
    }
  }
  free(block->base);
}

__attribute__((destructor)) static void free_kept(void) {
  for (int i = 0; i < KEEP_SLOTS; ++i) {
    struct quantc_block *block = atomic_exchange(&kept[i], NULL);
    if (block)
      free(block->base);
  }
}

/* Allocates a block; NULL if memory is short. Through pages of 4 KB an arena of
   many of them is read a quarter slower from main memory, and the kernel gives
   larger ones to who asks only. */
static void *allocate(size_t alignment, size_t total) {
  void *base = NULL;
  bool is_huge = total >= HUGE_PAGE && alignment <= HUGE_PAGE;
  if (posix_memalign(&base, is_huge ? HUGE_PAGE : alignment, total))
    return NULL;
  if (is_huge)
    (void)madvise(base, total, MADV_HUGEPAGE);
  return base;
}

void *_mlir_memref_to_llvm_aligned_alloc(size_t alignment, size_t size) {
  if (alignment < ALIGNMENT)
    alignment = ALIGNMENT;
  struct quantc_block *block = NULL;
  size_t total = size + alignment;
  if (total < size || total > PTRDIFF_MAX)
    quantc_rt_fail("out of memory: a tensor's size is negative, or beyond the "
                   "address space");
  if (alignment == ALIGNMENT && total >= KEEP_MINIMUM)
    block = take_kept(total);
  if (!block) {
    void *base = allocate(alignment, total);
    if (!base) {
      quantc_set_error("out of memory: %zu bytes are not available", size);
      leave();
    }
    block = block_of((char *)base + alignment);
    block->base = base;
    block->size = total;
  }
  struct quantc_call *call = quantc_current_call;
  block->next = call->blocks.next;
  block->previous = &call->blocks;
  block->next->previous = block->previous->next = block;
  return block + 1;
}

void *_mlir_memref_to_llvm_alloc(size_t size) {
  return _mlir_memref_to_llvm_aligned_alloc(ALIGNMENT, size);
}

void quantc_block_release(void *pointer) {
  struct quantc_block *block = block_of(pointer);
  block->next->previous = block->previous;
  block->previous->next = block->next;
  block->next = block->previous = block;
}

void _mlir_memref_to_llvm_free(void *pointer) {
  if (!pointer)
    return;
  quantc_block_release(pointer);
  free_block(block_of(pointer));
}

void quantc_call_begin(struct quantc_call *call) {
  call->outer = quantc_current_call;
  call->blocks.next = call->blocks.previous = &call->blocks;
  quantc_current_call = call;
}

void quantc_call_end(struct quantc_call *call) {
  quantc_current_call = call->outer;
  while (call->blocks.next != &call->blocks)
    _mlir_memref_to_llvm_free(call->blocks.next + 1);
}

void quantc_rt_fail(const char *message) {
  quantc_set_error("%s", message);
  leave();
}
