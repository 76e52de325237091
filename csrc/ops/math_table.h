// Functions by polynomials of which a table holds one for each of sixteen intervals: few steps, and no division.
//
// A compiler makes slow loads of a table's items out of a loop over floats. On x86 with fma these functions are called
// with as many floats as a vector holds, to which a table is a register or two; elsewhere with one.
#pragma once

#include <type_traits>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "math_bits.h"

namespace alice::ALICE_ISA {

template <class T>
ALICE_HD T choose(bool condition, T a, T b) {
  return condition ? a : b;
}

ALICE_HD float whole(float x) { return std::rint(x); }                                 // the nearest integer of any x
ALICE_HD float number_at_most(float x, float bound) { return x < bound ? x : bound; }  // the bound of NaN

#if defined(__AVX2__)

struct Floats {
#if defined(__AVX512F__)
  static constexpr int kCount = 16;
#else
  static constexpr int kCount = 8;
#endif
  using Vector = float [[gnu::vector_size(4 * kCount)]];
  using Bits = std::uint32_t [[gnu::vector_size(4 * kCount)]];
  Vector v;
  ALICE_HD Floats(Vector vector) : v(vector) {}
  ALICE_HD Floats(float x) : v(x - Vector{}) {}  // less 0, which leaves −0
  ALICE_HD static Floats load(const float* from) {
    Floats x{Vector{}};
    __builtin_memcpy(&x.v, from, sizeof v);
    return x;
  }
  ALICE_HD void store(float* to) const { __builtin_memcpy(to, &v, sizeof v); }
};
ALICE_HD Floats operator+(Floats a, Floats b) { return a.v + b.v; }
ALICE_HD Floats operator-(Floats a, Floats b) { return a.v - b.v; }
ALICE_HD Floats operator*(Floats a, Floats b) { return a.v * b.v; }
ALICE_HD Floats operator/(Floats a, Floats b) { return a.v / b.v; }
ALICE_HD Floats operator-(Floats a) { return -a.v; }
ALICE_HD auto operator<(Floats a, Floats b) { return a.v < b.v; }
ALICE_HD auto operator==(Floats a, Floats b) { return a.v == b.v; }
template <class Mask>
ALICE_HD Floats choose(Mask condition, Floats a, Floats b) {
  return condition ? a.v : b.v;
}
ALICE_HD Floats::Bits to_bits(Floats x) { return __builtin_bit_cast(Floats::Bits, x.v); }
ALICE_HD Floats from_bits(Floats::Bits x) { return __builtin_bit_cast(Floats::Vector, x); }
ALICE_HD Floats absolute(Floats x) { return from_bits(to_bits(x) & 0x7fffffffu); }
ALICE_HD Floats copy_sign(Floats magnitude, Floats sign) {
  return from_bits((to_bits(magnitude) & 0x7fffffffu) | (to_bits(sign) & 0x80000000u));
}
#if defined(__AVX512F__)
// All under a mask of ones: without a mask gcc 12 warns of its own headers.
inline constexpr __mmask16 kAll = 0xffff;
ALICE_HD Floats at_most(Floats x, float bound) { return _mm512_maskz_min_ps(kAll, Floats(bound).v, x.v); }
ALICE_HD Floats number_at_most(Floats x, float bound) { return _mm512_maskz_min_ps(kAll, x.v, Floats(bound).v); }
ALICE_HD Floats at_least(Floats x, float bound) { return _mm512_maskz_max_ps(kAll, Floats(bound).v, x.v); }
ALICE_HD Floats whole(Floats x) { return _mm512_maskz_roundscale_ps(kAll, x.v, 0); }
ALICE_HD Floats mul_add(Floats a, Floats b, Floats c) { return _mm512_fmadd_ps(a.v, b.v, c.v); }
#else
ALICE_HD Floats at_most(Floats x, float bound) { return _mm256_min_ps(Floats(bound).v, x.v); }
ALICE_HD Floats number_at_most(Floats x, float bound) { return _mm256_min_ps(x.v, Floats(bound).v); }
ALICE_HD Floats at_least(Floats x, float bound) { return _mm256_max_ps(Floats(bound).v, x.v); }
ALICE_HD Floats whole(Floats x) { return _mm256_round_ps(x.v, 0); }
ALICE_HD Floats mul_add(Floats a, Floats b, Floats c) { return _mm256_fmadd_ps(a.v, b.v, c.v); }
#endif
template <class... Rest>
ALICE_HD Floats poly(Floats x, float c0, Rest... rest) {
  if constexpr (sizeof...(rest) == 0)
    return c0;
  else
    return mul_add(poly(x, rest...), x, c0);
}
template <class... Rest>
ALICE_HD Floats poly_by_two(Floats x, Floats xx, float c0, float c1, Rest... rest) {
  const Floats first = mul_add(c1, x, c0);
  if constexpr (sizeof...(rest) == 0)
    return first;
  else if constexpr (sizeof...(rest) == 1)
    return mul_add(Floats(rest...), xx, first);
  else
    return mul_add(poly_by_two(x, xx, rest...), xx, first);
}

#else

using Floats = float;

#endif

inline constexpr int kIntervals = 16;
struct alignas(64) Table {
  float items[kIntervals];
};

// The item that the last four bits of the index say.
ALICE_HD float look_up(const Table& table, std::uint32_t index) { return table.items[index % kIntervals]; }
#if defined(__AVX512F__)
ALICE_HD Floats look_up(const Table& table, Floats::Bits index) {
  return _mm512_maskz_permutexvar_ps(kAll, __builtin_bit_cast(__m512i, index), _mm512_load_ps(table.items));
}
#elif defined(__AVX2__)
ALICE_HD Floats look_up(const Table& table, Floats::Bits index) {
  const __m256i at = __builtin_bit_cast(__m256i, index);
  const __m256 low = _mm256_permutevar8x32_ps(_mm256_load_ps(table.items), at);
  const __m256 high = _mm256_permutevar8x32_ps(_mm256_load_ps(table.items + 8), at);
  return _mm256_blendv_ps(low, high, _mm256_castsi256_ps(_mm256_slli_epi32(at, 28)));
}
#endif

// Of an interval: c₀ + c₁ t + c₂ t² + … with t = x − centre, and what rounding took of it. The first table holds the
// centres, chosen such that c₀ is a float all but.
template <class T>
struct TableValue {
  T value, value_lo;
};
template <class T, class Index, int N>
ALICE_HD TableValue<T> interval_of(const Table (&tables)[N], Index index, T x) {
  const T t = x - look_up(tables[0], index), first = look_up(tables[1], index);
  T rest = look_up(tables[N - 1], index);
#pragma GCC unroll 8
  for (int k = N - 2; k > 1; --k) rest = mul_add(rest, t, look_up(tables[k], index));
  const T value = mul_add(rest, t, first);
  return {value, mul_add(rest, t, first - value)};
}

// erf a/a on [0, 3.925], 4.3e-9
inline constexpr float kErfFar = 3.925f, kErfPerUnit = 3.93f;
inline constexpr Table kErf[] = {
    {{0x1.048f9ep-4f, 0x1.0494eep-2f, 0x1.04984ep-1f, 0x1.86dd46p-1f, 0x1.04836ep+0f, 0x1.45bb42p+0f, 0x1.86d12ep+0f,
      0x1.c7fd22p+0f, 0x1.048d86p+1f, 0x1.252ac8p+1f, 0x1.45afcap+1f, 0x1.664c8cp+1f, 0x1.86defep+1f, 0x1.a76b88p+1f,
      0x1.c7ffd2p+1f, 0x1.e75b72p+1f}},
    {{0x1.2079d4p+0f, 0x1.1abfbep+0f, 0x1.09befp+0f, 0x1.e2adep-1f, 0x1.ab9af8p-1f, 0x1.7570b8p-1f, 0x1.450848p-1f,
      0x1.1c1014p-1f, 0x1.f50b7cp-2f, 0x1.be8db6p-2f, 0x1.9251bcp-2f, 0x1.6dca3p-2f, 0x1.4f53ecp-2f, 0x1.358dfap-2f,
      0x1.1f705cp-2f, 0x1.0cf1c4p-2f}},
    {{-0x1.8710a6p-5f, -0x1.792912p-3f, -0x1.5067b8p-2f, -0x1.a3766ap-2f, -0x1.b54928p-2f, -0x1.971804p-2f,
      -0x1.60388p-2f, -0x1.23c808p-2f, -0x1.da46e4p-3f, -0x1.809f9cp-3f, -0x1.3ad598p-3f, -0x1.05069p-3f,
      -0x1.b71bf6p-4f, -0x1.764ap-4f, -0x1.42bc24p-4f, -0x1.1a8afp-4f}},
    {{-0x1.7e5abep-2f, -0x1.55f26cp-2f, -0x1.cda132p-3f, -0x1.7eb6b6p-4f, 0x1.37e04ap-6f, 0x1.6c2d5p-4f, 0x1.d9743cp-4f,
      0x1.cda294p-4f, 0x1.88a8acp-4f, 0x1.3781e6p-4f, 0x1.e0adc4p-5f, 0x1.715812p-5f, 0x1.1ec4e6p-5f, 0x1.c44376p-6f,
      0x1.6a4ffep-6f, 0x1.28d1dcp-6f}},
    {{0x1.d426dap-6f, 0x1.b36dp-4f, 0x1.581ae6p-3f, 0x1.57f086p-3f, 0x1.f3137ep-4f, 0x1.f52e96p-5f, 0x1.8930f4p-7f,
      -0x1.05eceep-6f, -0x1.a58b1ep-6f, -0x1.9970c8p-6f, -0x1.4d31fep-6f, -0x1.f63bp-7f, -0x1.714b74p-7f,
      -0x1.100e4ap-7f, -0x1.96485ep-8f, -0x1.37b9cp-8f}},
    {{0x1.c6deb4p-4f, 0x1.679f82p-4f, 0x1.ed9a7p-6f, -0x1.ba974cp-6f, -0x1.d5959ep-5f, -0x1.d0b1e8p-5f, -0x1.3913dp-5f,
      -0x1.1e3022p-6f, -0x1.a7ab3ap-9f, 0x1.c115p-9f, 0x1.4cef22p-8f, 0x1.28bc06p-8f, 0x1.c19182p-9f, 0x1.412ap-9f,
      0x1.c57e78p-10f, 0x1.474a48p-10f}},
    {{-0x1.4b471cp-7f, -0x1.27fcb8p-5f, -0x1.97debcp-5f, -0x1.2ae884p-5f, -0x1.5adebp-7f, 0x1.3f9058p-7f,
      0x1.17e002p-6f, 0x1.d16572p-7f, 0x1.0419ecp-7f, 0x1.6fdd48p-9f, 0x1.581ae6p-13f, -0x1.a62c16p-11f,
      -0x1.bbd25ep-11f, -0x1.637102p-11f, -0x1.eff1c6p-12f, -0x1.5ce91ep-12f}},
};
// a Φ(−a) e^(a²/2) on [0, 15], 3.1e-9
inline constexpr Table kGelu[] = {
    {{0x1.3ff6p+0f, 0x1.c00a4p+0f, 0x1.1ffa28p+1f, 0x1.600c08p+1f, 0x1.bffcd8p+1f, 0x1.2006bp+2f, 0x1.5fffd8p+2f,
      0x1.a0098p+2f, 0x1.0006a8p+3f, 0x1.40001p+3f, 0x1.7ffe7p+3f, 0x1.c009ap+3f, 0.0f, 0x1.7ff59p-2f, 0x1.4007dp-1f,
      0x1.bff8bp-1f}},
    {{0x1.275bd6p-2f, 0x1.4bf1ap-2f, 0x1.620204p-2f, 0x1.702114p-2f, 0x1.7d23c8p-2f, 0x1.86c6e2p-2f, 0x1.8c2b86p-2f,
      0x1.8f7742p-2f, 0x1.9269cp-2f, 0x1.948c6ep-2f, 0x1.95bcaep-2f, 0x1.9676cep-2f, 0.0f, 0x1.23835ap-3f,
      0x1.9deb9cp-3f, 0x1.f55512p-3f}},
    {{0x1.7b8aaap-4f, 0x1.bd341cp-5f, 0x1.15b5b8p-5f, 0x1.6c42ecp-6f, 0x1.a2a62ap-7f, 0x1.bfa02ep-8f, 0x1.07e43cp-8f,
      0x1.4e8feap-9f, 0x1.760a6p-10f, 0x1.8af20ep-11f, 0x1.d100eep-12f, 0x1.27d554p-12f, 0x1p-1f, 0x1.223362p-2f,
      0x1.9a3d4ep-3f, 0x1.28c43cp-3f}},
    {{-0x1.aee57p-5f, -0x1.bdfe36p-6f, -0x1.eeb186p-7f, -0x1.228d9ep-7f, -0x1.1ee7dcp-8f, -0x1.00393p-9f,
      -0x1.02000ep-10f, -0x1.1c7052p-11f, -0x1.090d3ap-12f, -0x1.c87fc6p-14f, -0x1.c4d74cp-15f, -0x1.f133acp-16f,
      -0x1.988446p-2f, -0x1.a0b504p-3f, -0x1.12e6c2p-3f, -0x1.73bfb2p-4f}},
    {{0x1.900588p-6f, 0x1.720484p-7f, 0x1.70d78ep-8f, 0x1.878928p-9f, 0x1.4fac42p-10f, 0x1.f9fdacp-12f, 0x1.b63d2cp-13f,
      0x1.a6468cp-14f, 0x1.4989ap-15f, 0x1.d0dc14p-17f, 0x1.857e7p-18f, 0x1.719d4ap-19f, 0x1.fffa06p-3f, 0x1.dc3e66p-4f,
      0x1.27bp-4f, 0x1.78b408p-5f}},
    {{-0x1.4482fp-7f, -0x1.0ed68p-8f, -0x1.e9576p-10f, -0x1.d8c174p-11f, -0x1.63079ep-12f, -0x1.c794cep-14f,
      -0x1.5580c6p-15f, -0x1.20dbeep-16f, -0x1.7b7742p-18f, -0x1.b81f14p-20f, -0x1.37d0fap-21f, -0x1.00356ap-22f,
      -0x1.0fe91p-3f, -0x1.d23be6p-5f, -0x1.121c18p-5f, -0x1.4ada78p-6f}},
    {{0x1.e1861cp-9f, 0x1.6cc3fap-10f, 0x1.2c621ep-11f, 0x1.08be3p-12f, 0x1.64dcap-14f, 0x1.867a22p-16f,
      0x1.fb8fecp-18f, 0x1.78ccd4p-19f, 0x1.ab752p-21f, 0x1.94ed7cp-23f, 0x1.e48b82p-25f, 0x1.57dc2p-26f,
      0x1.f1cf4ep-5f, 0x1.95fa98p-6f, 0x1.c6fbc6p-7f, 0x1.03c406p-7f}},
    {{-0x1.44f13cp-10f, -0x1.c20058p-12f, -0x1.512c34p-13f, -0x1.121b76p-14f, -0x1.4a80fcp-16f, -0x1.383eb2p-18f,
      -0x1.63248p-20f, -0x1.d86258p-22f, -0x1.c202eep-24f, -0x1.5e3a46p-26f, -0x1.7dace6p-28f, -0x1.d46a16p-30f,
      -0x1.479acap-6f, -0x1.530296p-7f, -0x1.5db96ap-8f, -0x1.80d9e4p-9f}},
};

// For powers: r, and −log2 r in two parts, of which the first has 15 bits behind the point, for m in sixteenths of a
// binade from 0.703 on; |m r − 1| < 0.032, and around m = 1 r is 1.
inline constexpr Table kLog2[] = {
    {{0x1.642c86p+0f, 0x1.555556p+0f, 0x1.47ae14p+0f, 0x1.3b13b2p+0f, 0x1.2f684cp+0f, 0x1.24924ap+0f, 0x1.1a7b96p+0f,
      0x1.111112p+0f, 0x1.08421p+0f, 1.0f, 0x1.e1e1e2p-1f, 0x1.c71c72p-1f, 0x1.af286cp-1f, 0x1.99999ap-1f,
      0x1.861862p-1f, 0x1.745d18p-1f}},
    {{-0x1.e7ep-2f, -0x1.a9p-2f, -0x1.6cbp-2f, -0x1.32cp-2f, -0x1.f6p-3f, -0x1.8a9p-3f, -0x1.22ep-3f, -0x1.7d6p-4f,
      -0x1.774p-5f, 0.0f, 0x1.664p-4f, 0x1.5cp-3f, 0x1.fbcp-3f, 0x1.49a8p-2f, 0x1.91b8p-2f, 0x1.d678p-2f}},
    {{0x1.3c9a3cp-19f, 0x1.98151ap-20f, -0x1.e8b8bcp-19f, 0x1.c5b3bep-23f, 0x1.39ff24p-18f, 0x1.9dab02p-17f,
      0x1.49237ep-17f, -0x1.767e68p-22f, 0x1.b29decp-19f, 0.0f, -0x1.238986p-21f, 0x1.a22e68p-19f, 0x1.6a1ed2p-19f,
      -0x1.f2d20ap-20f, 0x1.d36224p-17f, -0x1.626fbep-17f}},
};

}  // namespace alice::ALICE_ISA
