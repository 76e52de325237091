// exp, log and what is made of them, in double arithmetic: with the template parameter Full for float64 results,
// mostly below 0.8 ULP, with Short for float32 results, correctly rounded all but always (see math_bits.h).
//
// The polynomials are Chebyshev fits of the named function over the reduced range, made with 60 digits
// (mpmath.chebyfit); the error in the comment is absolute.
#pragma once

#include "math_bits.h"

namespace alice::ALICE_ISA {

inline constexpr double kLn2 = 0x1.62e42fefa39efp-1;
inline constexpr double kLn2Tail = 0x1.abc9e3b39803fp-56;  // ln 2 − kLn2
inline constexpr double kLn2Hi = 0x1.62e42feep-1;          // 32 bits: n·kLn2Hi is exact for |n| < 2²¹
inline constexpr double kLn2Lo = 0x1.a39ef35793c76p-33;
inline constexpr double kLog2E = 0x1.71547652b82fep+0;
inline constexpr double kLog10E = 0x1.bcb7b1526e50ep-2;

// x = n·ln2 + r + r_lo, |r| ≤ 0.347, and q = eʳ − 1 − r. What e^x and e^x − 1 share.
struct ExpReduction {
  double n, r, r_lo, q;
};

// (eʳ − 1 − r)/r²: 1.4e-18, 1.4e-9
template <class P>
ALICE_HD double exp_poly(double r) {
  if constexpr (P::kLong) {
    return poly_by_two(r, r * r, 0x1p-1, 0x1.5555555555557p-3, 0x1.5555555555556p-5, 0x1.1111111110085p-7,
                       0x1.6c16c16c162a3p-10, 0x1.a01a01ac16f76p-13, 0x1.a01a01a6f35fbp-16, 0x1.71de019d031e7p-19,
                       0x1.27e4db0f8a3efp-22, 0x1.af4f1ddf981a8p-26, 0x1.1f73b376c0f55p-29);
  } else {
    return poly(r, 0x1.0000000bbf332p-1, 0x1.5555555a8d60ap-3, 0x1.5554e7e77b94p-5, 0x1.1110e072da4bdp-7,
                0x1.6d44b137a66cp-10, 0x1.a126522421ce2p-13);
  }
}

// For |c| up to 1400 or 700.
template <class P>
ALICE_HD ExpReduction reduce_exp_within(double c, double x_lo = 0.0) {
  const double n = nearest(c * kLog2E);
  if constexpr (P::kPairs) {
    const double h = c - n * kLn2Hi, l = n * kLn2Lo, r = h - l;
    return {n, r, ((h - r) - l) + x_lo, r * r * exp_poly<P>(r)};
  } else {
    const double r = mul_add(n, -kLn2Lo, c - n * kLn2Hi);
    return {n, r, 0.0, r * r * exp_poly<P>(r)};
  }
}

template <class P>
ALICE_HD ExpReduction reduce_exp(double x, double x_lo = 0.0) {
  // Far outside, so that the scaling by 2ⁿ still tells under- and overflow, and near enough for its factors.
  const double bound = P::kPairs ? 1400.0 : 700.0;
  return reduce_exp_within<P>(at_most(at_least(x, -bound), bound), x_lo);
}

template <class P>
ALICE_HD double scale_exp(double x, double n) {
  return P::kPairs ? scale(x, n) : x * pow2(n);
}

// The same for x ≤ 0, where one bound and one factor will do: beyond, e^x is 0 a few hundred times over.
template <class P>
ALICE_HD ExpReduction reduce_exp_down(double x, double x_lo = 0.0) {
  return reduce_exp_within<P>(at_least(x, -760.0), x_lo);
}
ALICE_HD double scale_down(double x, double n) { return x * pow2(n + 128.0) * 0x1p-128; }

// eʳ as a pair; e^x is this times 2ⁿ. r_lo enters as a factor, since it may be far above eps (an x² in two parts).
template <class P>
ALICE_HD Pair exp_mantissa(const ExpReduction& e) {
  if constexpr (!P::kPairs) return {1.0 + (e.r + e.q), 0.0};
  const Pair s = fast_two_sum(1.0, e.r);
  return fast_two_sum(s.hi, s.lo + (e.q + e.r_lo * (s.hi + e.q)));
}

// e^x − 1 as a pair, for −60 < x < 700; beyond, garbage.
template <class P>
ALICE_HD Pair expm1_pair(const ExpReduction& e) {
  const double power = pow2(e.n);
  if constexpr (!P::kPairs) return {mul_add(power, e.r + e.q, power - 1.0), 0.0};
  const Pair p = fast_two_sum(e.r, e.q + e.r_lo), a = two_sum(power, -1.0), s = two_sum(a.hi, power * p.hi);
  return fast_two_sum(s.hi, s.lo + (a.lo + power * p.lo));
}

template <class P>
ALICE_HD double exp(double x) {
  const ExpReduction e = reduce_exp<P>(x);
  return scale_exp<P>(exp_mantissa<P>(e).hi, e.n);
}

template <class P>
ALICE_HD double expm1(double x) {
  const ExpReduction e = reduce_exp<P>(at_least(x, -60.0));  // −1 from −38 on
  const double small = expm1_pair<P>(e).hi, large = scale_exp<P>(exp_mantissa<P>(e).hi, e.n);
  return x > 40.0 ? large : x == 0.0 ? x : small;
}

// The same for x ≤ 0.
template <class P>
ALICE_HD double expm1_down(double x) {
  const double r = expm1_pair<P>(reduce_exp_within<P>(at_least(x, -60.0))).hi;
  return x == 0.0 ? x : r;
}

// 2ᶠ − 1 − f ln 2 for −½ ≤ f ≤ 0.586
ALICE_HD double exp2_curve(double f) {
  const double ff = f * f;
  return ff * poly_by_two(f, ff, 0x1.ebfbdff82c58fp-3, 0x1.c6b08d704a0c3p-5, 0x1.3b2ab6fba4f0ep-7, 0x1.5d87fe78a4c1p-10,
                          0x1.430912f82029bp-13, 0x1.ffcbfc699f311p-17, 0x1.62c023e662502p-20, 0x1.b524f4f02024cp-24,
                          0x1.e4c7aaa975b0fp-28, 0x1.e9dd06883c2aap-32, 0x1.d045d0cc788ep-36);
}
// 2ᶠ − 1
template <class P>
ALICE_HD double exp2m1(double f) {
  if constexpr (P::kLong) return mul_add(f, kLn2, exp2_curve(f));  // 1.7e-18 f, 1.7e-10 f
  return f * poly(f, 0x1.62e42fefa39efp-1, 0x1.ebfbe045f4d3cp-3, 0x1.c6b08d883dca1p-5, 0x1.3b2a1b7152befp-7,
                  0x1.5d879ead06a82p-10, 0x1.443fffc90db59p-13, 0x1.00a581594758ep-16);
}

// x = n + f with an integer n, |f − middle| ≤ ½, and power · last = 2ⁿ: the first is normal, the last rounds to
// subnormals and to infinity. −1100 ≤ x < 1024.5 + middle.
struct Exp2Split {
  double f, power, last;
};
ALICE_HD Exp2Split split_exp2(double x, double middle = 0.0) {
  const bool left = x < 0.0;
  const double magic = left ? kRoundDouble + (1023.0 + 128.0) : kRoundDouble + (1023.0 - 1.0);
  const double sum = (x - middle) + magic;
  return {x - (sum - magic), from_bits(to_bits(sum) << 52), left ? 0x1p-128 : 2.0};
}

template <class P>
ALICE_HD double exp2(double x, double low = -1100.0, double high = 1024.25, double factor = 1.0, double middle = 0.0) {
  const Exp2Split e = split_exp2(at_most(at_least(x, low), high), middle);
  const double scaled = factor * e.power;
  return mul_add(exp2m1<P>(e.f), scaled, scaled) * e.last;
}

template <class P>
ALICE_HD double exp2_slope(double x) {
  return exp2<P>(x, -1100.0, 1024.55, kLn2, 0.085);  // which overflows later than 2ˣ
}

template <class P>
ALICE_HD double sinh(double x) {
  const double a = absolute(x);
  const ExpReduction e = reduce_exp<P>(a);
  // (E + E/(E + 1))/2 with E = e^a − 1; from 40 on e^a/2.
  const Pair m = expm1_pair<P>(e);
  Pair d = two_sum(m.hi, 1.0);
  d.lo += m.lo;
  const double small = 0.5 * (m.hi + (quotient<P>(m, d) + m.lo));
  const double large = scale_exp<P>(exp_mantissa<P>(e).hi, e.n - 1.0);
  return copy_sign(a > 40.0 ? large : small, x);
}

template <class P>
ALICE_HD double cosh(double x) {
  const ExpReduction e = reduce_exp<P>(absolute(x));
  const Pair m = exp_mantissa<P>(e);
  const double half = scale_exp<P>(m.hi, e.n - 1.0);
  return half < kInf ? half + (0.25 / half + scale_exp<P>(m.lo, e.n - 1.0)) : half;
}

template <class P>
ALICE_HD double tanh(double x) {
  const double a = at_most(absolute(x), 40.0);  // 1 from 19.1 on
  const Pair m = expm1_pair<P>(reduce_exp<P>(a + a));
  Pair d = two_sum(m.hi, 2.0);
  d.lo += m.lo;
  return copy_sign(quotient<P>(m, d), x);
}

// The natural logarithm of u + u_lo for |u_lo| below about one ULP of u.
template <class P>
ALICE_HD double log(double u, double u_lo = 0.0) {
  // u = m·2ᵏ with m in [√½, √2); subnormals are lifted first.
  const bool tiny = u < 0x1p-1022;
  const double lifted = tiny ? u * 0x1p54 : u;
  const std::uint64_t t = to_bits(lifted) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
  // The exponent as a double without an integer conversion (AVX2 has none): it becomes the low bits of 2⁵².
  const double k = from_bits((t >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0) - (tiny ? 54.0 : 0.0);
  const double m = from_bits((t & 0xfffffffffffffu) + 0x3fe6a09e667f3bcdu);
  const double f = m - 1.0, s = f / (2.0 + f), z = s * s;
  double r;
  if constexpr (P::kPairs) {
    // log(1 + f) = 2 s + s z R(z), R to 2.1e-18; 2 s = f − f²/2 + s f²/2 keeps f exact.
    const double g = poly(z, 0x1.5555555555555p-1, 0x1.9999999999a38p-2, 0x1.2492492476ba1p-2, 0x1.c71c72017a15cp-3,
                          0x1.745cf8f6c9119p-3, 0x1.3b1c38474d3eep-3, 0x1.0fbe478772696p-3, 0x1.0c06cf14c641bp-3);
    const double h = 0.5 * f * f, c = u_lo / u;
    r = k * kLn2Hi - ((h - (s * (h + z * g) + (k * kLn2Lo + c))) - f);
  } else {
    const double g =
        poly(z, 0x1.5555554bae5e4p-1, 0x1.9999eb792e453p-2, 0x1.245c3741a294p-2, 0x1.ddd171deebc7p-3);  // 1.2e-9
    r = k * kLn2 + mul_add(s * z, g, s + s) + u_lo / u;
  }
  r = u < kInf ? r : u;  // +inf and NaN are their own logarithms
  r = u < 0.0 ? kNaN : r;
  return u == 0.0 ? -kInf : r;
}

// log(1 + x + x_lo)
template <class P>
ALICE_HD double log1p(double x, double x_lo = 0.0) {
  const Pair u = two_sum(1.0, x);
  // At infinity the low part is NaN, and far out it is nothing.
  const double r = log<P>(u.hi, absolute(u.hi) < 0x1p60 ? u.lo + x_lo : 0.0);
  return x == 0.0 ? x : r;
}

template <class P>
ALICE_HD double acosh(double x) {
  const double t = x - 1.0;
  const Pair tt = two_prod(t, t), w = two_sum(tt.hi, t + t);
  const double s = std::sqrt(w.hi);
  const Pair ss = two_prod(s, s);
  const double s_lo = s > 0.0 ? (((w.hi - ss.hi) - ss.lo) + (w.lo + tt.lo)) / (s + s) : 0.0;
  const Pair y = two_sum(t, s);
  const double near = log1p<P>(y.hi, y.lo + s_lo), far = log<P>(x) + kLn2;
  return x < 1.0 ? kNaN : x > 0x1p40 ? far : near;
}

// Float32 only: in double arithmetic with about 3e-16, far below a float's ULP; the C library serves float64.
ALICE_HD double asinh_short(double x) {
  const double a = absolute(x), aa = a * a, y = a + aa / (1.0 + std::sqrt(1.0 + aa));
  return copy_sign(log1p<Short>(a < 0x1p200 ? y : a), x);
}

ALICE_HD double atanh_short(double x) {
  const double a = absolute(x);
  return copy_sign(0.5 * log1p<Short>((a + a) / (1.0 - a)), x);
}

}  // namespace alice::ALICE_ISA
