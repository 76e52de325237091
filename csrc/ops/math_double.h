// float64 functions for levels with fma: one exponential in plain arithmetic, its one apart from the rest, and
// quotients that are corrected by what they miss. Within 2 ULP, as by way of pairs (math_erf.h), which serve levels
// without fma and slopes, and with less than half of their instructions.
#pragma once

#include "math_erf.h"
#include "math_float.h"

namespace alice::ALICE_ISA {

// e⁻ᵃ = (1 + rest) · power · 2⁻ᴸⁱᶠᵗ for 0 ≤ a ≤ 760; lifted by 2¹²⁸ nothing on the way is subnormal.
struct Decay {
  double rest, power;
};
template <int Lift>
ALICE_HD Decay decay(double a) {
  constexpr double magic = kRoundDouble + (1023.0 + Lift);  // as in math_float.h
  const double sum = mul_add(a, -kLog2E, magic), n = sum - magic;
  const double r = mul_add(n, -kLn2Lo, mul_add(n, -kLn2Hi, -a));
  return {mul_add(r * r, exp_poly<Full>(r), r), from_bits(to_bits(sum) << 52)};
}
template <int Lift>
ALICE_HD Decay decay(double a, double a_lo) {
  constexpr double magic = kRoundDouble + (1023.0 + Lift);
  const double sum = mul_add(a, -kLog2E, magic), n = sum - magic;
  const double h = mul_add(n, -kLn2Hi, -a), l = mul_add(n, -kLn2Lo, -a_lo), r = h + l, r_lo = (h - r) + l;
  return {r + mul_add(r * r, exp_poly<Full>(r), r_lo), from_bits(to_bits(sum) << 52)};
}
inline constexpr double kFarDouble = 760.0;  // e⁻⁷⁶⁰ is 0 a few hundred times over

// Of v = min(|x|, far).
ALICE_HD TailOf<double> exp_tail(double x, double far) {
  const Decay e = decay<128>(at_most(absolute(x), far));
  return tail_of(e.rest, e.power);
}

ALICE_HD double sigmoid(double x, double far = kFarDouble) { return sigmoid(x, exp_tail(x, far)); }

// −m/(2 + m) with m = e⁻²ᵃ − 1
ALICE_HD double tanh(double x, double far = 20.0) {
  const double a = at_most(absolute(x), far);  // 1 from 19.1 on
  const Decay e = decay<0>(a + a);
  const double m = mul_add(e.power, -e.rest, 1.0 - e.power), d = 2.0 - m, d_lo = (2.0 - d) - m, q = m / d;
  const double missing = mul_add(-q, d_lo, mul_add(-q, d, m));
  return copy_sign(mul_add(missing, mul_add(d, -0.5, 1.457), q), x);
}

ALICE_HD double silu(double x, double far = kFarDouble) { return gate(x, at_most(absolute(x), far), exp_tail(x, far)); }

// x σ(v) with v = 2 √(2/π) (x + 0.044715 x³), of which this is e^−|v|.
inline constexpr double kGeluTanhFar = 21.65;  // where v is 759
ALICE_HD Decay gelu_tanh_decay(double x, double far) {
  const PairOf<double> v = cubic(at_most(absolute(x), far), 0x1.9884533d436p+0, 0x1.42343f2cf1403p-46,
                                 0x1.2444f2a4d8b4bp-4, -0x1.6c843a29d1c7p-61);
  return decay<128>(v.hi, v.lo);
}
ALICE_HD double gelu_tanh(double x, Decay e, double far) {
  return gate(x, at_most(absolute(x), far), tail_of(e.rest, e.power));
}

// log(1 + eˣ) = max(x, 0) + log(1 + t) with t = e^−|x|, and log(1 + t) = t − s (t − s² R(s²)) with s = t/(2 + t).
ALICE_HD double softplus(double x, double far = kFarDouble) {
  const TailOf<double> e = exp_tail(x, far);
  const double s = e.t / (2.0 + e.t), z = s * s;
  const double r = poly(z, 0x1.5555555555555p-1, 0x1.999999999a3ddp-2, 0x1.24924923d44c6p-2, 0x1.c71c727143318p-3,
                        0x1.745cf0b0e03bdp-3, 0x1.3b18b294bebf9p-3, 0x1.10ac75dc602b1p-3, 0x1.eb905e8575054p-4,
                        0x1.687a6e7c95176p-4, 0x1.4b0a26c5f2aefp-3);
  const double inner = mul_add(-z * 0x1p128, r, e.lifted);
  const double curve = (e.lifted + mul_add(-s, inner, e.lifted_lo)) * 0x1p-128;
  return x > 0.0 ? x + curve : curve;
}

ALICE_HD double erf(double x, double far = 6.0) {
  const double a = at_most(absolute(x), far), z = a * a;  // 1 from 5.93 on
  // erf(x)/x − 1 as a function of x² on [0, 1]: 1.3e-19
  const double p = poly(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b3p-4, -0x1.b82ce31284ep-6,
                        0x1.565bcd0dbaa38p-8, -0x1.c02db3dac435fp-11, 0x1.f9a321d5b8e1ep-14, -0x1.f4d1e3183f7aep-17,
                        0x1.b9df224ca4b97p-20, -0x1.5f1ecb6f0764cp-23, 0x1.f7b4bf3b13964p-27, -0x1.389d4f2641625p-30,
                        0x1.05ffd737fb32ep-34);
  // exp(a²) erfc(a) (a + 2.75) on [1, 6] as a function of t = (a − 2.75)/(a + 2.75)
  const double w = 1.0 / (a + 2.75), t = mul_add(-5.5, w, 1.0);
  const Decay e = decay<0>(z);
  const double tail =
      e.power * (w * poly(t, 0x1.10ad1d82f6b64p+0, -0x1.b2127302a037dp-1, 0x1.0d9e9026c1cbdp-1, -0x1.ef86d9cb8d35fp-3,
                          0x1.214c6392032b6p-4, -0x1.2f3af055ecf35p-8, -0x1.745f9e67c6896p-8, 0x1.c18776e5fcfe5p-10,
                          0x1.d788e9c45eb97p-12, -0x1.22d00f94fddd2p-12, -0x1.b945f1c3ecf4cp-15, 0x1.6db72461aef8dp-15,
                          0x1.5fceda9c0d21cp-17, -0x1.af6e1b29f04b9p-18, -0x1.6bce8fd55468ep-19));
  const double large = mul_add(-tail, e.rest, 1.0 - tail);
  return a < 1.0 ? mul_add(x, p, x) : copy_sign(large, x);
}

// x Φ(x) by way of Φ(−a) = e^(−a²/2) F/(a + c) for a = |x|, as in math_float.h.
ALICE_HD double gelu_argument(double x) { return at_most(absolute(x), 38.9); }
ALICE_HD Decay gelu_decay(double x) {
  const double a = gelu_argument(x), aa = a * a, aa_lo = mul_add(a, a, -aa);
  return decay<128>(0.5 * aa, 0.5 * aa_lo);
}
ALICE_HD double gelu(double x, Decay e) {
  constexpr double c = 3.5;
  const double a = gelu_argument(x), aa = a * a;
  const double d = a + c, back = d - a, d_lo = (a - (d - back)) + (c - back);
  const double w = 1.0 / d, miss = mul_add(-w, d_lo, mul_add(-w, d, 1.0));  // 1/(a + c) = w (1 + miss)
  const double t = mul_add(-2.0 * c, w, 1.0);
  const double curve =
      poly(t, 0x1.42fec3680acd3p-2, -0x1.db5837f7f60e3p-4,
           poly_by_two(t, t * t, 0x1.1d35bdee0cdc3p-6, 0x1.a86cec7849229p-8, -0x1.a200796324016p-9,
                       -0x1.d2a14341cd15ep-12, 0x1.f3cfa833b8b6ap-12, 0x1.1928bd7093466p-14, -0x1.3d062a64d3cb8p-14,
                       -0x1.3b42a71614085p-16, 0x1.82128520f4c5bp-17, 0x1.7bd9d8905b191p-18, -0x1.3873e4c94204bp-20,
                       -0x1.92bdcca9d54e0p-20, -0x1.306533578c48ep-23, 0x1.6045313667fe4p-22, 0x1.f4615cd27d077p-24,
                       -0x1.06f336b61d644p-24, -0x1.c2a705d38d096p-26, 0x1.56df837003658p-27));
  const Pair g = sum_from(-0x1.2191517fa27b5p-1, t, curve), f = sum_from(0x1.7d241a953a614p-1, t, g.hi);
  const double f_lo = mul_add(t, g.lo, f.lo);
  // F/(a + c) moves with w by the power 1 to 2.5
  const double h = f.hi * w, h_lo = mul_add(f_lo, w, mul_add(f.hi, w, -h)) + h * (miss * mul_add(w, 6.5, 0.93));
  const double xp = a * e.power, p = mul_add(xp, e.rest, xp), p_lo = mul_add(xp, e.rest, xp - p);
  const double tail = mul_add(p, h, mul_add(p, h_lo, p_lo * h)) * 0x1p-128;
  const double near =
      mul_add(aa,
              poly(aa, 0x1.9884533d4365p-2, -0x1.1058377e2cd0dp-4, 0x1.46d0429733deep-7, -0x1.37403f469a0d8p-10,
                   0x1.e42af401e4654p-14, -0x1.3ce446145a2a5p-17, 0x1.649145efd6082p-21, -0x1.472c137bb56d9p-25),
              0.5 * x);
  const double far = x < 0.0 ? tail : x - tail;
  return copy_sign(a < 0.6 ? near : far, x);  // of −0, too
}

}  // namespace alice::ALICE_ISA
