#include "update_loops.h"

#include <cmath>
#include <limits>

#include "../core/isa.h"

namespace alice::ALICE_ISA {
namespace {

// Products and sums are rounded one by one, without fused multiply-add: the loops wait for memory anyway, and so
// the result is the same bits on every CPU, and the same as p - lr * (…) written out in tensors.

template <class T>
const T* from(const void* const* in, int i) {
  return static_cast<const T*>(in[i]);
}

template <class T>
T* to(void* const* out, int i) {
  return static_cast<T*>(out[i]);
}

// What is remembered of a parameter that gets no gradient any more fades into the subnormal numbers and stays there,
// where arithmetic is a hundred times slower: it ends at zero instead. NaN stays.
template <class T>
T settled(T x) {
  constexpr T smallest = std::numeric_limits<T>::min();
  return x < smallest && x > -smallest ? T{0} : x;
}

template <class T>
void sgd(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const auto *p = from<T>(in, 0), *g = from<T>(in, 1);
  auto* p_out = to<T>(out, 0);
  const T lr = static_cast<T>(c[0]), decay = static_cast<T>(c[3]);
  if (decay == T{0}) {  // not g + 0 * p, which is NaN for an infinite p
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) p_out[i] = p[i] - lr * g[i];
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) p_out[i] = p[i] - lr * (g[i] + decay * p[i]);
  }
}

// v = momentum * v + g;  p = p - lr * (nesterov ? g + momentum * v : v)
template <class T, bool kDecay, bool kNesterov>
void momentum_loop(std::int64_t n, const T* p, const T* g, const T* v, T* p_out, T* v_out, T lr, T momentum, T decay) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T item = p[i], slope = kDecay ? g[i] + decay * item : g[i];
    const T velocity = settled(momentum * v[i] + slope);
    v_out[i] = velocity;
    p_out[i] = item - lr * (kNesterov ? slope + momentum * velocity : velocity);
  }
}

template <class T>
void sgd_momentum(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const T decay = static_cast<T>(c[3]);
  const bool nesterov = c[2] != 0;
  const auto loop = decay == T{0} ? (nesterov ? momentum_loop<T, false, true> : momentum_loop<T, false, false>)
                                  : (nesterov ? momentum_loop<T, true, true> : momentum_loop<T, true, false>);
  loop(n, from<T>(in, 0), from<T>(in, 1), from<T>(in, 2), to<T>(out, 0), to<T>(out, 1), static_cast<T>(c[0]),
       static_cast<T>(c[1]), decay);
}

// The gradient with the pull of the decay in it; without one an infinite parameter adds nothing.
template <class T>
T decayed(T g, T p, T decay) {
  return decay != T{0} ? g + decay * p : g;
}

// c: rate, eps, decay
template <class T>
void adagrad(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const auto *p = from<T>(in, 0), *g = from<T>(in, 1), *sum = from<T>(in, 2);
  auto *p_out = to<T>(out, 0), *sum_out = to<T>(out, 1);
  const T rate = static_cast<T>(c[0]), eps = static_cast<T>(c[1]), decay = static_cast<T>(c[2]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T slope = decayed(g[i], p[i], decay), total = settled(sum[i] + slope * slope);
    sum_out[i] = total;
    p_out[i] = p[i] - rate * slope / (std::sqrt(total) + eps);
  }
}

// c: lr, alpha, 1 - alpha, eps, momentum, decay
template <class T, bool kCentred, bool kVelocity>
void rmsprop(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  constexpr int kMean = 3, kLast = 3 + kCentred;
  const auto *p = from<T>(in, 0), *g = from<T>(in, 1), *square = from<T>(in, 2);
  const T *mean = kCentred ? from<T>(in, kMean) : nullptr, *velocity = kVelocity ? from<T>(in, kLast) : nullptr;
  auto *p_out = to<T>(out, 0), *square_out = to<T>(out, 1);
  T *mean_out = kCentred ? to<T>(out, kMean - 1) : nullptr, *velocity_out = kVelocity ? to<T>(out, kLast - 1) : nullptr;
  const T lr = static_cast<T>(c[0]), keep = static_cast<T>(c[1]), take = static_cast<T>(c[2]);
  const T eps = static_cast<T>(c[3]), momentum = static_cast<T>(c[4]), decay = static_cast<T>(c[5]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T item = p[i], slope = decayed(g[i], item, decay);
    T spread = square_out[i] = settled(keep * square[i] + take * slope * slope);
    if (kCentred) {
      const T m = mean_out[i] = settled(mean[i] + take * (slope - mean[i]));
      spread -= m * m;
      spread = spread < T{0} ? T{0} : spread;  // of equal gradients, by rounding
    }
    const T way = slope / (std::sqrt(spread) + eps);
    const T v = kVelocity ? settled(momentum * velocity[i] + way) : way;
    if (kVelocity) velocity_out[i] = v;
    p_out[i] = item - lr * v;
  }
}

// c: rate, rate of the gradient itself (Nesterov's look ahead), 1 - beta1, beta2, 1 - beta2,
//    1 / sqrt(bias correction of the second moment), eps, decay, what is left of p
template <class T, bool kLargest, bool kAhead>
void adam(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const auto *p = from<T>(in, 0), *g = from<T>(in, 1), *mean = from<T>(in, 2), *square = from<T>(in, 3);
  const T* largest = kLargest ? from<T>(in, 4) : nullptr;
  auto *p_out = to<T>(out, 0), *mean_out = to<T>(out, 1), *square_out = to<T>(out, 2);
  T* largest_out = kLargest ? to<T>(out, 3) : nullptr;
  const T rate = static_cast<T>(c[0]), ahead = static_cast<T>(c[1]), take1 = static_cast<T>(c[2]);
  const T keep2 = static_cast<T>(c[3]), take2 = static_cast<T>(c[4]), correction = static_cast<T>(c[5]);
  const T eps = static_cast<T>(c[6]), decay = static_cast<T>(c[7]), left = static_cast<T>(c[8]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T item = p[i], slope = decayed(g[i], item, decay);
    const T m = mean_out[i] = settled(mean[i] + take1 * (slope - mean[i]));
    T spread = square_out[i] = settled(keep2 * square[i] + take2 * slope * slope);
    if (kLargest) spread = largest_out[i] = spread <= largest[i] ? largest[i] : spread;
    const T way = kAhead ? rate * m + ahead * slope : rate * m;
    p_out[i] = item * left - way / (std::sqrt(spread) * correction + eps);
  }
}

// c: lr, 1 - beta1, 1 - beta2, what is left of p
template <class T>
void lion(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const auto *p = from<T>(in, 0), *g = from<T>(in, 1), *mean = from<T>(in, 2);
  auto *p_out = to<T>(out, 0), *mean_out = to<T>(out, 1);
  const T lr = static_cast<T>(c[0]), take1 = static_cast<T>(c[1]), take2 = static_cast<T>(c[2]);
  const T left = static_cast<T>(c[3]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T m = mean[i], way = m + take1 * (g[i] - m);
    mean_out[i] = settled(m + take2 * (g[i] - m));
    const T sign = way > T{0} ? T{1} : way < T{0} ? T{-1} : way;  // NaN stays
    p_out[i] = p[i] * left - lr * sign;
  }
}

// c: 1 - decay. Averages in the place of parameters, and these in the place of gradients.
template <class T>
void average(std::int64_t n, const void* const* in, void* const* out, const double* c) {
  const auto *mean = from<T>(in, 0), *p = from<T>(in, 1);
  auto* mean_out = to<T>(out, 0);
  const T take = static_cast<T>(c[0]);
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) mean_out[i] = mean[i] + take * (p[i] - mean[i]);
}

}  // namespace

const UpdateLoops& update_loops() {
  static constexpr UpdateLoops loops = {
      .sgd = {{sgd<float>, sgd<double>}, {sgd_momentum<float>, sgd_momentum<double>}},
      .adagrad = {adagrad<float>, adagrad<double>},
      .rmsprop = {{rmsprop<float, false, false>, rmsprop<double, false, false>},
                  {rmsprop<float, true, false>, rmsprop<double, true, false>},
                  {rmsprop<float, false, true>, rmsprop<double, false, true>},
                  {rmsprop<float, true, true>, rmsprop<double, true, true>}},
      .adam = {{adam<float, false, false>, adam<double, false, false>},
               {adam<float, true, false>, adam<double, true, false>}},
      .nadam = {adam<float, false, true>, adam<double, false, true>},
      .lion = {lion<float>, lion<double>},
      .average = {average<float>, average<double>},
  };
  return loops;
}

}  // namespace alice::ALICE_ISA
