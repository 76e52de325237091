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

// Of an interval: c₀ + c₁ t + c₂ t² + … of which each table holds one coefficient. t is the distance from a centre,
// chosen such that c₀ is a float all but.
template <int N, class Index, class T>
ALICE_HD T curve_of(const Table* tables, Index interval, T t) {
  T c = look_up(tables[N - 1], interval);
#pragma GCC unroll 8
  for (int k = N - 2; k >= 0; --k) c = mul_add(c, t, look_up(tables[k], interval));
  return c;
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
// Φ(−a) e^(a²/2) and that less a/√(2π) on [0, 15], 8e-9 of each: centres, c₀ and c₁ of the one, c₀ of the other, whose
// c₁ is less by 1/√(2π), and what follows, which is the same. The other is 0 at 0.7518. The centre there is the float
// next to it, where c₀ is kGaussianRest, which is left out of c₀ everywhere: products with t are then all that there
// is, and exact to the end.
inline constexpr float kGaussianRest = -0x1.dc87p-28f;
inline constexpr Table kGaussian[] = {
    {{0x1.3ffcd6p+0f, 0x1.c00bb2p+0f, 0x1.2002p+1f, 0x1.60045p+1f, 0x1.c0106p+1f, 0x1.200358p+2f, 0x1.5ffcf8p+2f,
      0x1.a0079ep+2f, 0x1.fffdbp+2f, 0x1.3fee5p+3f, 0x1.7ffabcp+3f, 0x1.c00fep+3f, 0x1.ffe7ep-4f, 0x1.800c16p-2f,
      0x1.80ead2p-1f, 0x1.80ead2p-1f}},
    {{0x1.d89baap-3f, 0x1.7b53bep-3f, 0x1.3aac2ap-3f, 0x1.0bb6bp-3f, 0x1.b388f8p-4f, 0x1.5b5718p-4f, 0x1.2022p-4f,
      0x1.eb9d6p-5f, 0x1.926b36p-5f, 0x1.43b518p-5f, 0x1.0e8176p-5f, 0x1.d07762p-6f, 0x1.d0b13cp-2f, 0x1.84b3ecp-2f,
      0x1.331e9ap-2f, 0x1.331e9ap-2f}},
    {{-0x1.c497d4p-4f, -0x1.32498cp-4f, -0x1.b40176p-5f, -0x1.4324f6p-5f, -0x1.b5e8cap-6f, -0x1.1bdceep-6f,
      -0x1.8b1f96p-7f, -0x1.21a49ep-7f, -0x1.86bbacp-8f, -0x1.fc296ap-9f, -0x1.63d95ap-9f, -0x1.06bb66p-9f,
      -0x1.5e70e8p-2f, -0x1.06bc44p-2f, -0x1.63410ap-3f, -0x1.63410ap-3f}},
    {{-0x1.125286p-2f, -0x1.06a82ep-1f, -0x1.7ced04p-1f, -0x1.eecf28p-1f, -0x1.4a484ap+0f, -0x1.b5e4c2p+0f,
      -0x1.0fd77ep+1f, -0x1.444322p+1f, -0x1.9238cep+1f, -0x1.f97a5ap+1f, -0x1.304208p+2f, -0x1.63affcp+2f,
      0x1.9da31ap-2f, 0x1.d6faf6p-3f, 0.0f, 0.0f}},
    {{0x1.7b7f2cp-5f, 0x1.bd3194p-6f, 0x1.15a68ep-6f, 0x1.6c5472p-7f, 0x1.a27a56p-8f, 0x1.bfad8ap-9f, 0x1.07ea06p-9f,
      0x1.4e941ap-10f, 0x1.762aa6p-11f, 0x1.8b315ap-12f, 0x1.d10e06p-13f, 0x1.27c93p-13f, 0x1.a4e52ep-3f,
      0x1.222a38p-3f, 0x1.5b2984p-4f, 0x1.5b297cp-4f}},
    {{-0x1.1f3644p-6f, -0x1.29504cp-7f, -0x1.49b3c8p-8f, -0x1.837e0cp-9f, -0x1.7e4cfap-10f, -0x1.55a9fp-11f,
      -0x1.580724p-12f, -0x1.7b44c4p-13f, -0x1.61812cp-14f, -0x1.309046p-15f, -0x1.2decep-16f, -0x1.4b63bep-17f,
      -0x1.b02f28p-4f, -0x1.15c334p-4f, -0x1.2bab1cp-5f, -0x1.2babecp-5f}},
    {{0x1.8fefe4p-8f, 0x1.7204ecp-9f, 0x1.70bcd2p-10f, 0x1.87a66ep-11f, 0x1.4f809ap-12f, 0x1.fa1e08p-14f,
      0x1.b65166p-15f, 0x1.a64fbap-16f, 0x1.49c782p-17f, 0x1.d1615ep-19f, 0x1.859492p-20f, 0x1.71860cp-21f,
      0x1.89e4a8p-5f, 0x1.dc2a36p-6f, 0x1.d59b52p-7f, 0x1.d4aaf8p-7f}},
    {{-0x1.0626b4p-9f, -0x1.b4d66ap-11f, -0x1.89f42ap-12f, -0x1.7c762p-13f, -0x1.20f8aep-14f, -0x1.716b8ap-16f,
      -0x1.140554p-17f, -0x1.d1eca6p-19f, -0x1.36cd9cp-20f, -0x1.65fc96p-22f, -0x1.f92444p-24f, -0x1.9d8e94p-25f,
      -0x1.47458cp-6f, -0x1.763ee4p-7f, -0x1.4972b6p-8f, -0x1.4c6fa2p-8f}},
    {{0x1.427bdcp-11f, 0x1.e43776p-13f, 0x1.8e7d86p-14f, 0x1.60850ap-15f, 0x1.d80556p-17f, 0x1.02fcd6p-18f,
      0x1.50ddccp-20f, 0x1.f5bfp-22f, 0x1.1a9e3ap-23f, 0x1.0c663p-25f, 0x1.41b522p-27f, 0x1.c93a5ap-29f, 0x1.f1844cp-8f,
      0x1.0dc66ap-8f, 0x1.21fd26p-9f, 0x1.6b5b4cp-10f}},
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
