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
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { EAX, EBX, ECX, EDX };
/* Bits of XCR0 for SSE+AVX, these plus AVX-512, and AMX. */
enum { XMM = 0x2, YMM = 0x6, ZMM = 0xe6, TILE = 0x60000 };

/* No pointers, which would be relocated, in each library. */
static const struct feature {
  char name[16]; /* as LLVM spells it */
  uint32_t leaf;
  uint8_t subleaf, reg, bit;
  uint32_t xcr0;
} features[] = {
    {"sse3", 1, 0, ECX, 0, 0},
    {"ssse3", 1, 0, ECX, 9, 0},
    {"fma", 1, 0, ECX, 12, YMM},
    {"cx16", 1, 0, ECX, 13, 0},
    {"sse4.1", 1, 0, ECX, 19, 0},
    {"sse4.2", 1, 0, ECX, 20, 0},
    {"movbe", 1, 0, ECX, 22, 0},
    {"popcnt", 1, 0, ECX, 23, 0},
    {"avx", 1, 0, ECX, 28, YMM},
    {"f16c", 1, 0, ECX, 29, YMM},
    {"bmi", 7, 0, EBX, 3, 0},
    {"avx2", 7, 0, EBX, 5, YMM},
    {"bmi2", 7, 0, EBX, 8, 0},
    {"avx512f", 7, 0, EBX, 16, ZMM},
    {"avx512dq", 7, 0, EBX, 17, ZMM},
    {"avx512ifma", 7, 0, EBX, 21, ZMM},
    {"avx512cd", 7, 0, EBX, 28, ZMM},
    {"avx512bw", 7, 0, EBX, 30, ZMM},
    {"avx512vl", 7, 0, EBX, 31, ZMM},
    {"avx512vbmi", 7, 0, ECX, 1, ZMM},
    {"avx512vbmi2", 7, 0, ECX, 6, ZMM},
    {"gfni", 7, 0, ECX, 8, 0},
    {"avx512vnni", 7, 0, ECX, 11, ZMM},
    {"avx512bitalg", 7, 0, ECX, 12, ZMM},
    {"avx512vpopcntdq", 7, 0, ECX, 14, ZMM},
    {"avx512fp16", 7, 0, EDX, 23, ZMM},
    {"amx-bf16", 7, 0, EDX, 22, TILE},
    {"amx-tile", 7, 0, EDX, 24, TILE},
    {"amx-int8", 7, 0, EDX, 25, TILE},
    {"avxvnni", 7, 1, EAX, 4, YMM},
    {"avx512bf16", 7, 1, EAX, 5, ZMM},
    {"avxvnniint8", 7, 1, EDX, 4, YMM},
    {"lzcnt", 0x80000001, 0, ECX, 5, 0},
};

/* Whether the user wants it unused: QUANTC_DISABLE_FEATURES=avx2,fma. */
static bool is_disabled(const char *name) {
  const char *list = getenv("QUANTC_DISABLE_FEATURES");
  size_t length = strlen(name);
  while (list && *list) {
    size_t part = strcspn(list, ",");
    if (part == length && !strncmp(list, name, length))
      return true;
    list += part + (list[part] == ',');
  }
  return false;
}

static bool has_feature(const struct feature *feature) {
  unsigned regs[4];
  if (is_disabled(feature->name))
    return false;
  if (!__get_cpuid_count(feature->leaf, feature->subleaf, &regs[EAX],
                         &regs[EBX], &regs[ECX], &regs[EDX]) ||
      !(regs[feature->reg] >> feature->bit & 1))
    return false;
  if (!feature->xcr0)
    return true;
  __get_cpuid(1, &regs[EAX], &regs[EBX], &regs[ECX], &regs[EDX]);
  if (!(regs[ECX] >> 27 & 1)) /* OSXSAVE */
    return false;
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & feature->xcr0) == feature->xcr0;
}

/* Linux gives the tile registers' memory to processes that ask for it. */
static bool allow_tiles(void) {
  enum { ARCH_REQ_XCOMP_PERM = 0x1023, XFEATURE_XTILEDATA = 18 };
  return syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0;
}

static int check_feature(const char *name, size_t length) {
  for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); ++i) {
    const struct feature *feature = &features[i];
    if (strlen(feature->name) != length || strncmp(feature->name, name, length))
      continue;
    if (!has_feature(feature))
      return quantc_set_error(
          "this processor lacks '%s', which the model was compiled for; "
          "compile it with another --target",
          feature->name);
    if (feature->xcr0 == TILE && !allow_tiles())
      return quantc_set_error("the operating system does not allow the use of "
                              "AMX, which the model was compiled for");
    return 0;
  }
  return 0; /* a feature that only tunes, or that every target has */
}
#else
static int check_feature(const char *name, size_t length) {
  (void)name, (void)length;
  return 0;
}
#endif

int quantc_check_features(const char *list) {
  while (*list) {
    size_t length = strcspn(list, ",");
    if (check_feature(list, length))
      return 1;
    list += length + (list[length] == ',');
  }
  return 0;
}
