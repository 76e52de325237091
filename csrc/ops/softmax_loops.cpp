// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
//
// A long row is read twice while it lies in cache: for its maximum, and for the exponentials, 64 at a time. Short
// rows are taken in groups, so that the exponentials run across row boundaries. The number of items in a row alone
// decides in which order they are added.
#include "softmax_loops.h"

#include "math_exp.h"
#include "math_float.h"

namespace alice::ALICE_ISA {
namespace {

constexpr int kBlock = 64;            // exponentials at a time; a row of so many items is a long one
constexpr std::int64_t kGroup = 512;  // items in a group of short rows
constexpr int kLanes = 16;            // of a sum

ALICE_HD float exp_of(float x) { return exp(x); }
ALICE_HD double exp_of(double x) { return exp<Full>(x); }

template <class T>
constexpr T kInfinity = static_cast<T>(kInf);

// NaN wins.
template <class T>
ALICE_HD T larger(T a, T x) {
  return ((x > a) | (x != x)) ? x : a;
}

// a · b, where nothing times infinity is nothing.
template <class T>
ALICE_HD T strong_mul(T a, T b) {
  return a == T(0) ? T(0) : a * b;
}

// ---- sums of rows -------------------------------------------------------------------------------------------

struct Lanes {
  double lane[kLanes] = {};
  ALICE_HD double total() const {
    double s[8];
    for (int i = 0; i < 8; ++i) s[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
  }
};

// Σ f(k) for k < n.
template <class F>
ALICE_HD double sum_over(std::int64_t n, F f) {
  Lanes sum;
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
    for (int l = 0; l < kLanes; ++l) sum.lane[l] += f(k + l);
  for (int l = 0; k + l < n; ++l) sum.lane[l] += f(k + l);
  return sum.total();
}

// ---- one long row -------------------------------------------------------------------------------------------

template <class T>
T max_of(std::int64_t n, const T* __restrict x) {
  T lane[kBlock];
  for (int l = 0; l < kBlock; ++l) lane[l] = x[l];
  std::int64_t k = kBlock;
  for (; k + kBlock <= n; k += kBlock)
    for (int l = 0; l < kBlock; ++l) lane[l] = larger(lane[l], x[k + l]);
  for (int l = 0; k + l < n; ++l) lane[l] = larger(lane[l], x[k + l]);
  for (int half = kBlock / 2; half >= kLanes; half /= 2)
    for (int l = 0; l < half; ++l) lane[l] = larger(lane[l], lane[l + half]);
  T max = lane[0];
  for (int l = 1; l < kLanes; ++l) max = larger(max, lane[l]);
  return max;
}

// Calls body(k, count, e) for blocks of the row, e[l] = exp(x[k + l] - max) for l < count and 0 in the rest of the
// block. Infinite items share what there is: each counts as exp(0), the others as 0.
template <class T, class Body>
ALICE_HD void for_exp_blocks(std::int64_t n, const T* __restrict x, T max, Body body) {
  alignas(64) T e[kBlock], tail[kBlock];
  for (std::int64_t k = 0; k < n; k += kBlock) {
    const T* from = x + k;
    std::int64_t count = kBlock;
    if (k + kBlock > n) {
      count = n - k;
      for (int l = 0; l < kBlock; ++l) tail[l] = -kInfinity<T>;
      for (std::int64_t l = 0; l < count; ++l) tail[l] = from[l];
      from = tail;
    }
    if (max == kInfinity<T>) {
      for (int l = 0; l < kBlock; ++l) e[l] = from[l] == max ? T(1) : T(0);
    } else {
      for (int l = 0; l < kBlock; ++l) e[l] = exp_of(from[l] - max);
    }
    body(k, count, e);
  }
}

template <class T>
ALICE_HD void add_block(double* __restrict lane, const T* __restrict e) {
#pragma GCC unroll 1  // unrolled early, these loops would not be vectorised
  for (int l = 0; l < kLanes; ++l) lane[l] += static_cast<double>((e[l] + e[l + 16]) + (e[l + 32] + e[l + 48]));
}

template <class T>
double sum_exp(std::int64_t n, const T* x, T max) {
  Lanes sum;
  for_exp_blocks(n, x, max, [&](std::int64_t, std::int64_t, const T* e) { add_block(sum.lane, e); });
  return sum.total();
}

// ---- a group of short rows ----------------------------------------------------------------------------------

template <class T>
struct Group {
  alignas(64) T e[kGroup];  // exp(x - max), rows side by side as in x
  alignas(64) T max[kGroup];
  alignas(64) double sum[kGroup];

  static std::int64_t rows(std::int64_t n) { return n > 1 ? kGroup / n : kGroup; }

  void find_max(std::int64_t rows, std::int64_t n, const T* __restrict x) {
    for (std::int64_t i = 0; i < rows; ++i) max[i] = -kInfinity<T>;
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t i = 0; i < rows; ++i) max[i] = larger(max[i], x[i * n + k]);
  }
  void find_exp(std::int64_t rows, std::int64_t n, const T* __restrict x) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const T top = max[i];
      const T* from = x + i * n;
      T* to = e + i * n;
      if (top == kInfinity<T>) {
        for (std::int64_t k = 0; k < n; ++k) to[k] = from[k] == top ? T(0) : -kInfinity<T>;
      } else {
        for (std::int64_t k = 0; k < n; ++k) to[k] = from[k] - top;
      }
    }
    const std::int64_t items = rows * n, padded = (items + kLanes - 1) / kLanes * kLanes;
    for (std::int64_t k = items; k < padded; ++k) e[k] = 0;
    for (std::int64_t k = 0; k < padded; k += kLanes)
      for (int l = 0; l < kLanes; ++l) e[k + l] = exp_of(e[k + l]);
  }
  void find_sum(std::int64_t rows, std::int64_t n) {
    for (std::int64_t i = 0; i < rows; ++i) sum[i] = 0;
    for (std::int64_t k = 0; k < n; ++k)
      for (std::int64_t i = 0; i < rows; ++i) sum[i] += e[i * n + k];
  }
};

// Calls body(first row, rows) for groups of short rows.
template <class Body>
ALICE_HD void for_groups(std::int64_t rows, std::int64_t n, Body body) {
  const std::int64_t step = n > 1 ? kGroup / n : kGroup;
  for (std::int64_t i = 0; i < rows; i += step) body(i, i + step < rows ? step : rows - i);
}

// ---- loops --------------------------------------------------------------------------------------------------

template <class T>
struct Loops {
  static void softmax(std::int64_t rows, std::int64_t n, const void* x_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    T* __restrict y = static_cast<T*>(y_);
    if (n < kBlock) {
      Group<T> group;
      for_groups(rows, n, [&](std::int64_t first, std::int64_t count) {
        const T* from = x + first * n;
        T* to = y + first * n;
        group.find_max(count, n, from);
        group.find_exp(count, n, from);
        group.find_sum(count, n);
        for (std::int64_t i = 0; i < count; ++i) {
          const T inverse = static_cast<T>(1.0 / group.sum[i]);
          for (std::int64_t k = 0; k < n; ++k) to[i * n + k] = group.e[i * n + k] * inverse;
        }
      });
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i, x += n, y += n) {
      Lanes sum;
      for_exp_blocks(n, x, max_of(n, x), [&](std::int64_t k, std::int64_t count, const T* e) {
        if (count == kBlock) {
          for (int l = 0; l < kBlock; ++l) y[k + l] = e[l];
        } else {
          for (std::int64_t l = 0; l < count; ++l) y[k + l] = e[l];
        }
        add_block(sum.lane, e);
      });
      const T inverse = static_cast<T>(1.0 / sum.total());
      for (std::int64_t k = 0; k < n; ++k) y[k] *= inverse;
    }
  }

  // Maximum and Σ exp(x - max) of rows, into arrays of `rows` numbers `stride` apart.
  static void max_and_sum(std::int64_t rows, std::int64_t n, const T* x, T* max, double* sum) {
    if (n < kBlock) {
      Group<T> group;
      for_groups(rows, n, [&](std::int64_t first, std::int64_t count) {
        const T* from = x + first * n;
        group.find_max(count, n, from);
        group.find_exp(count, n, from);
        group.find_sum(count, n);
        for (std::int64_t i = 0; i < count; ++i) max[first + i] = group.max[i], sum[first + i] = group.sum[i];
      });
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i, x += n) {
      max[i] = max_of(n, x);
      sum[i] = sum_exp(n, x, max[i]);
    }
  }

  static void log_softmax(std::int64_t rows, std::int64_t n, const void* x_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    T* __restrict y = static_cast<T*>(y_);
    T max[kLanes];
    double sum[kLanes];
    for (std::int64_t first = 0; first < rows; first += kLanes) {
      const std::int64_t count = first + kLanes < rows ? kLanes : rows - first;
      max_and_sum(count, n, x, max, sum);
      for (std::int64_t i = 0; i < count; ++i, x += n, y += n) {
        const T top = max[i], rest = static_cast<T>(log<Full>(sum[i]));
        if (top == kInfinity<T>) {
          for (std::int64_t k = 0; k < n; ++k) y[k] = x[k] == top ? -rest : -kInfinity<T>;
        } else {
          for (std::int64_t k = 0; k < n; ++k) y[k] = (x[k] - top) - rest;
        }
      }
    }
  }

  static void softmax_vjp(std::int64_t rows, std::int64_t n, const void* g_, const void* y_, void* dx_) {
    const T* __restrict g = static_cast<const T*>(g_);
    const T* __restrict y = static_cast<const T*>(y_);
    T* __restrict dx = static_cast<T*>(dx_);
    for (std::int64_t i = 0; i < rows; ++i, g += n, y += n, dx += n) {
      const T mean = static_cast<T>(sum_over(
          n, [&](std::int64_t k) { return strong_mul(static_cast<double>(g[k]), static_cast<double>(y[k])); }));
      for (std::int64_t k = 0; k < n; ++k) dx[k] = strong_mul(g[k] - mean, y[k]);
    }
  }

  static void log_softmax_vjp(std::int64_t rows, std::int64_t n, const void* g_, const void* y_, void* dx_) {
    const T* __restrict g = static_cast<const T*>(g_);
    const T* __restrict y = static_cast<const T*>(y_);
    T* __restrict dx = static_cast<T*>(dx_);
    for (std::int64_t i = 0; i < rows; ++i, g += n, y += n, dx += n) {
      const T sum = static_cast<T>(sum_over(n, [&](std::int64_t k) { return static_cast<double>(g[k]); }));
      for (std::int64_t k = 0; k < n; ++k) dx[k] = g[k] - strong_mul(sum, exp_of(y[k]));
    }
  }

  static void logsumexp_vjp(std::int64_t rows, std::int64_t n, const void* g_, const void* x_, void* dx_) {
    const T* x = static_cast<const T*>(x_);
    T* dx = static_cast<T*>(dx_);
    softmax(rows, n, x, dx);
    for (std::int64_t i = 0; i < rows; ++i, x += n, dx += n) {
      const T g = static_cast<const T*>(g_)[i];
      bool nothing = g == T(0);
      if (!nothing && n > 0 && dx[0] != dx[0]) {  // a NaN, or nothing but -inf: no item moves such a sum
        nothing = true;
        for (std::int64_t k = 0; k < n; ++k) nothing &= x[k] == -kInfinity<T>;
      }
      for (std::int64_t k = 0; k < n; ++k) dx[k] = nothing ? T(0) : g * dx[k];
    }
  }

  static void stats(std::int64_t rows, std::int64_t n, const void* x_, void* stats_, double* log_sum) {
    const T* x = static_cast<const T*>(x_);
    T* out = static_cast<T*>(stats_);
    T max[kBlock];
    for (std::int64_t first = 0; first < rows; first += kBlock) {
      const std::int64_t count = first + kBlock < rows ? kBlock : rows - first;
      double* sum = log_sum + first;
      max_and_sum(count, n, x + first * n, max, sum);
      for (std::int64_t i = 0; i < count; ++i) {
        out[2 * (first + i)] = max[i];
        out[2 * (first + i) + 1] = static_cast<T>(sum[i]);
      }
      for (std::int64_t i = 0; i < count; ++i) sum[i] = log<Full>(sum[i]);
    }
  }

  static void weighted(std::int64_t n, const void* x_, const void* q_, double max, double log_sum, double* total,
                       double* weight) {
    const T* x = static_cast<const T*>(x_);
    const T* q = static_cast<const T*>(q_);
    // Where the maximum is infinite, infinite items lose nothing against it.
    const auto loss = [&](std::int64_t k) {
      return (max == kInf && x[k] == kInfinity<T> ? 0.0 : max - static_cast<double>(x[k])) + log_sum;
    };
    if (q) {
      *total = sum_over(n, [&](std::int64_t k) { return strong_mul(static_cast<double>(q[k]), loss(k)); });
      *weight = sum_over(n, [&](std::int64_t k) { return static_cast<double>(q[k]); });
    } else {
      *total = sum_over(n, loss);
      *weight = static_cast<double>(n);
    }
  }

  static void gradient(std::int64_t rows, std::int64_t n, const void* x_, const void* stats_, const void* q_,
                       const SoftmaxLoops::Row* row, void* dx_) {
    const T* x = static_cast<const T*>(x_);
    const T* stats = static_cast<const T*>(stats_);
    const T* q = static_cast<const T*>(q_);
    T* dx = static_cast<T*>(dx_);
    const auto combine = [&](std::int64_t i, std::int64_t at, std::int64_t count, const T* e) {
      const T scale = static_cast<T>(row[i].scale / static_cast<double>(stats[2 * i + 1]));
      const T shift = static_cast<T>(row[i].shift), slope = static_cast<T>(row[i].slope);
      T* __restrict to = dx + i * n + at;
      const T* weight = q ? q + i * n + at : nullptr;
      if (!row[i].live) {
        for (std::int64_t k = 0; k < count; ++k) to[k] = T(0);
      } else if (weight) {
        for (std::int64_t k = 0; k < count; ++k) to[k] = (e[k] * scale - shift) - weight[k] * slope;
      } else if (count == kBlock) {
        for (int k = 0; k < kBlock; ++k) to[k] = e[k] * scale - shift;
      } else {
        for (std::int64_t k = 0; k < count; ++k) to[k] = e[k] * scale - shift;
      }
    };
    if (n < kBlock) {
      Group<T> group;
      for_groups(rows, n, [&](std::int64_t first, std::int64_t count) {
        for (std::int64_t i = 0; i < count; ++i) group.max[i] = stats[2 * (first + i)];
        group.find_exp(count, n, x + first * n);
        for (std::int64_t i = 0; i < count; ++i) combine(first + i, 0, n, group.e + i * n);
      });
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i)
      for_exp_blocks(n, x + i * n, stats[2 * i],
                     [&](std::int64_t k, std::int64_t count, const T* e) { combine(i, k, count, e); });
  }

  static constexpr SoftmaxLoops table() {
    return {softmax, log_softmax, softmax_vjp, log_softmax_vjp, logsumexp_vjp, stats, weighted, gradient};
  }
};

constexpr SoftmaxLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const SoftmaxLoops& softmax_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
