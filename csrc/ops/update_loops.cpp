#include "update_loops.h"

#include <limits>

#include "../core/isa.h"

namespace alice::ALICE_ISA {
namespace {

// Products and sums are rounded one by one, without fused multiply-add: the loops wait for memory anyway, and so
// the result is the same bits on every CPU, and the same as p - lr * (…) written out in tensors.

template <class T>
void sgd(std::int64_t n, const void* p_in, const void* g_in, const void*, void* p_result, void*,
         const SgdHyper& hyper) {
  const auto *p = static_cast<const T*>(p_in), *g = static_cast<const T*>(g_in);
  auto* p_out = static_cast<T*>(p_result);
  const T lr = static_cast<T>(hyper.lr), decay = static_cast<T>(hyper.weight_decay);
  if (decay == T{0}) {  // not g + 0 * p, which is NaN for an infinite p
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) p_out[i] = p[i] - lr * g[i];
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) p_out[i] = p[i] - lr * (g[i] + decay * p[i]);
  }
}

// The velocity of a parameter that gets no gradient any more fades into the subnormal numbers and stays there, where
// arithmetic is a hundred times slower: it ends at zero instead.
template <class T>
constexpr T kSmallest = std::numeric_limits<T>::min();

// v = momentum * v + g;  p = p - lr * (nesterov ? g + momentum * v : v)
template <class T, bool kDecay, bool kNesterov>
void momentum_loop(std::int64_t n, const T* p, const T* g, const T* v, T* p_out, T* v_out, T lr, T momentum, T decay) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) {
    const T item = p[i], slope = kDecay ? g[i] + decay * item : g[i];
    const T sum = momentum * v[i] + slope, velocity = sum < kSmallest<T> && sum > -kSmallest<T> ? T{0} : sum;
    v_out[i] = velocity;
    p_out[i] = item - lr * (kNesterov ? slope + momentum * velocity : velocity);
  }
}

template <class T>
void sgd_momentum(std::int64_t n, const void* p, const void* g, const void* v, void* p_out, void* v_out,
                  const SgdHyper& hyper) {
  const T decay = static_cast<T>(hyper.weight_decay);
  const auto loop = decay == T{0} ? (hyper.nesterov ? momentum_loop<T, false, true> : momentum_loop<T, false, false>)
                                  : (hyper.nesterov ? momentum_loop<T, true, true> : momentum_loop<T, true, false>);
  loop(n, static_cast<const T*>(p), static_cast<const T*>(g), static_cast<const T*>(v), static_cast<T*>(p_out),
       static_cast<T*>(v_out), static_cast<T>(hyper.lr), static_cast<T>(hyper.momentum), decay);
}

}  // namespace

const UpdateLoops& update_loops() {
  static constexpr UpdateLoops loops = {{sgd<float>, sgd<double>}, {sgd_momentum<float>, sgd_momentum<double>}};
  return loops;
}

}  // namespace alice::ALICE_ISA
