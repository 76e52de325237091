// Elementary functions and the slopes of what has a gradient kernel of its own, as functors (see elementwise.h).
//
// `Vjp<Slope>` makes the gradient kernel g·f′(x) of a slope. A cotangent of exactly 0 stays 0 (strong zero), so a zero
// from an untaken branch never meets an infinite slope. Slopes are taken from x, never from a rounded f(x).
#pragma once

#include "elementwise.h"
#include "math_double.h"
#include "math_float.h"
#include "math_pow.h"
#include "math_slopes.h"
#include "math_trig.h"

namespace alice::ALICE_ISA {

template <class Slope>
struct Vjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    const double d = Slope::template at<Precision<T>>(static_cast<double>(x));
    return g == T{0} ? T{0} : static_cast<T>(static_cast<double>(g) * d);
  }
};
// The same of slopes that are no larger than a few. The slope is a float32 before it meets g, so that the kernel is
// strong_mul(g, slope) to the bit, as it is in float64, and many cotangents of one x need the slope but once.
template <class Slope>
struct ScalingVjp : Vjp<Slope> {
  using Vjp<Slope>::operator();
  ALICE_HD float operator()(float g, float x) const {
    const float d = static_cast<float>(Slope::template at<Short>(static_cast<double>(x)));
    return g == 0.0f ? 0.0f : g * d;
  }
};
// The same where both have slopes of their own, float32's of x and of a bound (see Exp), which keep to 2 ULP with fma
// only.
#define ALICE_VJP_OWN(Name, Slope, own_slope, bound)                                                         \
  struct Name : ScalingVjp<Slope> {                                                                          \
    float far = bound;                                                                                       \
    ALICE_HD float operator()(float g, float x) const {                                                      \
      return ALICE_HAS_FMA ? g == 0.0f ? 0.0f : g * own_slope(x, far) : ScalingVjp<Slope>::operator()(g, x); \
    }                                                                                                        \
    ALICE_HD double operator()(double g, double x) const {                                                   \
      return ALICE_HAS_FMA ? g == 0.0 ? 0.0 : g * own_slope(x) : ScalingVjp<Slope>::operator()(g, x);        \
    }                                                                                                        \
  };

// And where float32's is in vectors.
#define ALICE_VJP_IN_VECTORS(Name, Slope, own_slope)                                                  \
  struct Name : ScalingVjp<Slope> {                                                                   \
    static constexpr bool kInVectors = true;                                                          \
    template <class T>                                                                                \
    ALICE_HD T operator()(T g, T x) const {                                                           \
      if constexpr (ALICE_HAS_FMA)                                                                    \
        return choose(g == 0.0f, T(0.0f), g * own_slope(x));                                          \
      else                                                                                            \
        return ScalingVjp<Slope>::operator()(g, x);                                                   \
    }                                                                                                 \
    ALICE_HD double operator()(double g, double x) const {                                            \
      return ALICE_HAS_FMA ? g == 0.0 ? 0.0 : g * own_slope(x) : ScalingVjp<Slope>::operator()(g, x); \
    }                                                                                                 \
  };

#define ALICE_SLOPE(Name, expression)     \
  struct Name {                           \
    template <class P>                    \
    ALICE_HD static double at(double x) { \
      return expression;                  \
    }                                     \
  };

// Makes a functor of float and double of a template <class Precision> double function.
#define ALICE_ELEMENTARY(Name, function)                                     \
  struct Name {                                                              \
    template <class T>                                                       \
    ALICE_HD T operator()(T x) const {                                       \
      return static_cast<T>(function<Precision<T>>(static_cast<double>(x))); \
    }                                                                        \
  };
// The same where float32 goes by our double arithmetic and float64 by the C library.
#define ALICE_ELEMENTARY_LIBM(Name, short_function, library_function)                                               \
  struct Name {                                                                                                     \
    ALICE_HD float operator()(float x) const { return static_cast<float>(short_function(static_cast<double>(x))); } \
    ALICE_HD double operator()(double x) const { return library_function(x); }                                      \
  };
// And where float32 has an own function.
#define ALICE_ELEMENTARY_FLOAT(Name, function)                               \
  struct Name {                                                              \
    ALICE_HD float operator()(float x) const { return function(x); }         \
    ALICE_HD double operator()(double x) const { return function<Full>(x); } \
  };

// 1 − x² and x² + 1, x² − 1 in one rounding
template <class P>
ALICE_HD double one_minus_square(double x) {
  if constexpr (!P::kPairs) return 1.0 - x * x;
  const Pair xx = two_prod(x, x), d = two_sum(1.0, -xx.hi);
  return d.hi + (d.lo - xx.lo);
}
template <class P>
ALICE_HD double square_plus(double x, double one) {
  if constexpr (!P::kPairs) return x * x + one;
  const Pair xx = two_prod(x, x), d = two_sum(xx.hi, one);
  return d.hi + (d.lo + xx.lo);
}

inline constexpr double kFar = 0x1p30;  // from here on x² ± 1 is x² to the last bit

// --- Roots and powers whose functions are in elementwise.h ----------------------------------------------------

template <class P>
ALICE_HD double rsqrt_slope(double x) {
  const double h = -0.5 / x, s = std::sqrt(x), plain = h / s;
  if constexpr (!P::kPairs) return plain;
  // Three roundings too many for float64: carry what h and s lost, where nothing over- or underflows.
  const Pair ss = two_prod(s, s), hx = two_prod(h, x);
  const Pair above = {h, ((-0.5 - hx.hi) - hx.lo) / x}, below = {s, ((x - ss.hi) - ss.lo) / (s + s)};
  const double corrected = quotient<P>(above, below);
  return x > 1e-200 && x < 1e200 ? corrected : plain;
}
ALICE_SLOPE(SqrtSlope, 0.5 / (std::sqrt(x) + 0.0))  // + 0: the slope at −0 is +∞ too
ALICE_SLOPE(RsqrtSlope, rsqrt_slope<P>(x))
ALICE_SLOPE(ReciprocalSlope, (-1.0 / x) / x)

// g · 2x
struct SquareVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return g == T{0} ? T{0} : g * (x + x);
  }
};

// --- Elementary functions, each with its slope ----------------------------------------------------------------

// Bounds are members, so that the loop can hide that they are constants (run_blocks in elementwise_run.h).
struct Exp {
  float low = -104.0f, high = 89.0f;
  ALICE_HD float operator()(float x) const { return exp(x, low, high); }
  ALICE_HD double operator()(double x) const { return exp<Full>(x); }
};
struct Tanh {
  float far = 10.0f, one = 1.0f;
  double far_full = 20.0;
  ALICE_HD float operator()(float x) const {
    return ALICE_HAS_FMA ? tanh(x, far, one) : static_cast<float>(tanh<Short>(static_cast<double>(x)));
  }
  ALICE_HD double operator()(double x) const { return ALICE_HAS_FMA ? tanh(x, far_full) : tanh<Full>(x); }
};
ALICE_SLOPE(TanhSlope, sigmoid_slope<P>(x + x, 2.0))
ALICE_VJP_OWN(TanhVjp, TanhSlope, tanh_slope, 112.0f)
struct Erf {
  double far_full = 6.0;
  static constexpr bool kInVectors = true;
  template <class T>
  ALICE_HD T operator()(T x) const {
    return erf(x);
  }
  ALICE_HD double operator()(double x) const { return ALICE_HAS_FMA ? erf(x, far_full) : erf<Full>(x); }
};
ALICE_SLOPE(ErfSlope, erf_slope<P>(x))
ALICE_ELEMENTARY_FLOAT(Log, log)
ALICE_ELEMENTARY(Expm1, expm1)
struct Exp2 {
  float low = -151.0f, high = 128.25f;
  double low_full = -1100.0, high_full = 1024.25;
  ALICE_HD float operator()(float x) const { return exp2(x, low, high); }
  ALICE_HD double operator()(double x) const { return exp2<Full>(x, low_full, high_full); }
};
ALICE_SLOPE(Exp2Slope, exp2_slope<P>(x))
ALICE_ELEMENTARY(Log1p, log1p)
ALICE_ELEMENTARY_LIBM(Log2, kLog2E* log<Short>, std::log2)
ALICE_SLOPE(Log2Slope, kLog2E / x)
ALICE_ELEMENTARY_LIBM(Log10, kLog10E* log<Short>, std::log10)
ALICE_SLOPE(Log10Slope, kLog10E / x)
ALICE_ELEMENTARY(Sinh, sinh)
ALICE_ELEMENTARY(Cosh, cosh)
ALICE_ELEMENTARY(Acosh, acosh)
ALICE_SLOPE(AcoshSlope, x > kFar ? 1.0 / x : x < 1.0 ? kNaN : 1.0 / std::sqrt(square_plus<P>(x, -1.0)))
ALICE_ELEMENTARY_LIBM(Asinh, asinh_short, std::asinh)
ALICE_SLOPE(AsinhSlope, absolute(x) > kFar ? 1.0 / absolute(x) : 1.0 / std::sqrt(square_plus<P>(x, 1.0)))
ALICE_ELEMENTARY_LIBM(Atanh, atanh_short, std::atanh)
ALICE_SLOPE(AtanhSlope, absolute(x) > 1.0 ? kNaN : 1.0 / one_minus_square<P>(x))
ALICE_ELEMENTARY_LIBM(Asin, asin_short, std::asin)
ALICE_SLOPE(AsinSlope, 1.0 / std::sqrt(one_minus_square<P>(x)))
ALICE_ELEMENTARY_LIBM(Acos, acos_short, std::acos)
ALICE_ELEMENTARY_LIBM(Atan, atan_short, std::atan)
ALICE_SLOPE(AtanSlope, absolute(x) > kFar ? (1.0 / x) / x : 1.0 / square_plus<P>(x, 1.0))
ALICE_ELEMENTARY(Erfc, erfc)

// A function with a range where the vectorised form does not hold: the loop then calls `beyond` for those elements.
#define ALICE_ELEMENTARY_TURN(Name, function)                                                         \
  struct Name {                                                                                       \
    template <class T>                                                                                \
    ALICE_HD T operator()(T x) const {                                                                \
      return static_cast<T>(function<Precision<T>>(near_turn<Precision<T>>(static_cast<double>(x)))); \
    }                                                                                                 \
    template <class T>                                                                                \
    ALICE_HD static bool in_range(T x) {                                                              \
      return absolute(x) <= static_cast<T>(kTrigLimit<Precision<T>>);                                 \
    }                                                                                                 \
    template <class T>                                                                                \
    ALICE_HD static T beyond(T x) {                                                                   \
      return static_cast<T>(function<Full>(far_turn(static_cast<double>(x))));                        \
    }                                                                                                 \
  };
ALICE_ELEMENTARY_TURN(Sin, sin)
ALICE_ELEMENTARY_TURN(Cos, cos)
ALICE_ELEMENTARY_TURN(Tan, tan)
ALICE_SLOPE(TanSlope, tan_slope<P>(near_turn<P>(x)))

// With a range, as its function has.
template <class Slope>
struct TurnVjp : Vjp<Slope> {
  template <class T>
  ALICE_HD static bool in_range(T, T x) {
    return absolute(x) <= static_cast<T>(kTrigLimit<Precision<T>>);
  }
  template <class T>
  ALICE_HD static T beyond(T g, T x) {
    return g == T{0} ? T{0}
                     : static_cast<T>(static_cast<double>(g) * tan_slope<Full>(far_turn(static_cast<double>(x))));
  }
};

struct Atan2 {
  ALICE_HD float operator()(float y, float x) const {
    return ALICE_HAS_FMA ? atan2_near(y, x) : static_cast<float>(atan2_short(y, x));
  }
  ALICE_HD double operator()(double y, double x) const { return atan2_near(y, x); }
  template <class T>
  ALICE_HD static bool in_range(T y, T x) {
    return is_near_axes(y, x);
  }
  template <class T>
  ALICE_HD static T beyond(T y, T x) {
    return std::atan2(y, x);
  }
};

// x/(x² + y²), by a power of two of its own so that no square over- or underflows.
template <class P>
ALICE_HD double inverse_radius(double x, double y) {
  if constexpr (!P::kPairs) {
    const double rr = x * x + y * y;
    return rr == 0.0 || rr == kInf ? 0.0 : x / rr;
  }
  const double ax = absolute(x), ay = absolute(y), m = ax > ay ? ax : ay;
  const double s = from_bits((std::uint64_t{0x7fe} << 52) - (to_bits(m) & (std::uint64_t{0x7ff} << 52)));
  const double u = x * s, v = y * s;
  const Pair uu = two_prod(u, u), vv = two_prod(v, v), rr = two_sum(uu.hi, vv.hi);
  const double r = u / (rr.hi + (rr.lo + (uu.lo + vv.lo))) * s;
  return x != x || y != y ? kNaN : m == 0.0 || m == kInf ? 0.0 : r;
}

// g x/(x² + y²): the gradient of atan2(y, x) by y; by x it is the negative with the two exchanged. 0 at the origin.
struct Atan2Vjp {
  template <class T>
  ALICE_HD T operator()(T g, T y, T x) const {
    const double d = inverse_radius<Precision<T>>(static_cast<double>(x), static_cast<double>(y));
    return g == T{0} ? T{0} : static_cast<T>(static_cast<double>(g) * d);
  }
};

// Exponents that have loops of their own (SimplePower) leave the vectorised form: their bits are those of the loops.
struct Pow {
  static constexpr bool kInVectors = true;
  double low_full = -1100.0, high_full = 1024.25;  // members as Exp's are
  template <class T, std::enable_if_t<std::is_same_v<T, Floats> || std::is_same_v<T, float>, int> = 0>
  ALICE_HD T operator()(T x, T y) const {
    if constexpr (ALICE_HAS_FMA)
      return pow_float(x, y);
    else
      return static_cast<T>(pow_short(static_cast<double>(x), static_cast<double>(y), -1000.0, 1000.0));
  }
  ALICE_HD double operator()(double x, double y) const { return last(first(x, y), x, y); }
  // In two loops.
  ALICE_HD static Pair first(double x, double) { return log2_pair(absolute(x)); }
  ALICE_HD double last(Pair logarithm, double x, double y) const {
    return pow_full<false>(x, {y, 0.0}, logarithm, low_full, high_full);
  }
  // By squaring, wrapping around; a negative exponent gives the integral part of the real power.
  template <class T, class = std::enable_if_t<std::is_integral_v<T>>>
  ALICE_HD T operator()(T x, T y) const {
    using U = Wrap<T>;
    if (y < T{0}) return x == T{1} ? T{1} : x == static_cast<T>(-1) ? ((y & 1) ? x : T{1}) : T{0};
    U r = 1, base = static_cast<U>(x);
    for (U e = static_cast<U>(y); e; e >>= 1) {
      if (e & 1) r = static_cast<U>(r * base);
      base = static_cast<U>(base * base);
    }
    return static_cast<T>(r);
  }
  template <class T>
  ALICE_HD static bool in_range(T x, T y) {
    return !is_rare(x, y);
  }
  template <class T>
  ALICE_HD static T beyond(T x, T y) {
    return rare_power(x, y);
  }
};

// g · y xʸ⁻¹
struct PowVjp {
  double low = -1000.0, high = 1000.0, low_full = -1100.0, high_full = 1024.25;
  ALICE_HD float operator()(float g, float x, float y) const {
    const double wide = static_cast<double>(y);
    const double slope = wide * pow_short(static_cast<double>(x), wide - 1.0, low, high);
    return g == 0.0f || y == 0.0f ? 0.0f : static_cast<float>(static_cast<double>(g) * slope);
  }
  ALICE_HD double operator()(double g, double x, double y) const { return last(first(g, x, y), g, x, y); }
  ALICE_HD static Pair first(double, double x, double) { return log2_pair(absolute(x)); }
  ALICE_HD double last(Pair logarithm, double g, double x, double y) const {
    return of(g, y, pow_full<true>(x, two_sum(y, -1.0), logarithm, low_full, high_full));
  }
  template <class T>
  ALICE_HD static T of(T g, T y, T power) {
    return g == T{0} || y == T{0} ? T{0} : g * (y * power);
  }
  template <class T>
  ALICE_HD static bool in_range(T, T x, T y) {
    return !is_rare(x, y, T{1});
  }
  template <class T>
  ALICE_HD static T beyond(T g, T x, T y) {
    return of(g, y, rare_power(x, y, T{1}));
  }
};
template <int Twice>
struct SimplePowerVjp {  // of the exponent that is one more
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return PowVjp::of(g, T(0.5 * Twice) + T{1}, SimplePower<Twice>{}(x));
  }
};

// xʸ (log x)ᵏ, the k-th derivative of xʸ by y; its limit 0 where xʸ is 0, and 0 at 0⁰ for k > 0.
struct PowLog {
  static constexpr double kFewFactors = 64.0;  // multiplied one by one; k is as large as a derivative's order
  double k;
  ALICE_HD explicit PowLog(const double* params) : k(params[0]) {}
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    const double xd = static_cast<double>(x), yd = static_cast<double>(y);
    const double power = std::pow(xd, yd), logarithm = log<Full>(xd);
    double r = power;
    for (double i = 0.0; i < k && i < kFewFactors; i += 1.0) r *= logarithm;
    if (k > kFewFactors) r *= std::pow(logarithm, k - kFewFactors);
    const bool zero = power == 0.0 || (xd == 0.0 && yd == 0.0 && k > 0.0);
    return static_cast<T>(zero ? 0.0 : r);
  }
};

// log(eˣ + eʸ)
struct LogAddExp {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    const double a = static_cast<double>(x), b = static_cast<double>(y), m = Maximum{}(a, b), n = Minimum{}(a, b);
    const Pair d = two_sum(n, -m);
    const double r = m + softplus<Full>(d.hi, absolute(d.hi) < kInf ? d.lo : 0.0);
    return static_cast<T>(absolute(m) == kInf ? m : r);
  }
};
// g · σ(x − y), of the first operand. Equal infinities: ½ at +∞, 0 at −∞.
struct LogAddExpVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x, T y) const {
    const double a = static_cast<double>(x), b = static_cast<double>(y);
    const Pair d = two_sum(a, -b);
    const bool finite = absolute(d.hi) < kInf;
    double s = sigmoid<Full>(a == b ? 0.0 : d.hi, finite ? d.lo : 0.0);
    s = a == -kInf && b == b ? 0.0 : s;
    return g == T{0} ? T{0} : static_cast<T>(static_cast<double>(g) * s);
  }
};

// x log y, and 0 at x = 0 unless y is NaN.
struct XLogY {
  ALICE_HD float operator()(float x, float y) const {
    const double r = static_cast<double>(x) * log<Short>(static_cast<double>(y));
    return x == 0.0f && y == y ? 0.0f : static_cast<float>(r);
  }
  ALICE_HD double operator()(double x, double y) const {
    const double r = x * log<Full>(y);
    return x == 0.0 && y == y ? 0.0 : r;
  }
};

// The kernels: for which dtypes, the functor, how many operands it has, the kernel's name, how many nanoseconds an
// element costs, and its traits if it has any. elementwise_loops_{transcendental,derivative}.cpp
// makes the loops.
// clang-format off
#define ALICE_ELEMENTARY_KERNELS(row) \
  row(floating, Exp, 1, "exp", 0.3f) \
  row(floating, Expm1, 1, "expm1", 1.0f) \
  row(floating, Exp2, 1, "exp2", 0.3f) \
  row(floating, Log, 1, "log", 0.4f) \
  row(floating, Log1p, 1, "log1p", 1.2f) \
  row(floating, Log2, 1, "log2", 1.0f) \
  row(floating, Log10, 1, "log10", 1.0f) \
  row(floating, Sin, 1, "sin", 1.0f) \
  row(floating, Cos, 1, "cos", 1.0f) \
  row(floating, Tan, 1, "tan", 1.5f) \
  row(floating, Asin, 1, "asin", 1.5f) \
  row(floating, Acos, 1, "acos", 1.5f) \
  row(floating, Atan, 1, "atan", 1.5f) \
  row(floating, Atan2, 2, "atan2", 1.0f) \
  row(floating, Sinh, 1, "sinh", 1.5f) \
  row(floating, Cosh, 1, "cosh", 1.2f) \
  row(floating, Tanh, 1, "tanh", 0.4f) \
  row(floating, Asinh, 1, "asinh", 2.0f) \
  row(floating, Acosh, 1, "acosh", 2.0f) \
  row(floating, Atanh, 1, "atanh", 2.0f) \
  row(floating, Erf, 1, "erf", 2.0f) \
  row(floating, Erfc, 1, "erfc", 2.0f) \
  row(numeric, Pow, 2, "pow", 1.5f, {.at = kPowAt, .held = {held<HoldsExponent, Pow>(0b10)}}) \
  row(floating, PowLog, 2, "pow_log", 20.0f, {.params = {"k"}}) \
  row(floating, LogAddExp, 2, "logaddexp", 3.0f) \
  row(floating, XLogY, 2, "xlogy", 1.0f)

#define ALICE_SLOPE_KERNELS(row) \
  row(floating, SquareVjp, 2, "square_vjp", 0.2f) \
  row(floating, Vjp<SqrtSlope>, 2, "sqrt_vjp", 0.8f) \
  row(floating, Vjp<RsqrtSlope>, 2, "rsqrt_vjp", 1.0f) \
  row(floating, Vjp<ReciprocalSlope>, 2, "reciprocal_vjp", 0.8f) \
  row(floating, Vjp<Exp2Slope>, 2, "exp2_vjp", 1.0f) \
  row(floating, Vjp<Log2Slope>, 2, "log2_vjp", 0.8f) \
  row(floating, Vjp<Log10Slope>, 2, "log10_vjp", 0.8f) \
  row(floating, TurnVjp<TanSlope>, 2, "tan_vjp", 1.5f) \
  row(floating, Vjp<AsinSlope>, 2, "asin_vjp", 0.8f) \
  row(floating, Vjp<AtanSlope>, 2, "atan_vjp", 0.8f) \
  row(floating, TanhVjp, 2, "tanh_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, Vjp<AsinhSlope>, 2, "asinh_vjp", 0.8f) \
  row(floating, Vjp<AcoshSlope>, 2, "acosh_vjp", 0.8f) \
  row(floating, Vjp<AtanhSlope>, 2, "atanh_vjp", 0.8f) \
  row(floating, ScalingVjp<ErfSlope>, 2, "erf_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, Atan2Vjp, 3, "atan2_vjp", 1.0f) \
  row(floating, PowVjp, 3, "pow_vjp", 1.5f, {.at = kPowVjpAt}) \
  row(floating, LogAddExpVjp, 3, "logaddexp_vjp", 2.0f)
// clang-format on

}  // namespace alice::ALICE_ISA
