// Slopes that need more than a plain formula: of the logistic function and tanh in float64, and of x Φ(x) for functions
// Φ with Φ(x) + Φ(−x) = 1. The latter cross 0 once, at some −a₀, and are good to 2 ULP even there: with a = |x| and N
// the slope at −a, that at a is 1 − N(a). For levels with fma, as in math_float.h and math_double.h.
#pragma once

#include "math_double.h"
#include "math_float.h"

namespace alice::ALICE_ISA {

// --- float32: N is some h(a) times what the function is made of, too: computed once where both are wanted ---------

template <class T>
ALICE_HD PairOf<T> two_sum(T a, T b) {
  const T s = a + b, t = s - a;
  return {s, (a - (s - t)) + (b - t)};
}

// h(a), which next to its zero is c₀ b + c + (r₀ + r₁ b + …) b with b = `zero` − a, and `far` from there.
template <class T, class... C>
ALICE_HD PairOf<T> across(T a, float zero, float reach, PairOf<T> far, float c0, float c, C... rest) {
  const T b = zero - a, small = mul_add(poly(b, rest...), b, c), h = mul_add(c0, b, small);
  const auto near = absolute(b) < reach;
  return {choose(near, h, far.hi), choose(near, mul_add(c0, b, -h) + small, far.lo)};
}

// Of gates x σ(v): N = h σ(v) σ(−v) with h = 1 + t − w for t = e⁻ᵛ and w = a dv/da.
template <class T>
ALICE_HD T gate_slope(T x, PairOf<T> h, const TailOf<T>& e) {
  const T q = sigmoid_of(e), below = mul_add(e.lifted, q, mul_add(e.lifted, missing_of(e, q), -e.lifted_lo));
  const T s = e.lifted - below, s_lo = (e.lifted - s) - below;  // 2⁶⁴ σ(−v)
  const T p = h.hi * s, p_lo = mul_add(h.hi, s_lo, mul_add(h.lo, s, mul_add(h.hi, s, -p)));
  const T left = (p + mul_add(p + p_lo, -s * kDown<T>, p_lo)) * kDown<T>;
  return choose(x < 0.0f, left, 1.0f - left);
}
// 1 + t − w
template <class T>
ALICE_HD PairOf<T> gate_rest(const TailOf<T>& e, T w, T w_lo) {
  const T d = 1.0f + e.t;
  PairOf<T> h = two_sum(d, -w);
  h.lo = h.lo + (mul_add(e.lifted_lo, kDown<T>, e.t - (d - 1.0f)) - w_lo);
  return h;
}

template <class T>
ALICE_HD T silu_slope(T x) {
  const SiluGate<T> g = silu_gate(x);
  const PairOf<T> h = across(g.a, 0x1.474974p+0f, 0.5f, gate_rest(g.e, g.a, T(0.0f)),  // to 3.7e-9
                             0x1.474974p+0f, -0x1.1d1338p-26f, -0x1.fc0eb4p-27f, 0x1.1d25dp-3f, 0x1.7c326ap-5f,
                             0x1.7c2f3ap-7f, 0x1.3026eap-9f, 0x1.98b904p-12f, 0x1.d24d6cp-15f);
  return gate_slope(x, h, g.e);
}

template <class T>
ALICE_HD T gelu_tanh_slope(T x) {
  const GeluTanhGate<T> g = gelu_tanh_gate(x);
  const PairOf<T> w = cubic(g.a, kGeluTanh, kGeluTanhLo, 0x1.b6676cp-3f, -0x1.175e2p-32f);
  const PairOf<T> h = across(g.a, 0x1.8142ap-1f, 0.25f, gate_rest(g.e, w.hi, w.lo),  // to 1.1e-9
                             0x1.3af6cep+1f, -0x1.df5e66p-26f, -0x1.f05dap-24f, -0x1.993ccep-4f, 0x1.9a0ef6p-2f,
                             0x1.371c9ap-4f, 0x1.f3765cp-6f, 0x1.764886p-7f, 0x1.e8d902p-9f);
  return gate_slope(x, h, g.e);
}

// Of x Φ(x) with the normal distribution: N = e^(−a²/2) h with h = Φ(−a) e^(a²/2) − a/√(2π)
template <class T>
ALICE_HD T gelu_slope(T x) {
  const GaussianOf<T> g = gaussian(x);
  const T h0 = look_up(kGaussian[3], g.interval), h1 = g.slope - 0x1.988454p-2f, curved = g.curve * g.t;
  const T h = mul_add(h1 + curved, g.t, h0);
  const T h_lo = mul_add(curved, g.t, mul_add(h1, g.t, h0 - h)) + kGaussianRest;
  const T left = (h + mul_add(h, g.rest, mul_add(h_lo, g.rest, h_lo))) * g.power * kDown<T>;
  return choose(x < 0.0f, left, 1.0f - left);
}

// --- float64 ------------------------------------------------------------------------------------------------------

// above/(1 + t)²
ALICE_HD double over_square(double above, double above_lo, double t) {
  const double d = 1.0 + t, d_lo = t - (d - 1.0);
  const double below = d * d, below_lo = mul_add(d, d, -below) + 2.0 * d * d_lo;
  const double inverse = 1.0 / below, q = above * inverse;
  return mul_add(mul_add(-q, below_lo, mul_add(-q, below, above)) + above_lo, inverse, q);
}

ALICE_HD double sigmoid_slope(double x, double far = kFarDouble) {
  return scaled_sigmoid_slope(exp_tail(x, far), 0x1p-128);
}
ALICE_HD double tanh_slope(double x) { return scaled_sigmoid_slope(exp_tail(x + x, kFarDouble), 0x1p-126); }

// Of gates x σ(v): N = t h/(1 + t)² with t and h as above. As h is 0 at a₀, it is
// (w₀ − w) + t₀ (e^(v₀ − v) − 1), and these have one sign. Given v₀ − v and w₀ − w; t₀ = at_zero (1 + at_zero_lo).
ALICE_HD double gate_slope(double x, Pair v, Pair w, double at_zero, double at_zero_lo) {
  const Decay e = decay<128>(-v.hi, -v.lo);
  const double power = e.power * kDown<double>, m = mul_add(power, e.rest, power - 1.0);
  const double h = mul_add(at_zero, m, w.hi), h_lo = mul_add(at_zero, m, w.hi - h) + w.lo;
  const double tp = at_zero * e.power, t = mul_add(tp, e.rest, tp);  // times kLift
  const double t_lo = mul_add(t, at_zero_lo, mul_add(tp, e.rest, tp - t));
  const double above = h * t, above_lo = mul_add(h, t, -above) + mul_add(h, t_lo, h_lo * t);
  const double left = over_square(above, above_lo, t * kDown<double>) * kDown<double>;
  return x < 0.0 ? left : 1.0 - left;
}

// a₀ − a
ALICE_HD Pair before(Pair zero, double a) {
  Pair d = two_sum(zero.hi, -a);
  d.lo += zero.lo;
  return d;
}

ALICE_HD Pair product_of(Pair a, Pair b) {
  const double p = a.hi * b.hi;
  return {p, mul_add(a.hi, b.hi, -p) + mul_add(a.hi, b.lo, a.lo * b.hi)};
}

// Here and below t₀'s second part is relative to the first.
ALICE_HD double silu_slope(double x) {
  const Pair d = before({0x1.474973c84120bp+0, 0x1.f8d74bc9ac154p-54}, at_most(absolute(x), kFarDouble));
  return gate_slope(x, d, d, 0x1.1d25cf210482ep-2, -0x1.9b57668555551p-58);
}

// v = a (m + n a²) and w = a (m + 3 n a²) with m = 2 √(2/π) and n = 0.044715 m; so v₀ − v = (a₀ − a) u with
// u = m + n a₀² + n a (a + a₀), and w₀ − w = (a₀ − a) (u + 2 n (a₀² + a (a + a₀))).
ALICE_HD double gelu_tanh_slope(double x) {
  constexpr Pair zero{0x1.81429f9e97e4dp-1, -0x1.4f523ed77dbdcp-55}, n{0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61};
  constexpr Pair at_zero{0x1.a2dc0b014e208p+0, -0x1.2af8a15dd1a6dp-55};  // u at 0
  constexpr Pair rest{0x1.4af6f881576eap-4, -0x1.376fb40520432p-58};     // 2 n a₀²
  const double a = at_most(absolute(x), 22.0);
  const Pair d = before(zero, a);
  Pair s = two_sum(a, zero.hi);
  s.lo += zero.lo;
  const Pair q = product_of(n, product_of({a, 0.0}, s));
  Pair u = two_sum(at_zero.hi, q.hi);
  u.lo += q.lo + at_zero.lo;
  const Pair z = two_sum(2.0 * q.hi, rest.hi);
  Pair y = two_sum(u.hi, z.hi);
  y.lo += z.lo + (u.lo + mul_add(2.0, q.lo, rest.lo));
  return gate_slope(x, product_of(d, u), product_of(d, y), 0x1.2af64e9c485eep-2, -0x1.0f23b56004ef7p-55);
}

// Φ(−a) − a φ(a) = e^(−a²/2) (a₀ − a) Q, with Q as a function of t = (a − 4)/(a + 4), which is q₀ + t g(t), to 4.7e-18.
ALICE_HD double gelu_slope(double x) {
  constexpr Pair q0{0x1.d94de78425463p-2, -0x1.b42438a2126a5p-59};
  constexpr double c = 4.0;
  const double a = at_most(absolute(x), 38.9), half = -0.5 * a, aa = half * a;
  const Decay e = decay<128>(-aa, -mul_add(half, a, -aa));
  const Pair d = before({0x1.80ead197f00b4p-1, -0x1.13e74c58cada8p-56}, a);
  const double under = a + c, back = under - a, under_lo = (a - (under - back)) + (c - back);
  const double w = 1.0 / under, missing = mul_add(-w, under_lo, mul_add(-w, under, 1.0));
  const double t = mul_add(-2.0 * c, w, 1.0);
  const double g =
      poly(t, -0x1.a763001ac67d8p-4, 0x1.ef4ff8013792p-5,
           poly_by_two(t, t * t, -0x1.cc1e2623d9a21p-6, 0x1.37754d8171656p-7, -0x1.d4c82229b365ep-10,
                       -0x1.443f63fafaeccp-13, 0x1.85999bc4930d7p-13, -0x1.25380b3f88b4fp-16, -0x1.2e9366a4a3c89p-16,
                       0x1.dafae258553ffp-19, 0x1.298396a32ff22p-19, -0x1.08318da92c02dp-21, -0x1.76d52721ae612p-22,
                       0x1.c1287e1875667p-25, 0x1.0d4300b8ac359p-24, -0x1.81837a351539ap-31, -0x1.6d749a1486409p-27,
                       -0x1.c62d0e03eceb8p-30, 0x1.445a830286042p-30, 0x1.a6fac4fbcc8f8p-32, 0x1.f5c8f057700e7p-39));
  const double q = mul_add(t, g, q0.hi), q_lo = mul_add(t, g, q0.hi - q) + mul_add(-2.0 * c * missing * w, g, q0.lo);
  const double dp = d.hi * e.power, p = mul_add(dp, e.rest, dp), dp_lo = d.lo * e.power;
  const double p_lo = mul_add(dp, e.rest, dp - p) + mul_add(dp_lo, e.rest, dp_lo);
  const double r = p * q, r_lo = mul_add(p, q, -r) + mul_add(p, q_lo, p_lo * q), left = (r + r_lo) * kDown<double>;
  return x < 0.0 ? left : 1.0 - left;
}

}  // namespace alice::ALICE_ISA
