// The vocabulary of the elementary functions: bit patterns, exact powers of two, polynomials and the error-free
// transformations. Branch-free, so that a loop over any of it vectorises, and free of std:: state, so that the same
// text compiles for a GPU.
//
// Everything lives in the namespace of its instruction-set level (core/isa.h): an inline function compiled for
// AVX-512 must never be the copy that the linker keeps for the baseline.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "../core/isa.h"

#if defined(__CUDACC__)
#define ALICE_HD __host__ __device__ __forceinline__
#else
#define ALICE_HD [[gnu::always_inline]] inline
#endif

#if defined(__FMA__) || defined(__CUDA_ARCH__) || defined(__aarch64__)
#define ALICE_HAS_FMA 1
#else
#define ALICE_HAS_FMA 0
#endif

namespace alice::ALICE_ISA {

ALICE_HD std::uint32_t to_bits(float x) { return __builtin_bit_cast(std::uint32_t, x); }
ALICE_HD std::uint64_t to_bits(double x) { return __builtin_bit_cast(std::uint64_t, x); }
ALICE_HD float from_bits(std::uint32_t x) { return __builtin_bit_cast(float, x); }
ALICE_HD double from_bits(std::uint64_t x) { return __builtin_bit_cast(double, x); }

inline constexpr double kInf = std::numeric_limits<double>::infinity();
inline constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

ALICE_HD float absolute(float x) { return from_bits(to_bits(x) & 0x7fffffffu); }
ALICE_HD double absolute(double x) { return from_bits(to_bits(x) & 0x7fffffffffffffffu); }
ALICE_HD float copy_sign(float magnitude, float sign) {
  return from_bits((to_bits(magnitude) & 0x7fffffffu) | (to_bits(sign) & 0x80000000u));
}
ALICE_HD double copy_sign(double magnitude, double sign) {
  return from_bits((to_bits(magnitude) & 0x7fffffffffffffffu) | (to_bits(sign) & 0x8000000000000000u));
}
// NaN compares false and so passes through both.
template <class T>
ALICE_HD T at_most(T x, T bound) {
  return x > bound ? bound : x;
}
template <class T>
ALICE_HD T at_least(T x, T bound) {
  return x < bound ? bound : x;
}

// a·b + c, in one rounding where the level can.
ALICE_HD float mul_add(float a, float b, float c) {
#if ALICE_HAS_FMA
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}
ALICE_HD double mul_add(double a, double b, double c) {
#if ALICE_HAS_FMA
  return std::fma(a, b, c);
#else
  return a * b + c;
#endif
}

// c0 + c1 x + c2 x² + …
template <class T>
ALICE_HD T poly(T, T c0) {
  return c0;
}
template <class T, class... Rest>
ALICE_HD T poly(T x, T c0, Rest... rest) {
  return mul_add(poly(x, rest...), x, c0);
}

// The same in half as many steps that wait for each other, which is what long loops take their time for; xx = x².
template <class T>
ALICE_HD T poly_by_two(T, T, T c0) {
  return c0;
}
template <class T>
ALICE_HD T poly_by_two(T x, T, T c0, T c1) {
  return mul_add(c1, x, c0);
}
template <class T, class... Rest>
ALICE_HD T poly_by_two(T x, T xx, T c0, T c1, Rest... rest) {
  return mul_add(poly_by_two(x, xx, rest...), xx, mul_add(c1, x, c0));
}

// The nearest integer, ties to even, of |x| < 2²² (float) or 2⁵¹: adding 1.5·2²³ shifts the fraction out.
inline constexpr float kRoundFloat = 0x1.8p23f;
inline constexpr double kRoundDouble = 0x1.8p52;
ALICE_HD float nearest(float x) { return (x + kRoundFloat) - kRoundFloat; }
ALICE_HD double nearest(double x) { return (x + kRoundDouble) - kRoundDouble; }

// 2ⁿ for an integral n of the normal range. The low bits of n + bias + 1.5·2ᵐ are the biased exponent.
ALICE_HD float pow2(float n) { return from_bits(to_bits(n + (kRoundFloat + 127.0f)) << 23); }
ALICE_HD double pow2(double n) { return from_bits(to_bits(n + (kRoundDouble + 1023.0)) << 52); }

// x·2ⁿ for |n| up to twice the normal range, rounded once: two factors reach subnormals and infinity.
template <class T>
ALICE_HD T scale(T x, T n) {
  const T half = nearest(n * T(0.5));
  return (x * pow2(half)) * pow2(n - half);
}

// An unevaluated sum hi + lo, |lo| well below one ULP of hi.
struct Pair {
  double hi, lo;
};

// a + b exactly.
ALICE_HD Pair two_sum(double a, double b) {
  const double s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
// The same for |a| ≥ |b| or a = 0.
ALICE_HD Pair fast_two_sum(double a, double b) {
  const double s = a + b;
  return {s, b - (s - a)};
}
// a·b exactly, unless it under- or overflows. Without fma by Dekker's splitting into halves of 26 bits.
ALICE_HD Pair two_prod(double a, double b) {
  const double p = a * b;
#if ALICE_HAS_FMA
  return {p, std::fma(a, b, -p)};
#else
  const double ah = from_bits(to_bits(a) & ~std::uint64_t{0x7ffffff}), al = a - ah;
  const double bh = from_bits(to_bits(b) & ~std::uint64_t{0x7ffffff}), bl = b - bh;
  return {p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
#endif
}

// c + a·b for |a·b| ≤ |c|/2.
ALICE_HD Pair sum_from(double c, double a, double b) {
  const double s = mul_add(a, b, c);
  return {s, mul_add(a, b, c - s)};
}
// a − q·b, exactly where q is a/b but for its rounding.
ALICE_HD float residual(float a, float q, float b) { return mul_add(-q, b, a); }
ALICE_HD double residual(double a, double q, double b) {
#if ALICE_HAS_FMA
  return std::fma(-q, b, a);
#else
  const Pair back = two_prod(q, b);
  return (a - back.hi) - back.lo;
#endif
}

// How good a result must be.
struct Short {  // 1e-10 relative, which rounds to the right float all but always
  static constexpr bool kPairs = false, kLong = false;
};
struct Long {  // 1e-15 absolute: the same next to a zero of the function
  static constexpr bool kPairs = false, kLong = true;
};
struct Full {  // a fraction of a double's ULP, carrying low parts along
  static constexpr bool kPairs = true, kLong = true;
};
template <class T>
struct PrecisionOf {
  using type = Short;
};
template <>
struct PrecisionOf<double> {
  using type = Full;
};
template <class T>
using Precision = typename PrecisionOf<T>::type;

template <class P>
ALICE_HD Pair product(Pair a, Pair b) {
  if constexpr (!P::kPairs) return {a.hi * b.hi, 0.0};
  const Pair p = two_prod(a.hi, b.hi);
  return fast_two_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

// (a.hi + a.lo) / (b.hi + b.lo), corrected by its residual.
template <class P>
ALICE_HD double quotient(Pair a, Pair b) {
  if constexpr (!P::kPairs) return a.hi / b.hi;
  const double inverse = 1.0 / b.hi, q = a.hi * inverse;
  const Pair back = two_prod(q, b.hi);
  return q + (((a.hi - back.hi) - back.lo) + (a.lo - q * b.lo)) * inverse;
}

}  // namespace alice::ALICE_ISA
