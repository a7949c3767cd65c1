/*===- features.c - Does this machine have what the model was compiled for =*\
|*
|* A library compiled for a newer processor must say so instead of dying from an
|* illegal instruction. Features that a model can be compiled for and that the
|* operating system has to enable (vector and tile state) are checked in XCR0.
|*
\*===----------------------------------------------------------------------===*/

#include "internal.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EAX, EBX, ECX, EDX };
enum { LEAF_1, LEAF_7, LEAF_7_1, LEAF_EXTENDED };
static const struct {
  uint32_t leaf, subleaf;
} leaves[] = {{1, 0}, {7, 0}, {7, 1}, {0x80000001, 0}};

/* What the system enables, as bits of XCR0: SSE and AVX, these and AVX-512, and
   AMX. */
enum { NONE, YMM, ZMM, TILE };
static const uint32_t states[] = {0, 0x6, 0xe6, 0x60000};

/* Names as LLVM spells them. */
#define FEATURES(X)                                                            \
  X("sse3", LEAF_1, ECX, 0, NONE)                                              \
  X("ssse3", LEAF_1, ECX, 9, NONE)                                             \
  X("fma", LEAF_1, ECX, 12, YMM)                                               \
  X("cx16", LEAF_1, ECX, 13, NONE)                                             \
  X("sse4.1", LEAF_1, ECX, 19, NONE)                                           \
  X("sse4.2", LEAF_1, ECX, 20, NONE)                                           \
  X("movbe", LEAF_1, ECX, 22, NONE)                                            \
  X("popcnt", LEAF_1, ECX, 23, NONE)                                           \
  X("avx", LEAF_1, ECX, 28, YMM)                                               \
  X("f16c", LEAF_1, ECX, 29, YMM)                                              \
  X("bmi", LEAF_7, EBX, 3, NONE)                                               \
  X("avx2", LEAF_7, EBX, 5, YMM)                                               \
  X("bmi2", LEAF_7, EBX, 8, NONE)                                              \
  X("avx512f", LEAF_7, EBX, 16, ZMM)                                           \
  X("avx512dq", LEAF_7, EBX, 17, ZMM)                                          \
  X("avx512ifma", LEAF_7, EBX, 21, ZMM)                                        \
  X("avx512cd", LEAF_7, EBX, 28, ZMM)                                          \
  X("avx512bw", LEAF_7, EBX, 30, ZMM)                                          \
  X("avx512vl", LEAF_7, EBX, 31, ZMM)                                          \
  X("avx512vbmi", LEAF_7, ECX, 1, ZMM)                                         \
  X("avx512vbmi2", LEAF_7, ECX, 6, ZMM)                                        \
  X("gfni", LEAF_7, ECX, 8, NONE)                                              \
  X("avx512vnni", LEAF_7, ECX, 11, ZMM)                                        \
  X("avx512bitalg", LEAF_7, ECX, 12, ZMM)                                      \
  X("avx512vpopcntdq", LEAF_7, ECX, 14, ZMM)                                   \
  X("avx512fp16", LEAF_7, EDX, 23, ZMM)                                        \
  X("amx-bf16", LEAF_7, EDX, 22, TILE)                                         \
  X("amx-tile", LEAF_7, EDX, 24, TILE)                                         \
  X("amx-int8", LEAF_7, EDX, 25, TILE)                                         \
  X("avxvnni", LEAF_7_1, EAX, 4, YMM)                                          \
  X("avx512bf16", LEAF_7_1, EAX, 5, ZMM)                                       \
  X("avxvnniint8", LEAF_7_1, EDX, 4, YMM)                                      \
  X("lzcnt", LEAF_EXTENDED, ECX, 5, NONE)

/* In each library, so few bytes, and no pointers, which would be relocated. */
static const struct feature {
  uint8_t leaf, reg, bit, state;
} features[] = {
#define X(name, leaf, reg, bit, state) {leaf, reg, bit, state},
    FEATURES(X)
#undef X
};
static const char names[] =
#define X(name, leaf, reg, bit, state) name ","
    FEATURES(X);
#undef X

/* Lists of names end with 0, and each name in them with a comma or the list.
   These few bytes of code are fewer than libc's functions take to be found. */
static bool is_end(char character) { return !character || character == ','; }

static const char *end_of_name(const char *name) {
  while (!is_end(*name))
    ++name;
  return name;
}

static const char *next_name(const char *name) {
  name = end_of_name(name);
  return name + (*name == ',');
}

static bool is_same_name(const char *name, const char *other) {
  for (; *name == *other && !is_end(*name); ++name)
    ++other;
  return is_end(*name) && is_end(*other);
}

/* Whether the user wants it unused: QUANTC_DISABLE_FEATURES=avx2,fma. */
static bool is_disabled(const char *name) {
  const char *list = getenv("QUANTC_DISABLE_FEATURES");
  for (; list && *list; list = next_name(list))
    if (is_same_name(list, name))
      return true;
  return false;
}

static bool has_feature(const struct feature *feature) {
  unsigned regs[4];
  if (!__get_cpuid_count(leaves[feature->leaf].leaf,
                         leaves[feature->leaf].subleaf, &regs[EAX], &regs[EBX],
                         &regs[ECX], &regs[EDX]) ||
      !(regs[feature->reg] >> feature->bit & 1))
    return false;
  uint32_t state = states[feature->state];
  if (!state)
    return true;
  __get_cpuid(1, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]);
  if (!(regs[ECX] >> 27 & 1)) /* OSXSAVE */
    return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & state) == state;
}

/* Linux gives the tile registers' memory to processes that ask for it. */
static bool allow_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static int check_feature(const char *name) {
  const char *known = names;
  for (size_t i = 0; i < sizeof(features) / sizeof(features[0]);
       ++i, known = next_name(known)) {
    const struct feature *feature = &features[i];
    if (!is_same_name(known, name))
      continue;
    if (is_disabled(known) || !has_feature(feature))
      return quantc_set_error(
          "this processor lacks '%.*s', which the model was compiled for; "
          "compile it with another --target",
          (int)(end_of_name(name) - name), name);
    if (feature->state == TILE && !allow_tiles())
      return quantc_set_error("the operating system does not allow the use of "
                              "AMX, which the model was compiled for");
    return 0;
  }
  return 0; /* a feature that only tunes, or that every target has */
}

int quantc_check_features(const char *list) {
  for (; *list; list = next_name(list))
    if (check_feature(list))
      return 1;
  return 0;
}
#else
int quantc_check_features(const char *list) {
  (void)list;
  return 0;
}
#endif
