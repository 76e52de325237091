// The distribution function of the normal distribution, its logarithm and its inverse, and the inverse error function.
#pragma once

#include <iterator>

#include "math_erf.h"
#include "special.h"

namespace alice::special {

inline constexpr double kSqrtPi = 0x1.c5bf891b4ef6bp+0;
inline constexpr double kSqrt2OverPi = 0x1.9884533d43651p-1;

// exp(−y²) erfcx(y) = q for 0 < q ≤ ½: a guess, and a step of Halley's on the logarithm, kept as a low part.
inline Pair inverse_erfc(double q) {
  const double l = log<Full>(q), s = std::sqrt(-l), t = (s - 4.0) / (s + 4.0);
  double guess = 0.0;
  for (int j = static_cast<int>(std::size(kInverseErfcGuess)) - 1; j >= 0; --j)
    guess = guess * t + kInverseErfcGuess[j];
  const double y = s * guess;
  const ScaledErfc scaled = scaled_erfc<Full>({y, 0.0});
  const double erfcx = quotient<Full>(scaled.above, scaled.below), slope = 2.0 / (kSqrtPi * erfcx);
  const Pair yy = two_prod(y, y), gap = two_sum(-yy.hi, -l);
  const double rest = gap.hi + (gap.lo + (log<Full>(erfcx) - yy.lo)), newton = rest / slope;
  return fast_two_sum(y, newton - 0.5 * (slope - 2.0 * y) * newton * newton);
}

// erf⁻¹ of 0 ≤ a < 1 and of 1 − q for a small q
inline Pair inverse_erf(double a) {
  if (a >= 0.5) return inverse_erfc(1.0 - a);
  const Pair h = evaluate(kInverseErf, a * a);
  return product<Full>({a, 0.0}, fast_two_sum(h.hi, h.lo));
}

inline double erfinv(double x) {
  const double a = absolute(x);
  if (!(a < 1.0)) return a == 1.0 ? copy_sign(kInf, x) : kNaN;
  return copy_sign(sum(inverse_erf(a)), x);
}

// exp(y²) at erfc(y) = q, which is erfcx(y)/q: an exponential would raise the error of y to that of y².
inline double grown(double y, double q) {
  const ScaledErfc s = scaled_erfc<Full>({y, 0.0});
  return quotient<Full>(s.above, s.below) / q;
}

inline double erfinv_slope(double x) {
  const double a = absolute(x);
  if (!(a < 1.0)) return a == 1.0 ? kInf : kNaN;
  return 0.5 * kSqrtPi * grown(inverse_erf(a).hi, 1.0 - a);
}

// |Φ⁻¹(p)|/√2 of 0 < p < 1, at which erfc is twice the smaller tail.
inline double both_tails(double p) { return 2.0 * std::min(p, 1.0 - p); }
inline Pair normal_quantile(double p) {
  return p > 0.25 && p < 0.75 ? inverse_erf(absolute(2.0 * p - 1.0)) : inverse_erfc(both_tails(p));
}

inline double ndtri(double p) {
  if (!(p > 0.0 && p < 1.0)) return p == 0.0 ? -kInf : p == 1.0 ? kInf : kNaN;
  const double z = sum(product<Full>(normal_quantile(p), kSqrt2));
  return p < 0.5 ? -z : z;
}

inline double ndtri_slope(double p) {
  if (!(p > 0.0 && p < 1.0)) return p == 0.0 || p == 1.0 ? kInf : kNaN;
  return kSqrtPi * kSqrt2.hi * grown(normal_quantile(p).hi, both_tails(p));
}

// --- log Φ ----------------------------------------------------------------------------------------------------

inline constexpr double kFarLeft = 70.0;

// ½ erfcx(a/√2) = Φ(−a) exp(a²/2), a/√2 up to 50
inline double scaled_tail(double a) {
  const ScaledErfc s = scaled_erfc<Full>(product<Full>({a, 0.0}, {0.5 * kSqrt2.hi, 0.5 * kSqrt2.lo}));
  return 0.5 * quotient<Full>(s.above, s.below);
}
inline double right_tail(double a) {  // Φ(−a), a ≥ 0
  const GaussianTail t = gaussian_tail<Full>(a);
  return scale_down(quotient<Full>(product<Full>(t.e, {0.5 * t.s.above.hi, 0.5 * t.s.above.lo}), t.s.below), t.n);
}

inline double log_ndtr(double x) {
  if (x != x) return x;
  const double a = absolute(x);
  if (x > 0.0) return log1p<Full>(-right_tail(a));
  if (a < 1.0) return log<Full>(right_tail(a));
  if (a > 1e100) return -0.5 * a * a;
  const Pair aa = two_prod(a, a);
  const double r = 1.0 / aa.hi;
  const double rest = a < kFarLeft
                          ? log<Full>(scaled_tail(a))
                          : std::log1p(-r * (1.0 - r * (3.0 - r * (15.0 - 105.0 * r)))) - std::log(a) - kHalfLogTau;
  return -0.5 * aa.hi + (rest - 0.5 * aa.lo);
}

// φ(x)/Φ(x), and how much more it is than −x, a ≥ 25
inline double log_ndtr_excess_far(double a) {
  const double r = 1.0 / (a * a);
  double sum = 29752066.0;
  for (const double c : {1708394.0, 110410.0, 8162.0, 706.0, 74.0, 10.0, 2.0, 1.0}) sum = c - r * sum;
  return sum / a;
}
inline double log_ndtr_slope(double x) {
  const double a = absolute(x);
  if (x <= 0.0) return a < kFarLeft ? 0.5 * kSqrt2OverPi / scaled_tail(a) : a + log_ndtr_excess_far(a);
  const Pair aa = two_prod(a, a);
  const ExpReduction e = reduce_exp_down<Full>(-0.5 * at_most(aa.hi, 1600.0), aa.hi < 1600.0 ? -0.5 * aa.lo : 0.0);
  return scale_down(0.5 * kSqrt2OverPi * exp_mantissa<Full>(e).hi, e.n) / (1.0 - right_tail(a));
}
inline double log_ndtr_excess(double x) { return x < -25.0 ? log_ndtr_excess_far(-x) : x + log_ndtr_slope(x); }

// --- log(p/(1 − p)) -------------------------------------------------------------------------------------------

inline double logit(double p) {
  if (!(p >= 0.0 && p <= 1.0)) return kNaN;
  if (p > 0.25 && p < 0.75) return 2.0 * std::atanh(2.0 * p - 1.0);
  return p < 0.5 ? std::log(p) - std::log1p(-p) : std::log(p / (1.0 - p));
}
inline double logit_slope(double p) { return p >= 0.0 && p <= 1.0 ? 1.0 / (p * (1.0 - p)) : kNaN; }

}  // namespace alice::special
