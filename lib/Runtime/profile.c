/*===- profile.c - Clocks and counters of kernels ------------------------===*/

#include "internal.h"

#include <time.h>

uint64_t quantc_rt_profile_begin(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* Several threads may run the model at a time. */
static void add(uint64_t *counter, uint64_t amount) {
  __atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);
}

void quantc_rt_profile_end(QuantcKernelCounters *counters, uint64_t start,
                           uint64_t operations, uint64_t bytes) {
  add(&counters->nanoseconds, quantc_rt_profile_begin() - start);
  add(&counters->calls, 1);
  add(&counters->operations, operations);
  add(&counters->bytes, bytes);
}
