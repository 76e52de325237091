// Modified Bessel functions times exp(−|x|), and sin(πx)/(πx) with its derivatives.
#pragma once

#include "special.h"

namespace alice::special {

inline constexpr double kBesselFar = 8.0;

// exp(−a) I₀(a), a ≥ 0, and its derivative exp(−a) (I₁(a) − I₀(a))
inline Pair bessel0(double a) {
  if (a < kBesselFar) return evaluate(kBessel0, a);
  return {sum(evaluate(kBessel0Far, kBesselFar / a)) / std::sqrt(a), 0.0};
}
inline Pair bessel0_slope(double a) {
  if (a < kBesselFar) return evaluate(kBessel0Slope, a);
  return {sum(evaluate(kBessel0SlopeFar, kBesselFar / a)) / std::sqrt(a) / a, 0.0};
}
inline double bessel1(double a) {  // exp(−a) I₁(a)
  if (a < 2.0) return a * sum(evaluate(kBessel1, a));
  const Pair value = bessel0(a), slope = bessel0_slope(a), r = two_sum(value.hi, slope.hi);
  return r.hi + (r.lo + (value.lo + slope.lo));
}

inline double i0e(double x) { return x == x ? sum(bessel0(absolute(x))) : x; }
inline double i0e_slope(double x) {
  return x == x ? (x == 0.0 ? 0.0 : copy_sign(1.0, x) * sum(bessel0_slope(absolute(x)))) : x;
}
inline double i1e(double x) { return x == x ? copy_sign(bessel1(absolute(x)), x) : x; }
inline double i1e_slope(double x) {
  if (x != x) return x;
  const double a = absolute(x), by_a = a < 2.0 ? sum(evaluate(kBessel1, a)) : bessel1(a) / a;
  return -sum(bessel0_slope(a)) - by_a;
}

// --- sinc -----------------------------------------------------------------------------------------------------

// πⁿ Σ (−1)ᵏ y²ᵏ⁻ⁿ/((2k − n)! (2k + 1)) over 2k ≥ n, y = πx
inline double sinc_series(int n, double x) {
  const double y = kPi * x;
  double s = 0.0, term = (n % 4 == 1 || n % 4 == 2) ? -1.0 : 1.0;  // at k = ⌈n/2⌉
  if (n % 2) term *= y;
  for (int k = (n + 1) / 2; k < 200; ++k) {
    const double more = term / (2.0 * k + 1.0), m = 2.0 * k - n;
    s += more;
    if (absolute(more) < 0x1p-60 * absolute(s) || more == 0.0) break;
    term *= -y * y / ((m + 1.0) * (m + 2.0));
  }
  return n == 0 ? s : s * std::pow(kPi, n);
}

// The n-th derivative of sin(πx)/(πx).
inline double sinc(int n, double x) {
  if (!(absolute(x) < kInf)) return x == x ? 0.0 : x;
  const double y = kPi * absolute(x);
  if (y < (n == 0 ? 0.25 : n == 1 ? 1.0 : n + 2.0)) return sinc_series(n, x);
  double s = sin_pi(x) / (kPi * x), power = 1.0;
  for (int k = 1; k <= n; ++k, power *= kPi) {  // x s⁽ᵏ⁾ + k s⁽ᵏ⁻¹⁾ is the derivative of sin(πx)/π
    const double wave = k % 2 ? cos_pi(x) : sin_pi(x);
    s = (power * (k % 4 == 2 || k % 4 == 3 ? -wave : wave) - k * s) / x;
  }
  return s;
}

}  // namespace alice::special
