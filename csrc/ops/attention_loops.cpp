// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
#include "attention_loops.h"

#include "math_exp.h"
#include "math_float.h"

namespace alice::ALICE_ISA {
namespace {

// Of x ≤ 0.
ALICE_HD float exp_of(float x) { return exp_down(x); }
ALICE_HD double exp_of(double x) { return exp<Full>(x); }

template <class T>
constexpr T kInfinity = static_cast<T>(kInf);

template <class T>
ALICE_HD T larger(T a, T x) {
  return x > a ? x : a;
}

// Calls f(l) for every query of a block: no call depends on another.
template <class F>
ALICE_HD void lanes(F f) {
#pragma GCC ivdep
#pragma GCC unroll 1  // unrolled early, choices would not be vectorised
  for (int l = 0; l < kQueries; ++l) f(l);
}

// What is taken from the scores of a query: their maximum, but never minus infinity, from which nothing can be taken.
template <class T>
void shifts_of(const T* top, T* shift) {
  lanes([&](int l) { shift[l] = top[l] == -kInfinity<T> ? T(0) : top[l]; });
}

// The exponential of x is the weight beside that of the largest item. Infinite items share what there is: each counts
// as 0, the others as minus infinity.
template <class T>
ALICE_HD T below(T x, T shift) {
  return x == shift ? T(0) : x - shift;
}

// Scores, scaled and masked: minus infinity where a key does not count, whatever its score. And `top`, if it is less,
// becomes the largest of each query: NaN does not count, it comes back from its own exponential, and from the sum.
template <class T>
void prepare(const AttentionBlock& block, T* __restrict s, T* __restrict top) {
  const T scale = static_cast<T>(block.scale);
  const T* __restrict mask = static_cast<const T*>(block.mask);
  T largest[kQueries];
  lanes([&](int l) { largest[l] = top[l]; });
  for (std::int64_t k = 0; k < block.n; ++k, s += kQueries) {
    if (mask) {
      lanes([&](int l) { s[l] = mask[l] == -kInfinity<T> ? mask[l] : s[l] * scale + mask[l]; });
      mask += kQueries;
    } else {
      lanes([&](int l) { s[l] *= scale; });
    }
    if (k >= block.limit) {
      const int blind = static_cast<int>(k - block.limit) + 1;  // so many queries do not see it
      lanes([&](int l) { s[l] = l < blind ? -kInfinity<T> : s[l]; });
    }
    lanes([&](int l) { largest[l] = larger(largest[l], s[l]); });
  }
  lanes([&](int l) { top[l] = largest[l]; });
}

template <class T>
struct Loops {
  static void weigh(const AttentionBlock& block, void* scores, void* max_, double* sum, void* shrink_) {
    T* __restrict s = static_cast<T*>(scores);
    T* max = static_cast<T*>(max_);
    T* shrink = static_cast<T*>(shrink_);
    T before[kQueries], shift[kQueries];
    lanes([&](int l) { before[l] = max[l]; });
    prepare(block, s, max);
    shifts_of(max, shift);
    lanes([&](int l) { shrink[l] = exp_of(below(before[l], shift[l])); });
    const std::int64_t n = block.n;
    for (std::int64_t k = 0; k < n; ++k)
      lanes([&](int l) { s[k * kQueries + l] = exp_of(below(s[k * kQueries + l], shift[l])); });
    // In double, but for the first additions: four numbers up to 1.
    double total[kQueries];
    lanes([&](int l) { total[l] = sum[l] == 0 ? 0.0 : sum[l] * static_cast<double>(shrink[l]); });
    std::int64_t k = 0;
    for (; k + 4 <= n; k += 4, s += 4 * kQueries)
      lanes([&](int l) {
        total[l] += static_cast<double>((s[l] + s[l + kQueries]) + (s[l + 2 * kQueries] + s[l + 3 * kQueries]));
      });
    for (; k < n; ++k, s += kQueries) lanes([&](int l) { total[l] += static_cast<double>(s[l]); });
    lanes([&](int l) { sum[l] = total[l]; });
  }

  static void gather(std::int64_t rows, std::int64_t n, const void* x_, const void* shrink_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    const T* shrink = static_cast<const T*>(shrink_);
    T* __restrict y = static_cast<T*>(y_);
    for (std::int64_t i = 0; i < rows; ++i, x += n, y += n) {
      const T factor = shrink[i];
      if (factor == T(0)) {  // what was there counts no more
        for (std::int64_t k = 0; k < n; ++k) y[k] = x[k];
      } else {
        for (std::int64_t k = 0; k < n; ++k) y[k] = y[k] * factor + x[k];
      }
    }
  }

  static void finish(std::int64_t rows, std::int64_t n, const void* max_, const double* sum, void* y_, void* stats_) {
    const T* max = static_cast<const T*>(max_);
    T* __restrict y = static_cast<T*>(y_);
    T* stats = static_cast<T*>(stats_);
    for (std::int64_t i = 0; i < rows; ++i, y += n) {
      stats[2 * i] = max[i];
      stats[2 * i + 1] = static_cast<T>(sum[i]);
      const T inverse = static_cast<T>(1 / sum[i]);
      if (sum[i] == 0) {
        for (std::int64_t k = 0; k < n; ++k) y[k] = T(0);
      } else {
        for (std::int64_t k = 0; k < n; ++k) y[k] *= inverse;
      }
    }
  }

  static void weights(const AttentionBlock& block, const void* stats_, void* scores) {
    const T* stats = static_cast<const T*>(stats_);
    T* __restrict s = static_cast<T*>(scores);
    T max[kQueries] = {}, inverse[kQueries] = {}, shift[kQueries];
    for (int i = 0; i < block.rows; ++i) max[i] = stats[2 * i], inverse[i] = T(1) / stats[2 * i + 1];
    shifts_of(max, shift);
    prepare(block, s, max);
    for (std::int64_t k = 0; k < block.n; ++k, s += kQueries)
      lanes([&](int l) {
        const T weight = exp_of(below(s[l], shift[l]));
        s[l] = weight == T(0) ? T(0) : weight * inverse[l];
      });
  }

  static void dots(std::int64_t n, const void* g_, const void* y_, void* out_) {
    const T* __restrict g = static_cast<const T*>(g_);
    const T* __restrict y = static_cast<const T*>(y_);
    double total[kQueries] = {};
    for (std::int64_t k = 0; k < n; ++k, g += kQueries, y += kQueries)
      lanes([&](int l) { total[l] += static_cast<double>(g[l]) * static_cast<double>(y[l]); });
    lanes([&](int l) { static_cast<T*>(out_)[l] = static_cast<T>(total[l]); });
  }

  static void slopes(std::int64_t n, double scale_, const void* weights_, const void* dots_, void* slopes_) {
    const T* __restrict p = static_cast<const T*>(weights_);
    const T* __restrict dot = static_cast<const T*>(dots_);
    T* __restrict s = static_cast<T*>(slopes_);
    const T scale = static_cast<T>(scale_);
    for (std::int64_t k = 0; k < n; ++k, p += kQueries, s += kQueries)
      lanes([&](int l) { s[l] = p[l] == T(0) ? T(0) : p[l] * (s[l] - dot[l]) * scale; });
  }

  static void numbers(std::int64_t n, const std::uint8_t* flags, std::int64_t step, void* out_) {
    T* __restrict out = static_cast<T*>(out_);
    if (step == 1) {
      for (std::int64_t k = 0; k < n; ++k) out[k] = flags[k] ? T(0) : -kInfinity<T>;
    } else {
      for (std::int64_t k = 0; k < n; ++k) out[k] = flags[k * step] ? T(0) : -kInfinity<T>;
    }
  }

  static void add(std::int64_t n, const void* x_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    T* __restrict y = static_cast<T*>(y_);
    for (std::int64_t k = 0; k < n; ++k) y[k] += x[k];
  }

  static constexpr AttentionLoops table() { return {weigh, gather, finish, weights, dots, slopes, numbers, add}; }
};

constexpr AttentionLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const AttentionLoops& attention_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
