// The most used functions in float32 arithmetic, twice as wide as by way of doubles. Within 2 ULP with fma, and where
// nothing else is said without it too (bench/accuracy.cpp sweeps all 2³² inputs).
//
// The bounds among the parameters are there for functors to hold: see run_blocks (elementwise_run.h).
#pragma once

#include "math_bits.h"
#include "math_table.h"

namespace alice::ALICE_ISA {

// x = n ln 2 + r with an integer n, and power = 2ⁿ⁺ᵏ for the k that suits the caller: |n + k| < 127.
template <class T>
struct SplitOf {
  T r, power;
};
using FloatSplit = SplitOf<float>;

// Adding 1.5·2²³ rounds to integers; with the bias of the exponent added as well, the low bits of the sum are the
// exponent field of the power. ln 2 has 15 bits in its first part: the product with n is exact.
template <class T>
ALICE_HD SplitOf<T> split_exp(T x, float k) {
  const float magic = kRoundFloat + 127.0f + k;
  const T sum = mul_add(x, 0x1.715476p+0f, magic), n = sum - magic;
  return {mul_add(n, -0x1.7f7d1cp-20f, mul_add(n, -0x1.62e4p-1f, x)), from_bits(to_bits(sum) << 23)};
}
template <class T>
ALICE_HD SplitOf<T> split_exp(T x, T x_lo, float k) {
  const float magic = kRoundFloat + 127.0f + k;
  const T sum = mul_add(x, 0x1.715476p+0f, magic), n = sum - magic;
  return {mul_add(n, -0x1.62e4p-1f, x) + mul_add(n, -0x1.7f7d1cp-20f, x_lo), from_bits(to_bits(sum) << 23)};
}

// e^r − 1 for |r| ≤ 0.347. The polynomial is (eʳ − 1 − r)/r², weighted so that the error is 3.2e-9.
template <class T>
ALICE_HD T expm1_rest(T r) {
  const T rr = r * r;
  return mul_add(rr, poly_by_two(r, rr, 0x1p-1f, 0x1.555492p-3f, 0x1.5554cp-5f, 0x1.12399cp-7f, 0x1.6d7a5ep-10f), r);
}

ALICE_HD float exp(float x, float low = -104.0f, float high = 89.0f) {
  const float c = at_most(at_least(x, low), high);
  // The power stays in the normal range; the last factor rounds to subnormals, or to infinity.
  const bool left = x < 0.0f;
  const FloatSplit s = split_exp(c, left ? 64.0f : -1.0f);
  return mul_add(s.power, expm1_rest(s.r), s.power) * (left ? 0x1p-64f : 2.0f);
}

// The same for x ≤ 40, with half the work. What comes to 0 is not rounded to it, which takes CPUs long.
ALICE_HD float exp_down(float x) {
  const FloatSplit s = split_exp(at_least(x, -104.0f), 64.0f);
  return mul_add(s.power, expm1_rest(s.r), s.power) * (x <= -104.0f ? 0.0f : 0x1p-64f);
}

ALICE_HD float exp2(float x, float low, float high) {
  const float c = at_most(at_least(x, low), high);
  const bool left = x < 0.0f;  // as in exp()
  const float magic = kRoundFloat + 127.0f + (left ? 64.0f : -1.0f);
  const float sum = c + magic, f = c - (sum - magic), power = from_bits(to_bits(sum) << 23);
  // (2ᶠ − 1)/f for |f| ≤ ½, 7.8e-9
  const float p =
      poly(f, 0x1.62e430p-1f, 0x1.ebfbe0p-3f, 0x1.c6af6cp-5f, 0x1.3b2a54p-7f, 0x1.5f0890p-10f, 0x1.441390p-13f);
  return mul_add(power, f * p, power) * (left ? 0x1p-64f : 2.0f);
}

// e⁻ᵛ for v ≥ 0: as (1 + rest) · power, lifted by a power of two that keeps all of it from being subnormal, which
// kDown takes back; as `lifted` with what rounding took of it; and as t, which may be 0. Of float64, too.
template <class T>
inline constexpr float kDown = 0x1p-64f;  // v ≤ 112
template <>
inline constexpr double kDown<double> = 0x1p-128;  // v ≤ 760
template <class T>
struct TailOf {
  T rest, power, t, lifted, lifted_lo;
};
template <class T>
ALICE_HD TailOf<T> tail_of(T rest, T power) {
  const T lifted = mul_add(power, rest, power);
  return {rest, power, lifted * kDown<T>, lifted, mul_add(power, rest, power - lifted)};
}
// Of v = min(|x|, far).
ALICE_HD TailOf<float> exp_tail(float x, float far) {
  const FloatSplit s = split_exp(-at_most(absolute(x), far), 64.0f);
  return tail_of(expm1_rest(s.r), s.power);
}

// q = t/(1 + t), which is σ(−v), and t − q (1 + t), what its rounding and that of 1 + t took of it.
template <class T>
ALICE_HD T sigmoid_of(const TailOf<T>& e) {
  return e.t / (1.0f + e.t);
}
template <class T>
ALICE_HD T missing_of(const TailOf<T>& e, T q) {
  return mul_add(-q, e.t, e.t - q);
}

// σ(x), given e^−|x|: 1 − t/(1 + t) or t − t·t/(1 + t), as the quotient's errors then weigh half at most.
template <class T>
ALICE_HD T sigmoid(T x, const TailOf<T>& e) {
  const T c = x < 0.0f ? e.t : T{1};
  return mul_add(-c, sigmoid_of(e), c);
}
// 2ᵏ σ(v) σ(−v), which is 2ᵏ (s − s²) for s = σ(−v); down = 2ᵏ kDown
template <class T>
ALICE_HD T scaled_sigmoid_slope(const TailOf<T>& e, T down) {
  const T s = e.lifted - mul_add(e.lifted, sigmoid_of(e), -e.lifted_lo);
  return mul_add(-s, s * kDown<T>, s) * down;
}
ALICE_HD float sigmoid(float x, float far = 104.0f) { return sigmoid(x, exp_tail(x, far)); }
ALICE_HD float sigmoid_slope(float x, float far = 104.0f) { return scaled_sigmoid_slope(exp_tail(x, far), 0x1p-64f); }

// x σ(v) where e is e^−|v|, v has the sign of x, and a is |x| or a bound of it: x − a q with q = σ(−|v|), or −(c − c q)
// with c = a t, into which goes what the quotient missed. Within 2 ULP with fma only.
template <class T>
ALICE_HD T gate(T x, T a, const TailOf<T>& e) {
  const T q = sigmoid_of(e), rest = e.rest - missing_of(e, q), ap = a * e.power, c = mul_add(ap, rest, ap);
  return choose(x < 0.0f, mul_add(c, q, -c) * kDown<T>, mul_add(-a, q, x));
}

template <class T>
struct SiluGate {
  T a;
  TailOf<T> e;
};
template <class T>
ALICE_HD SiluGate<T> silu_gate(T x) {
  const T a = at_most(absolute(x), 112.0f);
  const SplitOf<T> s = split_exp(-a, 64.0f);
  return {a, tail_of(expm1_rest(s.r), s.power)};
}
template <class T>
ALICE_HD T silu(T x) {
  const SiluGate<T> g = silu_gate(x);
  return gate(x, g.a, g.e);
}

// a (m + b a²) in two parts; m has so few bits that the sum less m is exact.
template <class T>
struct PairOf {
  T hi, lo;
};
template <class T, class C>
ALICE_HD PairOf<T> cubic(T a, C m, C m_lo, C b, C b_lo) {
  const T aa = a * a, aa_lo = mul_add(a, a, -aa), u = mul_add(b, aa, m);
  const T u_lo = mul_add(b, aa, m - u) + mul_add(b, aa_lo, mul_add(b_lo, aa, m_lo)), v = a * u;
  return {v, mul_add(a, u_lo, mul_add(a, u, -v))};
}

// As in math_erf.h: x σ(v) with v = 2 √(2/π) (x + 0.044715 x³); a = |x|.
template <class T>
struct GeluTanhGate {
  T a;
  TailOf<T> e;
};
inline constexpr float kGeluTanh = 0x1.98844p+0f, kGeluTanhLo = 0x1.33d436p-20f;
template <class T>
ALICE_HD GeluTanhGate<T> gelu_tanh_gate(T x) {
  const T a = at_most(absolute(x), 10.95f);  // v ≤ 111.2
  const PairOf<T> v = cubic(a, kGeluTanh, kGeluTanhLo, 0x1.2444f2p-4f, 0x1.49b16ap-29f);
  const SplitOf<T> s = split_exp(-v.hi, -v.lo, 64.0f);
  return {a, tail_of(expm1_rest(s.r), s.power)};
}
template <class T>
ALICE_HD T gelu_tanh(T x) {
  const GeluTanhGate<T> g = gelu_tanh_gate(x);
  return gate(x, g.a, g.e);
}

// log(1 + eˣ) = max(x, 0) + t P(t) with t = e^−|x|
ALICE_HD float softplus(float x, float far = 104.0f) {
  const TailOf<float> e = exp_tail(x, far);
  // log(1 + t)/t on [0, 1], 8.3e-10
  const float p = poly(e.t, 1.0f, -0x1.fffff2p-2f, 0x1.555324p-2f, -0x1.ffb934p-3f, 0x1.9742f8p-3f, -0x1.49797ap-3f,
                       0x1.fb00b2p-4f, -0x1.4f61d4p-4f, 0x1.4fed04p-5f, -0x1.b02382p-7f, 0x1.04667ap-9f);
  const float left = mul_add(e.lifted, p, e.lifted_lo * p) * 0x1p-64f, right = mul_add(e.t, p, x);
  return x < 0.0f ? left : right;
}

// e^(−a²/2) = (1 + rest) · power · 2⁻⁶⁴ for a = |x|, a bound of which will do; and the distance t from the centre of an
// interval in kGaussian, with the curve of which functions there are first + slope t + curve t².
template <class T>
struct GaussianOf {
  T a, rest, power, t, slope, curve;
  decltype(to_bits(T{0.0f})) interval;
};
template <class T>
ALICE_HD GaussianOf<T> gaussian(T x) {
  const T a = at_most(absolute(x), 14.9f), half = -0.5f * a, aa = half * a;
  const SplitOf<T> s = split_exp(aa, mul_add(half, a, -aa), 64.0f);
  const auto interval = to_bits(1.0f + a) >> 21;
  const T t = a - look_up(kGaussian[0], interval);
  const T slope = look_up(kGaussian[2], interval), curve = curve_of<5>(kGaussian + 4, interval, t);
  return {a, expm1_rest(s.r), s.power, t, slope, curve, interval};
}
template <class T>
ALICE_HD T gelu(T x) {
  const GaussianOf<T> g = gaussian(x);
  const T c0 = look_up(kGaussian[1], g.interval), ap = g.a * g.power;
  const T moved = g.t * mul_add(g.curve, g.t, g.slope);
  const T more = ap * mul_add(c0 + moved, g.rest, moved);
  return mul_add(mul_add(ap, c0, more), T(-kDown<T>), choose(x < 0.0f, T(-0.0f), x));
}

// With h = (e^2a − 1)/2 for a = |x|, tanh a = h/(1 + h) = c − c·c/(1 + h) for c = min(h, 1): the quotient is at most ½
// and so are the weights of its errors. Within 2 ULP with fma only.
ALICE_HD float tanh(float x, float far = 10.0f, float one = 1.0f) {
  const float a = at_most(absolute(x), far);  // 1 from 9.02 on
  // a = n·½ln 2 + r with r in [−0.05, 0.297]: an earlier step to n = 1 would cancel.
  const float magic = kRoundFloat + 127.0f;
  const float sum = mul_add(a - 0.123f, 0x1.715476p+1f, magic), n = sum - magic;
  const float r = mul_add(n, -0x1.7f7d1cp-21f, mul_add(n, -0x1.62e4p-2f, a)), power = from_bits(to_bits(sum) << 23);
  // ((e²ʳ − 1)/2 − r)/r², weighted so that the error of (e²ʳ − 1)/2 is 1.4e-8 r
  const float q = poly(r, 0x1.ffffeap-1f, 0x1.5555a6p-1f, 0x1.5591f4p-2f, 0x1.0b749ep-3f, 0x1.c36b7cp-5f);
  const float h = mul_add(power, mul_add(r * r, q, r), mul_add(power, 0.5f, -0.5f)), c = at_most(h, one);
  const float magnitude = mul_add(-c, c / (1.0f + h), c);
  return from_bits(to_bits(magnitude) | (to_bits(x) & 0x80000000u));
}

// 1/cosh² x = 4 σ(2x) σ(−2x)
ALICE_HD float tanh_slope(float x, float far = 112.0f) { return scaled_sigmoid_slope(exp_tail(x + x, far), 0x1p-62f); }

template <class T>
ALICE_HD T erf(T x) {
  const T a = at_most(absolute(x), kErfFar);
  const auto interval = to_bits(mul_add(a, kErfPerUnit, kRoundFloat));
  return copy_sign(a * curve_of<6>(kErf + 1, interval, a - look_up(kErf[0], interval)), x);
}

ALICE_HD float log(float x) {
  const bool tiny = x < 0x1p-126f;
  const float lifted = tiny ? x * 0x1p24f : x;
  // x = m·2ᵏ with m in [√½, √2)
  const std::uint32_t t = to_bits(lifted) + (0x3f800000u - 0x3f3504f3u);
  const float k = from_bits((t >> 23) | 0x4b000000u) - (0x1p23f + 127.0f) - (tiny ? 24.0f : 0.0f);
  const float f = from_bits((t & 0x7fffffu) + 0x3f3504f3u) - 1.0f, ff = f * f;
  // (log(1 + f) − f + f²/2)/f³, 2.9e-8
  const float p = poly(f, 0x1.555554p-2f, -0x1.fffffcp-3f, 0x1.999d5ap-3f, -0x1.555b4ap-3f, 0x1.23d21ap-3f,
                       -0x1.fcf4c6p-4f, 0x1.dea282p-4f, -0x1.d635bcp-4f, 0x1.1d8ea6p-4f);
  float r = mul_add(k, -0x1.bd0106p-13f, ff * f * p);
  r = mul_add(k, 0x1.63p-1f, f + (r - 0.5f * ff));
  r = x < static_cast<float>(kInf) ? r : x;
  r = x < 0.0f ? static_cast<float>(kNaN) : r;
  return x == 0.0f ? -static_cast<float>(kInf) : r;
}

}  // namespace alice::ALICE_ISA
