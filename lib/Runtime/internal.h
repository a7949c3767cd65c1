/*===- internal.h - What the runtime's files share ------------------------===*/
#ifndef QUANTC_LIB_RUNTIME_INTERNAL_H
#define QUANTC_LIB_RUNTIME_INTERNAL_H

#include "quantc/Runtime/runtime.h"

#include <setjmp.h>

#pragma GCC visibility push(hidden)

/* The header in front of each allocation: a link in its call's list. */
struct quantc_block {
  struct quantc_block *next, *previous;
  void *base;  /* what to pass to free() */
  size_t size; /* of the whole allocation, this header included */
};

/* Bytes of the longest error message, its end included. */
#define QUANTC_ERROR_SIZE 1024

/* One running call, or one thread's part of a parallel loop. Compiled code
 * reaches it through a thread-local pointer. */
struct quantc_call {
  struct quantc_call *outer;  /* the one that this one is in */
  struct quantc_block blocks; /* head of a ring of all live allocations */
  jmp_buf on_failure;
};

extern _Thread_local struct quantc_call *quantc_current_call;

void quantc_call_begin(struct quantc_call *call);
void quantc_call_end(struct quantc_call *call);
/* Hands an allocation of `call` over to whoever holds its pointer. */
void quantc_block_release(void *pointer);

/* What quantc_rt_set_num_threads was given on this thread: 0 if nothing, -1 for
   all processors. */
int32_t quantc_rt_num_threads(void);

/* Calls `execute` with `call`, having started the threads that it may need.
   Not there in a model without parallel loops. */
void quantc_team_run(struct quantc_call *call,
                     void (*execute)(struct quantc_call *))
    __attribute__((weak));

/* Stores this thread's error message and returns 1. */
int quantc_set_error(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* 0 if this machine has every feature in the list (names as LLVM spells them);
   else stores an error and returns 1. Asks the system to allow AMX if needed.
 */
int quantc_check_features(const char *features);

#pragma GCC visibility pop

#endif
