// The gamma function, its logarithm, that one's derivatives, and those of the beta function.
//
// Between 1 and 3 they are polynomials in pieces, without the zeros that are there. Recurrences lead to that interval
// from below 8, where Stirling's series take over; what lies left of 0 is reflected.
#pragma once

#include "special.h"

namespace alice::special {

inline constexpr double kStirling = 8.0;

// log Γ(x) − (x − ½) log x + x − ½ log 2π
inline double stirling_rest(double x) {
  const double r = 1.0 / x;
  return r * poly(r * r, 0x1.5555555555555p-4, -0x1.6c16c16c16c17p-9, 0x1.a01a01a01a01ap-11, -0x1.3813813813814p-11,
                  0x1.b951e2b18ff23p-11, -0x1.f6ab0d9993c7dp-10, 0x1.a41a41a41a41ap-8, -0x1.e4286cb0f5398p-6,
                  0x1.6fe96381e0680p-3, -0x1.6476701181f3ap+0);
}

// log Γ(1 + u) for 0 ≤ u ≤ 2
inline Pair log_gamma_near(double u) {
  const Pair r = evaluate(kLogGamma, u);
  return product<Full>(product<Full>({u, 0.0}, two_sum(u, -1.0)), fast_two_sum(r.hi, r.lo));
}

inline double log_gamma_right(double x) {
  if (x < 3.0) {
    const Pair near = log_gamma_near(x < 1.0 ? x : x - 1.0);
    if (x >= 1.0) return near.hi;
    const Pair r = two_sum(near.hi, -log<Full>(x));
    return r.hi + (r.lo + near.lo);
  }
  if (x < kStirling) {
    double product = 1.0;
    while (x >= 3.0) product *= x -= 1.0;
    const Pair near = log_gamma_near(x - 1.0), r = two_sum(log<Full>(product), near.hi);
    return r.hi + (r.lo + near.lo);
  }
  if (x > 1e300) return x * (std::log(x) - 1.0);
  const Pair l = log_pair(x), factor = two_sum(l.hi, -1.0);
  const Pair main = product<Full>(two_sum(x, -0.5), fast_two_sum(factor.hi, factor.lo + l.lo));
  return main.hi + (main.lo + ((kHalfLogTau - 0.5) + stirling_rest(x)));
}

inline double log_gamma(double x) {
  if (x > 0.0 || x != x) return x < kInf ? log_gamma_right(x) : x;
  const double z = -x;
  if (is_integer(z)) return kInf;
  // Γ(−z) Γ(z) = −π/(z sin πz)
  return std::log(kPi) - std::log(absolute(sin_pi(z))) - std::log(z) - log_gamma_right(z);
}

// --- Γ: by its logarithm in two parts ---------------------------------------------------------------------------

inline Pair exp_pair(Pair p) {
  const ExpReduction e = reduce_exp<Full>(p.hi, p.lo);
  const Pair m = exp_mantissa<Full>(e);
  return {scale_exp<Full>(m.hi, e.n), scale_exp<Full>(m.lo, e.n)};
}

inline double gamma_right(double x) {
  if (x < 1e-17) return 1.0 / x;
  if (x < 1.0) return quotient<Full>(exp_pair(log_gamma_near(x)), {x, 0.0});
  if (x < kStirling) {
    Pair steps = {1.0, 0.0};
    while (x >= 3.0) steps = product<Full>(steps, {x -= 1.0, 0.0});
    return product<Full>(exp_pair(log_gamma_near(x - 1.0)), steps).hi;
  }
  if (x > 172.0) return kInf;
  const Pair l = log_pair(x), factor = two_sum(l.hi, -1.0);
  const Pair main = product<Full>({x - 0.5, 0.0}, fast_two_sum(factor.hi, factor.lo + l.lo));
  const Pair r = two_sum(main.hi, (kHalfLogTau - 0.5) + stirling_rest(x));
  return exp_pair({r.hi, r.lo + main.lo}).hi;
}

inline double gamma(double x) {
  if (x > 0.0 || x != x) return gamma_right(x);
  if (x > -1e-17) return 1.0 / x;
  if (is_integer(x)) return kNaN;
  if (x < -200.0) return odd(std::floor(x)) ? -0.0 : 0.0;
  Pair steps = {1.0, 0.0};  // from where 1/Γ(−x) is a number
  for (; x < -150.0; x += 1.0) steps = product<Full>(steps, {x, 0.0});
  return kPi / (x * sin_pi(-x) * gamma_right(-x)) / steps.hi;
}

// Σ B₂ₖ/(2k) x⁻²ᵏ of t = 1/x², which is log x − 1/(2x) − ψ(x).
inline constexpr double kDigammaSeries[] = {
    0x1.5555555555555p-4,  -0x1.1111111111111p-7, 0x1.0410410410410p-8,  -0x1.1111111111111p-8, 0x1.f07c1f07c1f08p-8,
    -0x1.5995995995996p-6, 0x1.5555555555555p-4,  -0x1.c5e5e5e5e5e5ep-2, 0x1.86e7f9b9fe6e8p+1,  -0x1.a74ca514ca515p+4};
inline double digamma_rest(double x) {
  const double t = 1.0 / (x * x);
  double s = 0.0;
  for (int k = 9; k >= 0; --k) s = s * t + kDigammaSeries[k];
  return s * t;
}

// ψ(1 + u) for 0 ≤ u ≤ 2
inline Pair digamma_near(double u) {
  const Pair g = evaluate(kDigamma, u), distance = two_sum(u, -kDigammaRoot);
  return product<Full>(fast_two_sum(distance.hi, distance.lo - kDigammaRootLo), fast_two_sum(g.hi, g.lo));
}

inline double digamma_right(double x) {
  if (x < 1.0) {
    const Pair near = digamma_near(x);
    if (x < 1e-9) return near.hi - 1.0 / x;
    const Pair pole = inverse(x), r = two_sum(near.hi, -pole.hi);
    return r.hi + (r.lo + (near.lo - pole.lo));
  }
  if (x < kStirling) {
    double steps = 0.0;
    while (x >= 3.0) steps += 1.0 / (x -= 1.0);
    const Pair near = digamma_near(x - 1.0);
    return near.hi + (near.lo + steps);
  }
  const Pair l = log_pair(x);
  return l.hi + (l.lo - (0.5 / x + digamma_rest(x)));
}

inline double digamma(double x) {
  if (x > 0.0 || x != x) return x < kInf ? digamma_right(x) : x;
  if (x > -1e-17) return -1.0 / x;
  if (is_integer(x)) return kNaN;
  const double z = -x;  // ψ(−z) = ψ(z) + 1/z + π/tan πz
  return digamma_right(z) + 1.0 / z + kPi / tan_pi(z);
}

inline double gamma_slope(double x) { return gamma(x) * digamma(x); }

// --- polygamma(n), n ≥ 1: (−1)ⁿ⁺¹ n! Σ 1/(x + k)ⁿ⁺¹ ------------------------------------------------------------

// n!/xⁿ⁺¹, or n!/xⁿ: that many factors 1/x.
inline double over_powers(int n, double x, int factors) {
  double factorial = 1.0;
  for (int j = 2; j <= n; ++j) factorial *= j;
  const double power = factors == 2 ? x * x : std::pow(x, factors);
  if (factorial < kInf && power > 0x1p-1000 && power < kInf) return factorial / power;
  double r = 1.0;
  for (int j = 1; j <= std::max(n, factors); ++j) r *= (j <= n ? j : 1.0) / (j <= factors ? x : 1.0);
  return r;
}

// X/n + ½ + Σ B₂ₖ/(2k)! (n + 1) … (n + 2k − 1)/X²ᵏ⁻¹: what the sum from X on is, times Xⁿ⁺¹.
inline double zeta_tail(int n, double x) {
  const double t = 1.0 / (x * x);
  double s = 0.0, factor = (n + 1.0) / x;
  for (int k = 1; k <= 10; ++k) {
    s += kDigammaSeries[k - 1] * factor;
    factor *= (n + 2.0 * k) * (n + 2.0 * k + 1.0) / (2.0 * k * (2.0 * k + 1.0)) * t;
  }
  return x / n + (0.5 + s);
}

inline double polygamma_right(int n, double x) {
  const double far = n + 10.0;
  if (x >= far) return over_powers(n - 1, x, n) * (zeta_tail(n, x) / x * n);
  const int steps = static_cast<int>(std::ceil(far - x));
  const auto ratio = [&](double at) { return n == 1 ? (x / at) * (x / at) : std::pow(x / at, n + 1); };
  double s = ratio(x + steps) * zeta_tail(n, x + steps);
  for (int k = steps - 1; k >= 1; --k) s += ratio(x + k);
  return over_powers(n, x, n + 1) * (1.0 + s);
}

// The n-th derivative of π cot πx, n ≥ 1: a polynomial in the cotangent, or what its nearest poles make of it.
inline double cotangent_slope(int n, double x) {
  constexpr int kMost = 30;
  if (n > kMost) {
    double s = 0.0;
    for (int k = -20; k <= 20; ++k) s += std::pow(fraction(x) + k, -(n + 1));
    double factorial = 1.0;
    for (int j = 2; j <= n; ++j) factorial *= j;
    return (n % 2 ? -1.0 : 1.0) * factorial * s;
  }
  double c[kMost + 3] = {0.0, 1.0};  // P₀ = c, Pₘ₊₁ = −(1 + c²) Pₘ′
  for (int m = 0; m < n; ++m) {
    double next[kMost + 3] = {};
    for (int j = 1; j <= m + 1; ++j) {
      next[j - 1] -= j * c[j];
      next[j + 1] -= j * c[j];
    }
    std::copy(next, next + kMost + 3, c);
  }
  const double cotangent = 1.0 / tan_pi(x);
  double p = 0.0;
  for (int j = n + 1; j >= 0; --j) p = p * cotangent + c[j];
  return p * std::pow(kPi, n + 1);
}

inline double polygamma(int n, double x) {
  if (n == 0) return digamma(x);
  if (x != x) return x;
  const double sign = n % 2 ? 1.0 : -1.0;
  if (x > 0.0) return x < kInf ? sign * polygamma_right(n, x) : sign * 0.0;
  if (n % 2 && is_integer(x) && x > -kInf) return kInf;
  if (x == 0.0) return copy_sign(kInf, -x);
  if (is_integer(x)) return kNaN;
  // ψₙ(x) = (−1)ⁿ ψₙ(1 − x) − dⁿ/dxⁿ π cot πx; at 1 − x > 1 ψₙ has the sign (−1)ⁿ⁺¹
  return -polygamma_right(n, 1.0 - x) - cotangent_slope(n, x);
}

// --- The beta function ----------------------------------------------------------------------------------------

inline double log_beta(double a, double b) {
  if (a < b) std::swap(a, b);
  if (b == 0.0 && a < kInf) return kInf;
  if (!(b > 0.0) || !(a < kInf)) return a == kInf && b > 0.0 ? -kInf : log_gamma(a) + log_gamma(b) - log_gamma(a + b);
  if (a < kStirling) return (log_gamma_right(b) - log_gamma_right(a + b)) + log_gamma_right(a);
  const double ratio = (a - 0.5) * log1p<Full>(b / a), rest = stirling_rest(a) - stirling_rest(a + b);
  if (b < kStirling) return log_gamma_right(b) + (((b - ratio) + rest) - b * log<Full>(a + b));
  return (kHalfLogTau - 0.5 * log<Full>(b) + (rest + stirling_rest(b))) - (b * log1p<Full>(a / b) + ratio);
}

// ψ(a) − ψ(a + b), the derivative of log B(a, b) by a: all parts are negative.
inline double log_beta_slope(double a, double b) {
  if (!(a > 0.0) || !(b > 0.0) || !(a + b < kInf)) return digamma(a) - digamma(a + b);
  double c = a + b, steps = 0.0;
  for (; a < kStirling; a += 1.0, c += 1.0) steps += b / a / c;
  const double p = 1.0 / a / a, q = 1.0 / c / c, difference = (b / a / a) * ((a + c) / c / c);  // p − q
  double s = 0.0, d = difference, power = q;                                                    // d = pᵏ − qᵏ
  for (const double coefficient : kDigammaSeries) {
    s += coefficient * d;
    d = p * d + power * difference;
    power *= q;
  }
  return -(log1p<Full>(b / a) + (0.5 * (b / a / c) + s) + steps);
}

}  // namespace alice::special
