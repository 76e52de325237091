// Slopes that need more than a plain formula: of the logistic function and tanh in float64, and of x Φ(x) for functions
// Φ with Φ(x) + Φ(−x) = 1. The latter cross 0 once, at some −a₀, and are good to 2 ULP even there: with a = |x| and N
// the slope at −a, that at a is 1 − N(a). For levels with fma, as in math_float.h and math_double.h.
#pragma once

#include "math_double.h"
#include "math_float.h"

namespace alice::ALICE_ISA {

struct FloatPair {
  float hi, lo;
};
ALICE_HD FloatPair two_sum(float a, float b) {
  const float s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}
template <class T>
using PairOf = std::conditional_t<sizeof(T) == 4, FloatPair, Pair>;

// e^v = (1 + rest) · power / kLift
template <class T>
inline constexpr T kLift = sizeof(T) == 4 ? T(0x1p64) : T(0x1p128);
ALICE_HD Decay lifted_exp(Pair v) { return decay<128>(-v.hi, -v.lo); }
struct FloatDecay {
  float rest, power;
};
ALICE_HD FloatDecay lifted_exp(FloatPair v) {
  const FloatSplit s = split_exp(v.hi, v.lo, 64.0f);
  return {expm1_rest(s.r), s.power};
}

// above/(1 + t)²
template <class T>
ALICE_HD T over_square(T above, T above_lo, T t) {
  const T d = T{1} + t, d_lo = t - (d - T{1});
  const T below = d * d, below_lo = mul_add(d, d, -below) + T{2} * d * d_lo;
  const T inverse = T{1} / below, q = above * inverse;
  return mul_add(mul_add(-q, below_lo, mul_add(-q, below, above)) + above_lo, inverse, q);
}

// σ(x) σ(−x) 2ᵏ, times = 2ᵏ⁻¹²⁸
ALICE_HD double scaled_sigmoid_slope(double x, double times) {
  const Decay e = decay<128>(at_most(absolute(x), kFarDouble));
  const double t = mul_add(e.power, e.rest, e.power), t_lo = mul_add(e.power, e.rest, e.power - t);
  return over_square(t, t_lo, t * 0x1p-128) * times;
}
ALICE_HD double sigmoid_slope(double x) { return scaled_sigmoid_slope(x, 0x1p-128); }
ALICE_HD double tanh_slope(double x) { return scaled_sigmoid_slope(x + x, 0x1p-126); }

// Of gates x σ(v): N = t h/(1 + t)² with t = e⁻ᵛ and h = 1 + t − w, where w = a dv/da. As h is 0 at a₀, it is
// (w₀ − w) + t₀ (e^(v₀ − v) − 1), and these have one sign. Given v₀ − v and w₀ − w; t₀ = at_zero (1 + at_zero_lo).
template <class T>
ALICE_HD T gate_slope(T x, PairOf<T> v, PairOf<T> w, T at_zero, T at_zero_lo) {
  const auto e = lifted_exp(v);
  const T power = e.power * (T{1} / kLift<T>), m = mul_add(power, e.rest, power - T{1});
  const T h = mul_add(at_zero, m, w.hi), h_lo = mul_add(at_zero, m, w.hi - h) + w.lo;
  const T tp = at_zero * e.power, t = mul_add(tp, e.rest, tp);  // times kLift
  const T t_lo = mul_add(t, at_zero_lo, mul_add(tp, e.rest, tp - t));
  const T above = h * t, above_lo = mul_add(h, t, -above) + mul_add(h, t_lo, h_lo * t);
  const T left = over_square(above, above_lo, t * (T{1} / kLift<T>)) * (T{1} / kLift<T>);
  return x < T{0} ? left : T{1} - left;
}

// The numbers that float32 and float64 need of a real number: its first part, and what is left.
struct Constant {
  float float_hi, float_lo;
  double hi, lo;
};
template <class T>
ALICE_HD constexpr PairOf<T> parts(const Constant& c) {
  if constexpr (sizeof(T) == 4)
    return {c.float_hi, c.float_lo};
  else
    return {c.hi, c.lo};
}
// a₀ − a
template <class T>
ALICE_HD PairOf<T> before(const Constant& zero, T a) {
  PairOf<T> d = two_sum(parts<T>(zero).hi, -a);
  d.lo += parts<T>(zero).lo;
  return d;
}
template <class T>
ALICE_HD PairOf<T> product_of(PairOf<T> a, PairOf<T> b) {
  const T p = a.hi * b.hi;
  return {p, mul_add(a.hi, b.hi, -p) + mul_add(a.hi, b.lo, a.lo * b.hi)};
}

// Here and below `far` is where the slope is 0 or 1, and t₀'s second part is relative to the first.
inline constexpr Constant kSiluZero{0x1.474974p+0f, -0x1.bdf6fap-27f, 0x1.474973c84120bp+0, 0x1.f8d74bc9ac154p-54};
inline constexpr Constant kSiluAtZero{0x1.1d25dp-2f, -0x1.9060ep-25f, 0x1.1d25cf210482ep-2, -0x1.9b57668555551p-58};
template <class T>
ALICE_HD T silu_slope(T x, T far) {
  const PairOf<T> d = before(kSiluZero, at_most(absolute(x), far)), t = parts<T>(kSiluAtZero);
  return gate_slope<T>(x, d, d, t.hi, t.lo);
}
ALICE_HD float silu_slope(float x, float far = 112.0f) { return silu_slope<float>(x, far); }
ALICE_HD double silu_slope(double x) { return silu_slope<double>(x, kFarDouble); }

// v = a (m + n a²) and w = a (m + 3 n a²) with m = 2 √(2/π) and n = 0.044715 m; so v₀ − v = (a₀ − a) u with
// u = m + n a₀² + n a (a + a₀), and w₀ − w = (a₀ − a) (u + 2 n (a₀² + a (a + a₀))).
inline constexpr Constant kGeluTanhZero{0x1.8142ap-1f, -0x1.85a06cp-27f, 0x1.81429f9e97e4dp-1, -0x1.4f523ed77dbdcp-55};
inline constexpr Constant kGeluTanhAtZero{0x1.2af64ep-2f, 0x1.0ba5fep-25f, 0x1.2af64e9c485eep-2,
                                          -0x1.0f23b56004ef7p-55};
inline constexpr Constant kGeluTanhN{0x1.2444f2p-4f, 0x1.49b16ap-29f, 0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61};
inline constexpr Constant kGeluTanhU{0x1.a2dc0cp+0f, -0x1.fd63cp-25f, 0x1.a2dc0b014e208p+0, -0x1.2af8a15dd1a6dp-55};
inline constexpr Constant kGeluTanhW{0x1.4af6f8p-4f, 0x1.02aedep-29f, 0x1.4af6f881576eap-4, -0x1.376fb40520432p-58};
template <class T>
ALICE_HD T gelu_tanh_slope(T x, T far) {
  using P = PairOf<T>;
  const T a = at_most(absolute(x), far);
  const P zero = parts<T>(kGeluTanhZero), t = parts<T>(kGeluTanhAtZero), d = before(kGeluTanhZero, a);
  P s = two_sum(a, zero.hi);
  s.lo += zero.lo;
  const P q = product_of<T>(parts<T>(kGeluTanhN), product_of<T>({a, T{0}}, s));
  P u = two_sum(parts<T>(kGeluTanhU).hi, q.hi);
  u.lo += q.lo + parts<T>(kGeluTanhU).lo;
  const P z = two_sum(T{2} * q.hi, parts<T>(kGeluTanhW).hi);
  P y = two_sum(u.hi, z.hi);
  y.lo += z.lo + (u.lo + mul_add(T{2}, q.lo, parts<T>(kGeluTanhW).lo));
  return gate_slope<T>(x, product_of<T>(d, u), product_of<T>(d, y), t.hi, t.lo);
}
ALICE_HD float gelu_tanh_slope(float x, float far = 11.0f) { return gelu_tanh_slope<float>(x, far); }
ALICE_HD double gelu_tanh_slope(double x) { return gelu_tanh_slope<double>(x, 22.0); }

// Φ(−a) − a φ(a) = e^(−a²/2) (a₀ − a) Q, with Q as a function of t = (a − c)/(a + c), which is q₀ + t g(t).
inline constexpr Constant kGeluZero{0x1.80ead2p-1f, -0x1.a03fd4p-27f, 0x1.80ead197f00b4p-1, -0x1.13e74c58cada8p-56};
template <class T, class G>
ALICE_HD T gelu_slope(T x, T far, T c, PairOf<T> q0, G g_of) {
  const T a = at_most(absolute(x), far), half = T(-0.5) * a, aa = half * a;
  const auto e = lifted_exp(PairOf<T>{aa, mul_add(half, a, -aa)});
  const PairOf<T> d = before(kGeluZero, a);
  const T under = a + c, back = under - a, under_lo = (a - (under - back)) + (c - back);
  const T w = T{1} / under, missing = mul_add(-w, under_lo, mul_add(-w, under, T{1}));
  const T t = mul_add(T{-2} * c, w, T{1}), g = g_of(t), q = mul_add(t, g, q0.hi);
  const T q_lo = mul_add(t, g, q0.hi - q) + mul_add(T{-2} * c * missing * w, g, q0.lo);
  const T dp = d.hi * e.power, p = mul_add(dp, e.rest, dp), dp_lo = d.lo * e.power;
  const T p_lo = mul_add(dp, e.rest, dp - p) + mul_add(dp_lo, e.rest, dp_lo);
  const T r = p * q, r_lo = mul_add(p, q, -r) + mul_add(p, q_lo, p_lo * q), left = (r + r_lo) * (T{1} / kLift<T>);
  return x < T{0} ? left : T{1} - left;
}
ALICE_HD float gelu_slope(float x, float far = 15.0f) {  // to 1.3e-9
  return gelu_slope<float>(x, far, 3.0f, {0x1.e9c6dep-2f, -0x1.d0f0e4p-29f}, [](float t) {
    return poly(t, -0x1.eb6b5ep-4f, 0x1.b70f46p-5f, -0x1.cd30fp-7f, 0x1.ab05a8p-13f, 0x1.1e68ccp-10f, -0x1.850ffep-14f,
                -0x1.017172p-13f, 0x1.315fc4p-18f, 0x1.7bb8aap-17f);
  });
}
ALICE_HD double gelu_slope(double x) {  // to 4.7e-18
  return gelu_slope<double>(x, 38.9, 4.0, {0x1.d94de78425463p-2, -0x1.b42438a2126a5p-59}, [](double t) {
    return poly(
        t, -0x1.a763001ac67d8p-4, 0x1.ef4ff8013792p-5,
        poly_by_two(t, t * t, -0x1.cc1e2623d9a21p-6, 0x1.37754d8171656p-7, -0x1.d4c82229b365ep-10,
                    -0x1.443f63fafaeccp-13, 0x1.85999bc4930d7p-13, -0x1.25380b3f88b4fp-16, -0x1.2e9366a4a3c89p-16,
                    0x1.dafae258553ffp-19, 0x1.298396a32ff22p-19, -0x1.08318da92c02dp-21, -0x1.76d52721ae612p-22,
                    0x1.c1287e1875667p-25, 0x1.0d4300b8ac359p-24, -0x1.81837a351539ap-31, -0x1.6d749a1486409p-27,
                    -0x1.c62d0e03eceb8p-30, 0x1.445a830286042p-30, 0x1.a6fac4fbcc8f8p-32, 0x1.f5c8f057700e7p-39));
  });
}

}  // namespace alice::ALICE_ISA
