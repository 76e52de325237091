// The arithmetic of the activation functions and of their gradients, each next to its function.
#pragma once

#include "elementary.h"

namespace alice::ALICE_ISA {

// For slopes that change sign, and must keep their digits next to that.
template <class P>
using AcrossZero = std::conditional_t<P::kPairs, Full, Long>;

// The element of least norm in the interval between a left slope and a right slope of 1.
ALICE_HD double least_norm_with_one(double left) { return at_most(at_least(left, 0.0), 1.0); }

// A function and its slope of one element, for those that share most of their work: the bits are those of the two, with
// fma. What they share the compiler sees, as both are called with the same operands.
template <class T>
struct ValueAndSlope {
  T value, slope;
};
#define ALICE_FLOAT_AND_SLOPE(Name, function)         \
  struct Name {                                       \
    static constexpr bool kInVectors = true;          \
    template <class T>                                \
    ALICE_HD ValueAndSlope<T> operator()(T x) const { \
      return {function(x), function##_slope(x)};      \
    }                                                 \
  };

struct Relu {  // NaN stays NaN
  template <class T>
  ALICE_HD T operator()(T x) const {
    return x < T{0} ? T{0} : x;
  }
};
struct ReluVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return x <= T{0} ? T{0} : g;
  }
};

struct Relu6 {
  template <class T>
  ALICE_HD T operator()(T x) const {
    return x < T{0} ? T{0} : x > T{6} ? T{6} : x;
  }
};
struct Relu6Vjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return x <= T{0} || x >= T{6} ? T{0} : g;
  }
};

struct LeakyRelu {
  double slope;
  ALICE_HD explicit LeakyRelu(const double* params) : slope(params[0]) {}
  template <class T>
  ALICE_HD T operator()(T x) const {
    return x < T{0} ? static_cast<T>(slope) * x : x;
  }
};
struct LeakyReluVjp {
  double slope, kink;
  ALICE_HD explicit LeakyReluVjp(const double* params) : slope(params[0]), kink(least_norm_with_one(params[0])) {}
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    const T d = x > T{0} ? T{1} : x < T{0} ? static_cast<T>(slope) : x == T{0} ? static_cast<T>(kink) : x;
    return g == T{0} ? T{0} : g * d;
  }
};

// The slope as an operand, for learning it.
struct Prelu {
  template <class T>
  ALICE_HD T operator()(T x, T slope) const {
    return x < T{0} ? slope * x : x;
  }
};
struct PreluVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x, T slope) const {
    const T kink = at_most(at_least(slope, T{0}), T{1});
    const T d = x > T{0} ? T{1} : x < T{0} ? slope : x == T{0} ? kink : x;
    return g == T{0} ? T{0} : g * d;
  }
};
struct PreluSlopeVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return g == T{0} || x >= T{0} ? T{0} : g * x;
  }
};

struct Elu {
  double alpha;
  ALICE_HD explicit Elu(const double* params) : alpha(params[0]) {}
  template <class T>
  ALICE_HD T operator()(T x) const {
    const double xd = static_cast<double>(x), left = alpha * expm1_down<Precision<T>>(at_most(xd, 0.0));
    return x > T{0} ? x : static_cast<T>(left);
  }
};
struct EluVjp {
  double alpha, kink;
  ALICE_HD explicit EluVjp(const double* params) : alpha(params[0]), kink(least_norm_with_one(params[0])) {}
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    const double left = alpha * exp<Precision<T>>(at_most(static_cast<double>(x), 0.0));
    const double d = x > T{0} ? 1.0 : x == T{0} ? kink : left;
    return g == T{0} ? T{0} : static_cast<T>(static_cast<double>(g) * d);
  }
};

// Klambauer et al. 2017: mean 0 and variance 1 are a fixed point.
inline constexpr double kSeluScale = 1.0507009873554804934193349852946;
inline constexpr double kSeluScaleAlpha = 1.7580993408473768599402175208123;
struct Selu {
  template <class T>
  ALICE_HD T operator()(T x) const {
    const double xd = static_cast<double>(x), left = kSeluScaleAlpha * expm1_down<Precision<T>>(at_most(xd, 0.0));
    return static_cast<T>(x > T{0} ? kSeluScale * xd : left);
  }
};
ALICE_SLOPE(SeluSlope, x >= 0.0 ? kSeluScale : kSeluScaleAlpha * exp<P>(at_most(x, 0.0)))

struct Sigmoid {
  float far = 104.0f;
  double far_full = kFarDouble;
  ALICE_HD float operator()(float x) const { return sigmoid(x, far); }
  ALICE_HD double operator()(double x) const { return ALICE_HAS_FMA ? sigmoid(x, far_full) : sigmoid<Full>(x); }
};
ALICE_SLOPE(SigmoidSlope, sigmoid_slope<P>(x))
ALICE_VJP_OWN(SigmoidVjp, SigmoidSlope, sigmoid_slope, 104.0f)

struct SigmoidAndSlope {
  float far = 104.0f;
  double far_full = kFarDouble;
  ALICE_HD ValueAndSlope<float> operator()(float x) const { return {sigmoid(x, far), sigmoid_slope(x, far)}; }
  ALICE_HD ValueAndSlope<double> operator()(double x) const {
    return {sigmoid(x, far_full), sigmoid_slope(x, far_full)};
  }
};

struct Softplus {
  float far = 104.0f;
  double far_full = kFarDouble;
  ALICE_HD float operator()(float x) const {
    return ALICE_HAS_FMA ? softplus(x, far) : static_cast<float>(softplus<Short>(static_cast<double>(x)));
  }
  ALICE_HD double operator()(double x) const { return ALICE_HAS_FMA ? softplus(x, far_full) : softplus<Full>(x); }
};
ALICE_SLOPE(SoftplusSlope, sigmoid<P>(x))
ALICE_VJP_OWN(SoftplusVjp, SoftplusSlope, sigmoid, 104.0f)

struct SoftplusAndSlope {
  float far = 104.0f;
  double far_full = kFarDouble;
  ALICE_HD ValueAndSlope<float> operator()(float x) const { return {softplus(x, far), sigmoid(x, far)}; }
  ALICE_HD ValueAndSlope<double> operator()(double x) const { return {softplus(x, far_full), sigmoid(x, far_full)}; }
};

struct LogSigmoid {
  template <class T>
  ALICE_HD T operator()(T x) const {
    return -Softplus{}(-x);
  }
};

struct Silu {
  static constexpr bool kInVectors = true;
  double far_full = kFarDouble;
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (ALICE_HAS_FMA)
      return silu(x);
    else
      return static_cast<T>(silu<Short>(static_cast<double>(x)));
  }
  ALICE_HD double operator()(double x) const { return ALICE_HAS_FMA ? silu(x, far_full) : silu<Full>(x); }
};
ALICE_SLOPE(SiluSlope, silu_slope<AcrossZero<P>>(x))
ALICE_VJP_IN_VECTORS(SiluVjp, SiluSlope, silu_slope)
ALICE_FLOAT_AND_SLOPE(SiluAndSlope, silu)

struct Gelu {
  static constexpr bool kInVectors = true;
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (ALICE_HAS_FMA)
      return gelu(x);
    else
      return static_cast<T>(gelu<Short>(static_cast<double>(x)));
  }
  ALICE_HD double operator()(double x) const { return last(first(x), x); }
  ALICE_HD static Pair first(double x) {  // in two loops
    const Decay e = gelu_decay(x);
    return {e.rest, e.power};
  }
  ALICE_HD static double last(Pair e, double x) { return ALICE_HAS_FMA ? gelu(x, {e.hi, e.lo}) : gelu<Full>(x); }
};
ALICE_SLOPE(GeluSlope, gelu_slope<AcrossZero<P>>(x))
ALICE_VJP_IN_VECTORS(GeluVjp, GeluSlope, gelu_slope)
ALICE_FLOAT_AND_SLOPE(GeluAndSlope, gelu)

struct GeluTanh {
  static constexpr bool kInVectors = true;
  double far_full = kGeluTanhFar;
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (ALICE_HAS_FMA)
      return gelu_tanh(x);
    else
      return static_cast<T>(gelu_tanh<Short>(static_cast<double>(x)));
  }
  ALICE_HD double operator()(double x) const { return last(first(x), x); }
  ALICE_HD Pair first(double x) const {
    const Decay e = gelu_tanh_decay(x, far_full);
    return {e.rest, e.power};
  }
  ALICE_HD double last(Pair e, double x) const {
    return ALICE_HAS_FMA ? gelu_tanh(x, {e.hi, e.lo}, far_full) : gelu_tanh<Full>(x);
  }
};
ALICE_SLOPE(GeluTanhSlope, gelu_tanh_slope<AcrossZero<P>>(x))
ALICE_VJP_IN_VECTORS(GeluTanhVjp, GeluTanhSlope, gelu_tanh_slope)
ALICE_FLOAT_AND_SLOPE(GeluTanhAndSlope, gelu_tanh)

// The kernels: for which dtypes, the functor, how many operands it has, the kernel's name, how many nanoseconds an
// element costs, and its traits if it has any. elementwise_loops_activation.cpp makes the loops.
// clang-format off
#define ALICE_ACTIVATION_KERNELS(row) \
  row(floating, Relu, 1, "relu", 0.15f) \
  row(floating, ReluVjp, 2, "relu_vjp", 0.2f) \
  row(floating, Relu6, 1, "relu6", 0.15f) \
  row(floating, Relu6Vjp, 2, "relu6_vjp", 0.2f) \
  row(floating, LeakyRelu, 1, "leaky_relu", 0.15f, {.params = {"negative_slope"}}) \
  row(floating, LeakyReluVjp, 2, "leaky_relu_vjp", 0.2f, {.params = {"negative_slope"}}) \
  row(floating, Prelu, 2, "prelu", 0.2f) \
  row(floating, PreluVjp, 3, "prelu_vjp", 0.3f) \
  row(floating, PreluSlopeVjp, 2, "prelu_slope_vjp", 0.2f) \
  row(floating, Elu, 1, "elu", 1.0f, {.params = {"alpha"}}) \
  row(floating, EluVjp, 2, "elu_vjp", 1.0f, {.params = {"alpha"}}) \
  row(floating, Selu, 1, "selu", 1.0f) \
  row(floating, ScalingVjp<SeluSlope>, 2, "selu_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, Sigmoid, 1, "sigmoid", 0.4f) \
  row(floating, SigmoidVjp, 2, "sigmoid_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, Softplus, 1, "softplus", 0.6f) \
  row(floating, SoftplusVjp, 2, "softplus_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, LogSigmoid, 1, "log_sigmoid", 0.6f) \
  row(floating, Silu, 1, "silu", 1.0f) \
  row(floating, SiluVjp, 2, "silu_vjp", 1.0f, {.scaling = Scaling::BySlope}) \
  row(floating, Gelu, 1, "gelu", 1.0f) \
  row(floating, GeluVjp, 2, "gelu_vjp", 1.4f, {.scaling = Scaling::BySlope}) \
  row(floating, GeluTanh, 1, "gelu_tanh", 0.8f) \
  row(floating, GeluTanhVjp, 2, "gelu_tanh_vjp", 1.4f, {.scaling = Scaling::BySlope})
// clang-format on

}  // namespace alice::ALICE_ISA
