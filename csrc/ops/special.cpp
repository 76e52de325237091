// Small: series and continued fractions are long, and wait for their own results.
// The table of special functions: from functions of doubles to loops over either floating dtype.
#include <iterator>

#include "plain_loops.h"
#include "special_bessel.h"
#include "special_gamma.h"
#include "special_gaussian.h"

namespace alice {
namespace {

using namespace special;

template <class F, int N>
constexpr ElementwiseRow row(const char* name, float cost, const ElementwiseTraits& traits = {}) {
  return {name,
          N,
          Inputs::Floating,
          ElementwiseResult::Same,
          cost,
          {nullptr, nullptr, nullptr, nullptr, plain_loop<F, N, float>, plain_loop<F, N, double>},
          traits};
}

// Kernels of a function of doubles, of two, and of the gradient g·f′(x) of a slope, in which a g of 0 stays 0.
template <auto Function>
struct Of {
  double operator()(double x) const { return Function(x); }
  double operator()(double x, double y) const
    requires std::is_invocable_v<decltype(Function), double, double>
  {
    return Function(x, y);
  }
};
template <auto Slope>
struct GradientOf {
  double operator()(double g, double x) const { return g == 0.0 ? 0.0 : g * Slope(x); }
};

// An integer attribute besides: which derivative it is.
template <auto Function>
struct Derivative {
  int n;  // -1: the order is none that the public functions let pass, and would take hours
  explicit Derivative(const double* params)
      : n(params[0] >= 0.0 && params[0] <= 65535.0 ? static_cast<int>(params[0]) : -1) {}
  double operator()(double x) const { return n < 0 ? kNaN : Function(n, x); }
};

struct Hypot {
  double operator()(double x, double y) const { return std::hypot(x, y); }
};
struct CopySign {
  template <class T>
  T operator()(T x, T y) const {
    return copy_sign(x, y);
  }
};
struct NextAfter {
  template <class T>
  T operator()(T x, T y) const {
    return std::nextafter(x, y);
  }
};
struct SignBit {
  template <class T>
  bool operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>)
      return std::signbit(x);
    else
      return x < T{0};
  }
};

// x log(x/y), and 0 at x = 0; infinite where it is not defined.
double rel_entr(double x, double y) {
  if (x != x || y != y) return kNaN;
  if (x == 0.0 && y >= 0.0) return 0.0;
  if (!(x > 0.0 && y > 0.0)) return kInf;
  const double ratio = x / y;
  if (ratio > 0.5 && ratio < 2.0) return x * std::log1p((x - y) / y);  // the difference is exact
  return x * (ratio >= 0x1p-1022 && ratio < kInf ? std::log(ratio) : std::log(x) - std::log(y));
}

// x log(1 + y), and 0 at x = 0 unless y is NaN.
double xlog1py(double x, double y) { return x == 0.0 && y == y ? 0.0 : x * std::log1p(y); }

// log2(2ˣ + 2ʸ)
double logaddexp2(double x, double y) {
  const double m = Maximum{}(x, y), d = absolute(x - y);
  if (!(absolute(m) < kInf)) return m;
  return m + std::log1p(exp2<Full>(-d)) * kLog2E;
}
// Its slope by x: 1/(1 + 2^(y − x)). Equal infinities: ½ at +∞, 0 at −∞.
struct LogAddExp2Vjp {
  double operator()(double g, double x, double y) const {
    if (x != x || y != y) return g == 0.0 ? 0.0 : kNaN;
    const double d = x == y ? 0.0 : x - y, e = exp2<Full>(-absolute(d));
    return g == 0.0 || (x == -kInf) ? 0.0 : g * ((d < 0.0 ? e : 1.0) / (1.0 + e));
  }
};

constexpr ElementwiseTraits kOrder = {.params = {"n"}};

constexpr ElementwiseRow kRows[] = {
    row<Of<gamma>, 1>("gamma", 50.0f),
    row<GradientOf<gamma_slope>, 2>("gamma_vjp", 90.0f),
    row<Of<log_gamma>, 1>("gammaln", 40.0f),
    row<Derivative<polygamma>, 1>("polygamma", 60.0f, kOrder),
    row<Of<log_beta>, 2>("betaln", 120.0f),
    row<Of<log_beta_slope>, 2>("betaln_slope", 120.0f),
    row<Of<erfinv>, 1>("erfinv", 60.0f),
    row<GradientOf<erfinv_slope>, 2>("erfinv_vjp", 70.0f),
    row<Of<ndtri>, 1>("ndtri", 60.0f),
    row<GradientOf<ndtri_slope>, 2>("ndtri_vjp", 70.0f),
    row<Of<log_ndtr>, 1>("log_ndtr", 60.0f),
    row<GradientOf<log_ndtr_slope>, 2>("log_ndtr_vjp", 60.0f),
    row<Of<log_ndtr_excess>, 1>("log_ndtr_excess", 60.0f),
    row<Of<logit>, 1>("logit", 20.0f),
    row<GradientOf<logit_slope>, 2>("logit_vjp", 5.0f),
    row<Of<i0e>, 1>("i0e", 20.0f),
    row<GradientOf<i0e_slope>, 2>("i0e_vjp", 20.0f),
    row<Of<i1e>, 1>("i1e", 30.0f),
    row<GradientOf<i1e_slope>, 2>("i1e_vjp", 30.0f),
    row<Derivative<sinc>, 1>("sinc", 30.0f, kOrder),
    row<Of<rel_entr>, 2>("rel_entr", 20.0f),
    row<Of<xlog1py>, 2>("xlog1py", 20.0f),
    row<Of<logaddexp2>, 2>("logaddexp2", 20.0f),
    row<LogAddExp2Vjp, 3>("logaddexp2_vjp", 10.0f),
    row<Hypot, 2>("hypot", 5.0f),
    row<CopySign, 2>("copysign", 1.0f),
    row<NextAfter, 2>("nextafter", 5.0f),
    {"signbit",
     1,
     Inputs::Compare,
     ElementwiseResult::Bool,
     1.0f,
     {plain_loop<SignBit, 1, bool, bool>, plain_loop<SignBit, 1, std::uint8_t, bool>,
      plain_loop<SignBit, 1, std::int32_t, bool>, plain_loop<SignBit, 1, std::int64_t, bool>,
      plain_loop<SignBit, 1, float, bool>, plain_loop<SignBit, 1, double, bool>}},
};

}  // namespace

ElementwiseTable special_table() { return {kRows, static_cast<int>(std::size(kRows))}; }

}  // namespace alice
