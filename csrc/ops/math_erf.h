// erf, erfc, the Gaussian and the logistic function with what activations are made of; Full and Short as in math_exp.h.
//
// Tails keep their relative accuracy because every exponential stays apart as mantissa · 2ⁿ until the last step, and
// because its argument, a product, is carried in two parts.
#pragma once

#include "math_exp.h"

namespace alice::ALICE_ISA {

inline constexpr double kInvSqrt2Pi = 0x1.9884533d43651p-2;
inline constexpr double kInvSqrt2PiLo = -0x1.cbc0d30ebfd15p-56;
inline constexpr double kTwoInvSqrtPi = 0x1.20dd750429b6dp+0;
inline constexpr double kTwoInvSqrtPiLo = 0x1.1ae3a914fedp-56;

// exp(z²) erfc(z) = above/below for 0 ≤ z ≤ 50.
struct ScaledErfc {
  Pair above, below;
};

template <class P>
ALICE_HD ScaledErfc scaled_erfc(Pair z) {
  Pair below = two_sum(1.0, z.hi + z.hi);
  below.lo += z.lo + z.lo;
  // (1 + 2 z) exp(z²) erfc(z) as a function of t = (z − 4)/(z + 4): 1e-17, 1.5e-9.
  if constexpr (!P::kLong) {
    const double t = (z.hi - 4.0) / (z.hi + 4.0);
    return {{poly(t, 0x1.3ba5916978b3cp+0, -0x1.1df1ad06aa653p-3, 0x1.f7f6dc02c4ca5p-7, 0x1.16ece498e3034p-4,
                  -0x1.9ddd1e2d451bp-4, 0x1.7feeb526ca3b8p-4, -0x1.0fa48150d308ep-4, 0x1.307151650d6fdp-5,
                  -0x1.09eb9b2071893p-6, 0x1.4a90cfbe277cap-8, -0x1.73be946f4bb19p-11, -0x1.c8e00ab7209ccp-13,
                  0x1.dee71c438d778p-14, -0x1.3baa6d905aa49p-17),
             0.0},
            below};
  } else {
    // The slope reaches 1.7 at z = 0, where a rounded t would cost 3 ULP: t is taken in two parts, and the last step
    // of the polynomial too.
    const Pair above = two_sum(z.hi, -4.0), under = two_sum(z.hi, 4.0);
    const double inverse = 1.0 / under.hi, t = above.hi * inverse;
    const double p = poly(t, -0x1.1df1ad154a286p-3, 0x1.f7f5df66fd797p-7, 0x1.16ecefcfa4d1p-4, -0x1.9ddb23c3e8f13p-4,
                          0x1.7fee004e1eefep-4, -0x1.0fb06dfe4c6cp-4, 0x1.3079edf5181dfp-5, -0x1.09623884747dbp-6,
                          0x1.49c672e199469p-8, -0x1.8d4a9a6465372p-11, -0x1.a1df5e81f57b4p-13, 0x1.3be0432bfa86p-13,
                          -0x1.99537515467bep-16, -0x1.7884d2487d5efp-17, 0x1.7ef644c7815aap-18, 0x1.393f4d359a7fdp-22,
                          -0x1.b8ce493292da5p-21, 0x1.4dcd6b6d85452p-24, 0x1.c8a212189b424p-24, -0x1.64110b1736fb3p-26,
                          -0x1.a7f4a11380e73p-27, 0x1.bc41def3d5cc5p-29, 0x1.ff247156a53a2p-31, -0x1.2feb115e10ff8p-32);
    if constexpr (!P::kPairs) return {{mul_add(t, p, 0x1.3ba5916e9fd7fp+0), 0.0}, below};
    const Pair back = two_prod(t, under.hi);
    const double t_lo = (((above.hi - back.hi) - back.lo) + (above.lo - t * under.lo)) * inverse;
    const double slope = poly(t, -0.14, 0.208, 0.106, -1.071, 0.847);  // within 0.06
    const Pair value = fast_two_sum(0x1.3ba5916e9fd7fp+0, t * p);
    return {{value.hi, value.lo + t_lo * slope}, below};
  }
}

// exp(−z²) erfcx(z), z ≥ 0
template <class P>
ALICE_HD double erfc_tail(double z) {
  const double c = at_most(z, 28.0);  // 0 from 27.3 on
  const Pair zz = two_prod(c, c);
  const ExpReduction e = reduce_exp_down<P>(-zz.hi, -zz.lo);
  const ScaledErfc s = scaled_erfc<P>({c, 0.0});
  return scale_down(quotient<P>(product<P>(exp_mantissa<P>(e), s.above), s.below), e.n);
}

template <class P>
ALICE_HD double erfc(double x) {
  const double tail = erfc_tail<P>(absolute(x));
  return x < 0.0 ? 2.0 - tail : tail;
}

template <class P>
ALICE_HD double erf(double x) {
  const double a = absolute(x), z = a * a;
  double p;  // erf(x)/x − 1 as a function of x² on [0, 1]: 1.3e-19, 3.4e-11
  if constexpr (P::kLong) {
    p = poly(z, 0x1.06eba8214db69p-3, -0x1.812746b0379e6p-2, 0x1.ce2f21a042b3p-4, -0x1.b82ce31284ep-6,
             0x1.565bcd0dbaa38p-8, -0x1.c02db3dac435fp-11, 0x1.f9a321d5b8e1ep-14, -0x1.f4d1e3183f7aep-17,
             0x1.b9df224ca4b97p-20, -0x1.5f1ecb6f0764cp-23, 0x1.f7b4bf3b13964p-27, -0x1.389d4f2641625p-30,
             0x1.05ffd737fb32ep-34);
  } else {
    p = poly(z, 0x1.06eba82022eadp-3, -0x1.81274665754c3p-2, 0x1.ce2f08fec14fdp-4, -0x1.b829c897922e5p-6,
             0x1.562a60ddba6e6p-8, -0x1.bccf664d7f763p-11, 0x1.d887505de3ba6p-14, -0x1.445f47d33d87bp-17);
  }
  return a < 1.0 ? mul_add(x, p, x) : copy_sign(1.0 - erfc_tail<P>(a), x);
}

template <class P>
ALICE_HD double erf_slope(double x) {  // 2/√π exp(−x²)
  const double c = at_most(absolute(x), 28.0);
  const Pair xx = two_prod(c, c);
  const ExpReduction e = reduce_exp_down<P>(-xx.hi, -xx.lo);
  return scale_down(product<P>(exp_mantissa<P>(e), {kTwoInvSqrtPi, kTwoInvSqrtPiLo}).hi, e.n);
}

// --- The Gaussian error linear unit: x Φ(x), slope Φ(x) + x φ(x). ---

struct GaussianTail {  // of a = min(|x|, 40): Φ(−a) = ½ e · s.above/s.below · 2ⁿ
  double a, n;
  Pair e;
  ScaledErfc s;
};

template <class P>
ALICE_HD GaussianTail gaussian_tail(double x) {
  const double a = at_most(absolute(x), 40.0);
  const Pair aa = two_prod(a, a);
  const ExpReduction e = reduce_exp_down<P>(-0.5 * aa.hi, -0.5 * aa.lo);
  const Pair z = product<P>({a, 0.0}, {0x1.6a09e667f3bcdp-1, -0x1.bdd3413b26456p-55});
  return {a, e.n, exp_mantissa<P>(e), scaled_erfc<P>(z)};
}

template <class P>
ALICE_HD double gelu(double x) {
  const GaussianTail t = gaussian_tail<P>(x);
  const Pair half_tail = product<P>(t.e, {0.5 * t.s.above.hi, 0.5 * t.s.above.lo});
  const double negative = scale_down(quotient<P>(product<P>(half_tail, {-t.a, 0.0}), t.s.below), t.n);
  const Pair phi = two_sum(1.0, -scale_down(quotient<P>(half_tail, t.s.below), t.n));
  const double positive = mul_add(x, phi.hi, t.a * phi.lo);
  return copy_sign(x < 0.0 ? negative : positive, x);  // of −0, too
}

template <class P>
ALICE_HD double gelu_slope(double x) {
  const GaussianTail t = gaussian_tail<P>(x);
  // Φ(−a) − a φ(a) over one denominator.
  const Pair density = product<P>(product<P>({t.a, 0.0}, t.s.below), {kInvSqrt2Pi, kInvSqrt2PiLo});
  Pair d = two_sum(0.5 * t.s.above.hi, -density.hi);
  if constexpr (P::kPairs) d = fast_two_sum(d.hi, d.lo + (0.5 * t.s.above.lo - density.lo));
  const double left = scale_down(quotient<P>(product<P>(t.e, d), t.s.below), t.n);
  return x < 0.0 ? left : 1.0 - left;
}

// --- The logistic function σ(v) = 1/(1 + e⁻ᵛ), and gates x σ(v). ---

struct Logistic {  // e^−|v| = e · 2ⁿ and d = 1 + e^−|v|
  double n;
  Pair e, t, d;
};

template <class P>
ALICE_HD Logistic logistic(double v, double v_lo = 0.0) {
  const ExpReduction r = reduce_exp_down<P>(-absolute(v), v < 0.0 ? v_lo : -v_lo);
  const Pair e = exp_mantissa<P>(r), t = {scale_down(e.hi, r.n), scale_down(e.lo, r.n)};
  Pair d = fast_two_sum(1.0, t.hi);
  d.lo += t.lo;
  return {r.n, e, t, d};
}

template <class P>
ALICE_HD double sigmoid(double v, double v_lo = 0.0) {
  const Logistic g = logistic<P>(v, v_lo);
  const bool left = v < 0.0;
  const double r = quotient<P>({left ? g.e.hi : 1.0, left ? g.e.lo : 0.0}, g.d);
  return left ? scale_down(r, g.n) : r;
}

// σ(v) σ(−v) 2ᵏ
template <class P>
ALICE_HD double sigmoid_slope(double v, double k = 0.0) {
  const Logistic g = logistic<P>(v);
  return scale_down(quotient<P>(g.e, product<P>(g.d, g.d)), g.n + k);
}

// x σ(v) where v has the sign of x
template <class P>
ALICE_HD double gate(double x, Pair v) {
  const Logistic g = logistic<P>(v.hi, v.lo);
  const bool left = v.hi < 0.0;
  const Pair xe = product<P>(g.e, {x, 0.0});
  const double r = quotient<P>({left ? xe.hi : x, left ? xe.lo : 0.0}, g.d);
  return copy_sign(left ? scale_down(r, g.n) : r, x);  // of −0, too
}

// σ(v) + w σ(v) σ(−v), the slope of x σ(v) with w = x dv/dx
template <class P>
ALICE_HD double gate_slope(Pair v, Pair w) {
  const Logistic g = logistic<P>(v.hi, v.lo);
  const bool left = v.hi < 0.0;
  // Over (1 + e)²: e (1 + e + w) on the left, 1 + e + w e on the right.
  const Pair we = product<P>(w, g.t);
  Pair sum = two_sum(g.d.hi, left ? w.hi : we.hi);
  sum = fast_two_sum(sum.hi, sum.lo + (g.d.lo + (left ? w.lo : we.lo)));
  const Pair esum = product<P>(g.e, sum);
  const Pair above = {left ? esum.hi : sum.hi, left ? esum.lo : sum.lo};
  const double r = quotient<P>(above, product<P>(g.d, g.d));
  return left ? scale_down(r, g.n) : r;
}

template <class P>
ALICE_HD double silu(double x) {
  const double c = at_least(x, -800.0), r = gate<P>(at_most(c, 800.0), {c, 0.0});
  return x > 100.0 ? x : r;
}

template <class P>
ALICE_HD double silu_slope(double x) {
  const double c = at_most(at_least(x, -800.0), 800.0);
  return gate_slope<P>({c, 0.0}, {c, 0.0});
}

// The tanh form of gelu is x σ(v) with v = 2 √(2/π) (x + 0.044715 x³).
inline constexpr double kGeluCubic = 0x1.6e4e26d4801f7p-5;
inline constexpr double kGeluCubicLo = 0x1.441355475a31ap-59;
template <class P>
ALICE_HD Pair gelu_tanh_gate(double x, double cubic_factor) {
  const Pair xx = product<P>({x, 0.0}, {x, 0.0});
  const Pair kxx = product<P>(xx, {cubic_factor * kGeluCubic, cubic_factor * kGeluCubicLo});
  Pair u = two_sum(1.0, kxx.hi);
  u = fast_two_sum(u.hi, u.lo + kxx.lo);
  return product<P>(product<P>({x, 0.0}, {4.0 * kInvSqrt2Pi, 4.0 * kInvSqrt2PiLo}), u);
}

template <class P>
ALICE_HD double gelu_tanh(double x) {
  const double c = at_most(at_least(x, -40.0), 40.0);  // beyond, the gate is 0 or 1
  const double r = gate<P>(c, gelu_tanh_gate<P>(c, 1.0));
  return x > 40.0 ? x : r;
}

template <class P>
ALICE_HD double gelu_tanh_slope(double x) {
  const double c = at_most(at_least(x, -40.0), 40.0);
  const Pair w = gelu_tanh_gate<P>(c, 3.0);  // x dv/dx = 2 √(2/π) (x + 3 · 0.044715 x³)
  return gate_slope<P>(gelu_tanh_gate<P>(c, 1.0), w);
}

// log(1 + eˣ) = max(x, 0) + log(1 + e^−|x|)
template <class P>
ALICE_HD double softplus(double x, double x_lo = 0.0) {
  const Logistic g = logistic<P>(x, x_lo);
  const double small = log1p<P>(g.t.hi, g.t.lo);
  return x > 0.0 ? x + (small + x_lo) : small;
}

}  // namespace alice::ALICE_ISA
