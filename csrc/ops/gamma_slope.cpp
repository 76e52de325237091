#include "gamma_slope.h"

#include <cmath>
#include <limits>

namespace alice {
namespace {

// A function of alpha with its first two derivatives.
struct Jet {
  double v, d = 0, dd = 0;
};

Jet operator+(Jet a, Jet b) { return {a.v + b.v, a.d + b.d, a.dd + b.dd}; }
Jet operator-(Jet a, Jet b) { return {a.v - b.v, a.d - b.d, a.dd - b.dd}; }
Jet operator*(Jet a, Jet b) { return {a.v * b.v, a.d * b.v + a.v * b.d, a.dd * b.v + 2 * a.d * b.d + a.v * b.dd}; }
Jet inverse(Jet a) {
  const double r = 1 / a.v;
  return {r, -a.d * r * r, (2 * a.d * a.d * r - a.dd) * r * r};
}
bool settled(Jet sum, Jet part) {
  constexpr double eps = std::numeric_limits<double>::epsilon() / 4;
  return std::abs(part.v) <= eps * std::abs(sum.v) && std::abs(part.d) <= eps * std::abs(sum.d) &&
         std::abs(part.dd) <= eps * std::abs(sum.dd);
}

// psi and its derivative, for a > 0: recurrence, then the asymptotic series.
Jet digamma(double a) {
  double v = 0, d = 0;
  for (; a < 12; ++a) {
    v -= 1 / a;
    d += 1 / (a * a);
  }
  const double r = 1 / (a * a);
  v += std::log(a) - 0.5 / a -
       r * (1.0 / 12 - r * (1.0 / 120 - r * (1.0 / 252 - r * (1.0 / 240 - r * (1.0 / 132 - r * 691.0 / 32760)))));
  d += 1 / a + 0.5 * r +
       r / a * (1.0 / 6 - r * (1.0 / 30 - r * (1.0 / 42 - r * (1.0 / 30 - r * (5.0 / 66 - r * 691.0 / 2730)))));
  return {v, d};
}

constexpr int kMost = 200'000;

// sum over n of t^n / ((alpha + 1) … (alpha + n)), which times t^alpha e^-t / Gamma(alpha + 1) is the distribution
// function at t.
Jet series(double t, double alpha) {
  Jet sum{1}, term{1};
  for (int n = 1; n < kMost; ++n) {
    term = term * Jet{t} * inverse({alpha + n, 1});
    sum = sum + term;
    if (t < alpha + n && settled(sum, term)) break;
  }
  return sum;
}

// The continued fraction that times t^alpha e^-t / Gamma(alpha) is one less the distribution function at t, by the
// method of Lentz.
Jet fraction(double t, double alpha) {
  const Jet tiny{1e-300};
  Jet b{t + 1 - alpha, -1}, c = inverse(tiny), d = inverse(b), h = d;
  for (int n = 1; n < kMost; ++n) {
    const Jet a{-n * (n - alpha), static_cast<double>(n)};
    b = b + Jet{2};
    d = inverse(a * d + b);
    c = b + a * inverse(c);
    const Jet factor = d * c, before = h;
    h = h * factor;
    if (settled(h, h - before)) break;
  }
  return h;
}

// Far up the distribution is nearly normal: Cornish and Fisher's expansion of the quantile, alpha > 1e6.
GammaSlope expansion(double x, double t, double alpha) {
  const double root = std::sqrt(alpha), w = (t - alpha) / root;
  const double slope = (1 + w / (2 * root) - (w * w - 1) / (6 * alpha)) / t;
  const double by_alpha = (t * (t / alpha - 1) / 3 - t / 2 - 1.0 / 6) / (alpha * alpha * t);
  const double psi = digamma(alpha).v;
  return {slope, psi - x - slope * (alpha - t), by_alpha};
}

}  // namespace

// With F the distribution function and D = dF / dx = t^alpha e^-t / Gamma(alpha) for t = e^x, slope = -dF/dalpha / D.
// By the series F = D M / alpha, so that it is -(M (x - psi(alpha + 1)) + M') / alpha; by the fraction, F = 1 - D C, it
// is C (x - psi(alpha)) + C'. What is exponentially small or large has cancelled out.
GammaSlope gamma_slope(double x, double alpha) {
  if (!(alpha > 0) || std::isnan(x)) {
    constexpr double nan = std::numeric_limits<double>::quiet_NaN();
    return {nan, nan, nan};
  }
  const double t = std::exp(x);
  if (alpha > 1e6) return expansion(x, t, alpha);
  const Jet psi = digamma(alpha);
  GammaSlope s;
  if (t <= alpha + 1) {
    const Jet m = series(t, alpha), above = digamma(alpha + 1);
    s.slope = -(m.v * (x - above.v) + m.d) / alpha;
    s.by_alpha = -(s.slope + m.d * (x - above.v) - m.v * above.d + m.dd) / alpha;
  } else {
    const Jet c = fraction(t, alpha);
    s.slope = c.v * (x - psi.v) + c.d;
    s.by_alpha = c.d * (x - psi.v) - c.v * psi.d + c.dd;
  }
  s.by_x = psi.v - x - s.slope * (alpha - t);
  return s;
}

}  // namespace alice
