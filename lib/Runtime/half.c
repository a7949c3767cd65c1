/*===- half.c - Conversions of 16-bit floats that LLVM may call -----------===*\
|*
|* On targets without instructions for them, LLVM calls these functions of
|* compiler-rt by name. They are here so that a model needs no such library.
|*
\*===----------------------------------------------------------------------===*/

#include <stdint.h>
#include <string.h>

static uint64_t bits_of(double value) {
  uint64_t bits;
  memcpy(&bits, &value, sizeof(bits));
  return bits;
}

/* Rounds a double to a float with `exponent_bits` and `mantissa_bits`, ties to
   even, and returns its bits. */
static uint16_t round_double(double value, int exponent_bits,
                             int mantissa_bits) {
  uint64_t bits = bits_of(value);
  uint16_t sign = (uint16_t)(bits >> 63 << (exponent_bits + mantissa_bits));
  uint64_t mantissa = bits & 0xfffffffffffff;
  int exponent = (int)(bits >> 52 & 0x7ff);
  uint16_t infinity = (uint16_t)(((1u << exponent_bits) - 1) << mantissa_bits);
  if (exponent == 0x7ff)
    return sign | infinity |
           (mantissa ? (uint16_t)(1u << (mantissa_bits - 1) |
                                  mantissa >> (52 - mantissa_bits))
                     : 0);
  if (exponent == 0)
    return sign; /* far below the smallest 16-bit number */
  mantissa |= UINT64_C(1) << 52;
  int bias = (1 << (exponent_bits - 1)) - 1;
  exponent += bias - 1023;
  int shift = 52 - mantissa_bits;
  if (exponent <= 0) {
    shift += 1 - exponent; /* subnormal */
    exponent = 0;
  }
  if (shift > 54)
    return sign;
  uint64_t half = UINT64_C(1) << (shift - 1);
  uint64_t rest = mantissa & ((half << 1) - 1);
  uint64_t rounded = mantissa >> shift;
  rounded += rest > half || (rest == half && (rounded & 1));
  /* The mantissa's leading one, if there, adds one to the exponent. */
  if (exponent)
    rounded += (uint64_t)(exponent - 1) << mantissa_bits;
  return sign | (rounded >= infinity ? infinity : (uint16_t)rounded);
}

#if defined(__x86_64__) || defined(__aarch64__)
static _Float16 as_half(uint16_t bits) {
  _Float16 value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
_Float16 __truncsfhf2(float value) {
  return as_half(round_double(value, 5, 10));
}
_Float16 __truncdfhf2(double value) {
  return as_half(round_double(value, 5, 10));
}

float __extendhfsf2(_Float16 half) {
  uint16_t bits;
  memcpy(&bits, &half, sizeof(bits));
  uint32_t sign = (uint32_t)(bits >> 15) << 31, mantissa = bits & 0x3ff;
  int exponent = bits >> 10 & 0x1f;
  uint32_t result;
  if (exponent == 0x1f) {
    result = sign | 0x7f800000 | mantissa << 13 | (mantissa ? 0x400000 : 0);
  } else if (exponent) {
    result = sign | (uint32_t)(exponent + 112) << 23 | mantissa << 13;
  } else {
    float magnitude = (float)mantissa * 0x1p-24f;
    memcpy(&result, &magnitude, sizeof(result));
    result |= sign;
  }
  float value;
  memcpy(&value, &result, sizeof(value));
  return value;
}

#if defined(__clang__) || __GNUC__ >= 13
static __bf16 as_bfloat(uint16_t bits) {
  __bf16 value;
  memcpy(&value, &bits, sizeof(value));
  return value;
}
__bf16 __truncsfbf2(float value) {
  return as_bfloat(round_double(value, 8, 7));
}
__bf16 __truncdfbf2(double value) {
  return as_bfloat(round_double(value, 8, 7));
}
#endif
#endif
