// Special functions, where a call into a function costs less than its arithmetic: one element at a time, in double
// arithmetic, and the same on every instruction-set level.
#pragma once

#include <algorithm>
#include <cmath>

#include "math_pow.h"
#include "special_tables.h"

namespace alice {

namespace special {

using namespace ALICE_ISA;

inline constexpr double kPi = 0x1.921fb54442d18p+1;
inline constexpr Pair kSqrt2 = {0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54};
inline constexpr double kHalfLogTau = 0x1.d67f1c864beb5p-1;  // ½ log 2π

// The value of a function given in pieces, the low part not yet added.
inline Pair evaluate(const Pieces& p, double u) {
  const double place = (u - p.begin) * p.inverse_width;
  const int k = std::min(static_cast<int>(place), p.count - 1);
  const double t = 2.0 * (place - k) - 1.0;
  const double* c = p.data + k * (p.length + 1);
  double q = c[p.length];
  for (int j = p.length - 1; j > 1; --j) q = q * t + c[j];
  return {c[1], q * t + c[0]};
}
inline double sum(Pair p) { return p.hi + p.lo; }

// 1/x in two parts, x neither huge nor tiny.
inline Pair inverse(double x) {
  const double q = 1.0 / x;
  const Pair back = two_prod(q, x);
  return {q, ((1.0 - back.hi) - back.lo) * q};
}

// sin πx and cos πx; where they are 0 exactly so.
inline double fraction(double x) { return x - std::rint(x); }
inline bool odd(double x) { return std::fmod(std::rint(x), 2.0) != 0.0; }
inline double sin_pi(double x) {
  const double s = std::sin(kPi * fraction(x));
  return odd(x) ? -s : s;
}
inline double cos_pi(double x) {
  const double f = absolute(fraction(x)), c = f > 0.25 ? std::sin(kPi * (0.5 - f)) : std::cos(kPi * f);
  return odd(x) ? -c : c;
}
inline double tan_pi(double x) {
  const double f = fraction(x);
  return absolute(f) == 0.5 ? kInf : std::tan(kPi * f);
}
inline bool is_integer(double x) { return std::rint(x) == x; }

// log x in two parts, of 0 < x < ∞.
inline Pair log_pair(double x) { return product<Full>(log2_pair(x), {kLn2, kLn2Tail}); }

}  // namespace special
}  // namespace alice
