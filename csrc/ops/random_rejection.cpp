// Draws that may need several tries: integers of a range, orders, gamma and Poisson numbers. Each element has a stream
// of its own, of as many blocks as its tries take, so that it depends on key, draw and its index alone.
//
// Small: logarithms and blocks of random bits take the time.
#include <algorithm>
#include <cmath>

#include "../core/chunks.h"
#include "gamma_slope.h"
#include "philox.h"
#include "prepared.h"
#include "random_state.h"
#include "register.h"

namespace alice {
namespace {

using std::uint64_t;

// The numbers of one element: blocks with the counter words (element + try · 2^40, draw).
class Stream {
 public:
  Stream(const RandomState& state, std::int64_t element)
      : key_(state.key), draw_(state.draw), block_(static_cast<uint64_t>(element)) {}

  uint64_t bits() {
    if (used_ == 2) next();
    return words_[used_++];
  }
  // In [0, 1): a multiple of 2^-53.
  double unit() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  // In (0, 1].
  double positive() { return 1 - unit(); }
  double normal() {
    const double radius = std::sqrt(-2 * std::log(positive()));
    return radius * std::cos(6.283185307179586 * unit());
  }
  // Below n, all equally likely; 0 stands for 2^64. Source: Lemire, "Fast random integer generation in an interval",
  // 2019.
  uint64_t below(uint64_t n) {
    uint64_t word = bits();
    if (n == 0) return word;
    auto product = static_cast<Wide>(word) * n;
    if (static_cast<uint64_t>(product) < n)
      for (const uint64_t least = -n % n; static_cast<uint64_t>(product) < least;) {
        word = bits();
        product = static_cast<Wide>(word) * n;
      }
    return static_cast<uint64_t>(product >> 64);
  }

 private:
  __extension__ using Wide = unsigned __int128;

  void next() {
    std::uint32_t c0 = low(block_), c1 = high(block_), c2 = low(draw_), c3 = high(draw_);
    philox_rounds(c0, c1, c2, c3, key_);
    words_[0] = c0 | static_cast<uint64_t>(c1) << 32;
    words_[1] = c2 | static_cast<uint64_t>(c3) << 32;
    block_ += uint64_t{1} << 40;
    used_ = 0;
  }

  uint64_t key_, draw_, block_;
  uint64_t words_[2] = {};
  int used_ = 2;
};

// A gamma number's logarithm: Marsaglia, Tsang, "A simple method for generating gamma variables", 2000.
double log_gamma(Stream& stream, double alpha) {
  if (!(alpha >= 0)) return std::numeric_limits<double>::quiet_NaN();
  const bool small = alpha < 1;  // that of alpha + 1, times u^(1 / alpha)
  const double d = (small ? alpha + 1 : alpha) - 1.0 / 3, c = 1 / std::sqrt(9 * d);
  if (std::isinf(d)) return d;
  for (;;) {
    const double z = stream.normal(), root = 1 + c * z;
    const double u = stream.positive(), spare = stream.positive();  // two blocks for each try
    if (root <= 0) continue;
    const double log_v = 3 * std::log(root), v = root * root * root;
    if (std::log(u) < 0.5 * z * z + d - d * v + d * log_v)
      return std::log(d) + log_v + (small ? std::log(spare) / alpha : 0);
  }
}

double log_factorial(double k) {
  if (k < 10) {
    double product = 1;
    for (double i = 2; i <= k; ++i) product *= i;
    return std::log(product);
  }
  const double r = 1 / (k * k);  // Stirling's series
  return (k + 0.5) * std::log(k) - k + 0.9189385332046727 + (1.0 / 12 - (1.0 / 360 - r / 1260) * r) / k;
}

// Small rates by multiplying, large ones by Hörmann, "The transformed rejection method for generating Poisson random
// variables", 1993 (PTRS).
double poisson(Stream& stream, double rate) {
  if (rate < 10) {
    const double limit = std::exp(-rate);
    double k = 0, product = stream.positive();
    for (; product > limit; ++k) product *= stream.positive();
    return k;
  }
  const double log_rate = std::log(rate), b = 0.931 + 2.53 * std::sqrt(rate), a = -0.059 + 0.02483 * b;
  const double inverse_alpha = 1.1239 + 1.1328 / (b - 3.4), accepted = 0.9277 - 3.6224 / (b - 2);
  for (;;) {
    const double u = stream.unit() - 0.5, v = stream.positive(), us = 0.5 - std::abs(u);
    const double k = std::floor((2 * a / us + b) * u + rate + 0.43);
    if (us >= 0.07 && v <= accepted) return k;
    if (k < 0 || (us < 0.013 && v > us)) continue;
    if (std::log(v * inverse_alpha / (a / (us * us) + b)) <= k * log_rate - rate - log_factorial(k)) return k;
  }
}

constexpr std::int64_t kChunk = 256;  // an element takes about a hundred nanoseconds

double slow_cost(const Call& call) { return 100 * static_cast<double>(call.out[0].numel()); }

template <class Body>
void each_element(const Call& call, const Body& body) {
  const RandomState state(call.in[0]);
  parallel_chunks(call.out[0].numel(), kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) body(state, i);
  });
}

// random_integers(state; shape, low, span): int64. The span is that of all numbers where it is 0.
void infer_integers(Call& call) {
  check_random_state(call);
  call.out[0] = Array::abstract(call.attrs[0].dims(), DType::Int64);
}

void run_integers(const Call& call) {
  const auto first = static_cast<uint64_t>(call.attrs[1].integer()),
             span = static_cast<uint64_t>(call.attrs[2].integer());
  auto* out = call.out[0].data<std::int64_t>();
  each_element(call, [&](const RandomState& state, std::int64_t i) {
    out[i] = static_cast<std::int64_t>(first + Stream(state, i).below(span));
  });
}

// random_permutation(state; n): the numbers below n in an order of which all are equally likely. Fisher and Yates.
void infer_permutation(Call& call) {
  check_random_state(call);
  if (call.attrs[0].integer() < 0)
    fail(ErrorKind::Value, "random_permutation: n must not be negative; got ", call.attrs[0].integer());
  call.out[0] = Array::abstract(Dims{call.attrs[0].integer()}, DType::Int64);
}

void run_permutation(const Call& call) {
  const RandomState state(call.in[0]);
  const std::int64_t n = call.attrs[0].integer();
  auto* out = call.out[0].data<std::int64_t>();
  for (std::int64_t i = 0; i < n; ++i) {
    const auto j = static_cast<std::int64_t>(Stream(state, i).below(static_cast<uint64_t>(i + 1)));
    out[i] = out[j];
    out[j] = i;
  }
}

// random_log_gamma(state, alpha; period), random_poisson(state, rate; period): a number for each element of the
// second input. Elements that are `period` apart have the same stream: those of the examples of a batch.
void check_period(const Call& call) {
  const std::int64_t period = call.attrs[0].integer(), n = call.in[1].numel();
  if (period < 0 || (n > 0 && (period == 0 || n % period != 0)))
    fail(ErrorKind::Value, call.kernel.name, ": period must divide the number of elements, ", n, "; got ", period);
  if (!is_floating(call.in[1].dtype()))
    fail(ErrorKind::DType, call.kernel.name, ": expected floating numbers; got dtype ", name(call.in[1].dtype()));
}

void infer_gamma(Call& call) {
  check_random_state(call);
  check_period(call);
  call.out[0] = call.in[1].shape_only();
}

template <class T>
void draw_gamma(const Call& call) {
  const Array given = as_contiguous(call.in[1]);
  const T* alpha = given.data<T>();
  T* out = call.out[0].data<T>();
  const std::int64_t period = call.attrs[0].integer();
  each_element(call, [&](const RandomState& state, std::int64_t i) {
    Stream stream(state, i % period);
    out[i] = static_cast<T>(log_gamma(stream, static_cast<double>(alpha[i])));
  });
}

void run_gamma(const Call& call) {
  call.in[1].dtype() == DType::Float64 ? draw_gamma<double>(call) : draw_gamma<float>(call);
}

void infer_poisson(Call& call) {
  check_random_state(call);
  check_period(call);
  call.out[0] = Array::abstract(call.in[1].shape(), DType::Int64);
}

template <class T>
void draw_poisson(const Call& call) {
  const Array given = as_contiguous(call.in[1]);
  const T* rate = given.data<T>();
  for (std::int64_t i = 0; i < given.numel(); ++i)
    if (!(rate[i] >= 0 && rate[i] <= T{9e18}))
      fail(ErrorKind::Value, "random_poisson: rates must be from 0 to 9e18; got ", static_cast<double>(rate[i]));
  auto* out = call.out[0].data<std::int64_t>();
  const std::int64_t period = call.attrs[0].integer();
  each_element(call, [&](const RandomState& state, std::int64_t i) {
    Stream stream(state, i % period);
    out[i] = static_cast<std::int64_t>(poisson(stream, static_cast<double>(rate[i])));
  });
}

void run_poisson(const Call& call) {
  call.in[1].dtype() == DType::Float64 ? draw_poisson<double>(call) : draw_poisson<float>(call);
}

// gamma_slope(x, alpha; which): how the logarithm x of a gamma number changes with alpha, see gamma_slope.h.
void infer_slope(Call& call) {
  const Array &x = call.in[0], &alpha = call.in[1];
  if (x.dtype() != alpha.dtype() || !is_floating(x.dtype()) || !(x.shape() == alpha.shape()))
    fail(ErrorKind::Shape, "gamma_slope: x and alpha must have one shape and floating dtype; got ", x.shape(), " ",
         name(x.dtype()), " and ", alpha.shape(), " ", name(alpha.dtype()));
  if (const std::int64_t which = call.attrs[0].integer(); which < 0 || which > 2)
    fail(ErrorKind::Value, "gamma_slope: which must be 0, 1 or 2; got ", which);
  call.out[0] = x.shape_only();
}

template <class T>
void slopes(const Call& call) {
  const Array xs = as_contiguous(call.in[0]), alphas = as_contiguous(call.in[1]);
  const T *x = xs.data<T>(), *alpha = alphas.data<T>();
  T* out = call.out[0].data<T>();
  const std::int64_t which = call.attrs[0].integer();
  parallel_chunks(call.out[0].numel(), kChunk, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      const GammaSlope s = gamma_slope(static_cast<double>(x[i]), static_cast<double>(alpha[i]));
      out[i] = static_cast<T>(which == 0 ? s.slope : which == 1 ? s.by_x : s.by_alpha);
    }
  });
}

void run_slope(const Call& call) { call.in[0].dtype() == DType::Float64 ? slopes<double>(call) : slopes<float>(call); }

}  // namespace

void register_random_rejection(Registry& registry) {
  const AttrSpec period{"period", AttrKind::Integer};
  registry.add({.name = "random_integers",
                .n_in = 1,
                .attributes = {{"shape", AttrKind::Dims}, {"low", AttrKind::Integer}, {"span", AttrKind::Integer}},
                .infer = infer_integers,
                .run = {run_integers},
                .cost = slow_cost});
  registry.add({.name = "random_permutation",
                .n_in = 1,
                .attributes = {{"n", AttrKind::Integer}},
                .infer = infer_permutation,
                .run = {run_permutation},
                .cost = slow_cost});
  registry.add({.name = "random_log_gamma",
                .n_in = 2,
                .attributes = {period},
                .infer = infer_gamma,
                .run = {run_gamma},
                .cost = slow_cost});
  registry.add({.name = "random_poisson",
                .n_in = 2,
                .attributes = {period},
                .infer = infer_poisson,
                .run = {run_poisson},
                .cost = slow_cost});
  registry.add({.name = "gamma_slope",
                .n_in = 2,
                .attributes = {{"which", AttrKind::Integer}},
                .infer = infer_slope,
                .run = {run_slope},
                .cost = slow_cost});
}

}  // namespace alice
