/*===- runtime.h - Between compiled code and the runtime archive ----------===*\
|*
|* What code that the compiler emits may call in libquantc_rt.a, and what the
|* archive knows about such code. Nothing here is visible outside a model's
|* library.
|*
\*===----------------------------------------------------------------------===*/
#ifndef QUANTC_RUNTIME_RUNTIME_H
#define QUANTC_RUNTIME_RUNTIME_H

#include "quantc/Runtime/model.h"

/* Calls need no table where both ends are in one library. */
#pragma GCC visibility push(hidden)

/* The compiled graph. Both arguments are arrays of pointers to MLIR's memref
   descriptors (allocated, aligned, offset, sizes, strides), one a tensor. */
typedef void (*quantc_rt_entry)(void **inputs, void **outputs);

/* The graph as compiled for one kind of processor. */
struct quantc_variant {
  const QuantcModelInfo *info;
  quantc_rt_entry entry;
};

/* A model: its variants, the most demanding first. Lies in the library's data,
   since it remembers which variant this processor gets. */
struct quantc_model {
  const struct quantc_variant *chosen; /* atomic; NULL: not yet known */
  size_t num_variants;
  struct quantc_variant variants[];
};

/* The exported functions of a model forward to these. */
int32_t quantc_rt_run(struct quantc_model *model, const DLTensor *const *inputs,
                      size_t num_inputs, DLManagedTensor **outputs,
                      size_t num_outputs);
/* Of the variant that this processor can run, else of the last. */
const QuantcModelInfo *quantc_rt_info(struct quantc_model *model);
const char *quantc_rt_last_error(void);
void quantc_rt_set_num_threads(int32_t num_threads);

/* Leaves the running call with an error: where `cf.assert` goes. */
_Noreturn void quantc_rt_fail(const char *message);

/* Iterations [first, end) of a parallel loop. */
typedef void (*quantc_rt_loop)(void *context, int64_t first, int64_t end);
/* Runs iterations [0, size): on all threads of the run if `use_threads`. */
void quantc_rt_parallel(quantc_rt_loop body, void *context, int64_t size,
                        int32_t use_threads);

/* What --profile puts around the call of a kernel. */
uint64_t quantc_rt_profile_begin(void);
void quantc_rt_profile_end(QuantcKernelCounters *counters, uint64_t start,
                           uint64_t operations, uint64_t bytes);

/* Where `memref.alloc` and `memref.dealloc` go. */
void *_mlir_memref_to_llvm_alloc(size_t size);
void *_mlir_memref_to_llvm_aligned_alloc(size_t alignment, size_t size);
void _mlir_memref_to_llvm_free(void *pointer);

#pragma GCC visibility pop

#endif /* QUANTC_RUNTIME_RUNTIME_H */
