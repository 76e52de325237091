// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
//
// A long row is read twice while it lies in cache: for its maximum, and for the exponentials, 64 at a time. Short
// rows are taken several at a time, side by side, or one after the other across row boundaries. The number of items in
// a row alone decides in which order they are added.
#include "softmax_loops.h"

#include "math_exp.h"
#include "math_float.h"
#include "row_sums.h"

namespace alice::ALICE_ISA {
namespace {

constexpr int kBlock = 64;            // exponentials at a time; a row of so many items is a long one
constexpr std::int64_t kGroup = 512;  // items in a group of short rows (kBlock rows at least)

// Of x ≤ 0, give or take what rounding does.
ALICE_HD float exp_of(float x) { return exp_down(x); }
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

// exp(x - max). Infinite items share what there is: each counts as exp(0), the others as 0.
template <class T>
ALICE_HD T exp_below(T x, T max) {
  return exp_of(max == kInfinity<T> ? (x == max ? T(0) : -kInfinity<T>) : x - max);
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

// y = f(e) for the first `count` items of a block.
template <class T, class F>
ALICE_HD void put_block(T* __restrict y, std::int64_t count, const T* __restrict e, F f) {
  if (count == kBlock) {
    for (int l = 0; l < kBlock; ++l) y[l] = f(e[l]);
  } else {
    for (std::int64_t l = 0; l < count; ++l) y[l] = f(e[l]);
  }
}

template <class T>
double sum_exp(std::int64_t n, const T* x, T max) {
  Lanes sum;
  for_exp_blocks(n, x, max, [&](std::int64_t, std::int64_t, const T* e) { add_block(sum.lane, e); });
  return sum.total();
}

// ---- short rows ---------------------------------------------------------------------------------------------

// kLanes short rows side by side: item k of row l is e[k * kLanes + l].
template <class T>
struct Columns {
  alignas(64) T e[kBlock * kLanes];
  alignas(64) T max[kLanes];
  alignas(64) double sum[kLanes];

  // Maximum and Σ exp(x - max) of `rows` ≤ kLanes rows; e becomes exp(x - max).
  void find(std::int64_t rows, std::int64_t n, const T* __restrict x) {
    if (rows == kLanes) {
      for (std::int64_t k = 0; k < n; ++k)
#pragma GCC unroll 4  // a transposition, which is not vectorised
        for (int l = 0; l < kLanes; ++l) e[k * kLanes + l] = x[l * n + k];
    } else {
      for (std::int64_t k = 0; k < n; ++k)
        for (std::int64_t l = 0; l < kLanes; ++l) e[k * kLanes + l] = l < rows ? x[l * n + k] : T(0);
    }
    T top[kLanes];
    double total[kLanes] = {};
    for (int l = 0; l < kLanes; ++l) top[l] = -kInfinity<T>;
    for (std::int64_t k = 0; k < n; ++k)
#pragma GCC unroll 1  // unrolled early, these loops would not be vectorised
      for (int l = 0; l < kLanes; ++l) top[l] = larger(top[l], e[k * kLanes + l]);
    for (std::int64_t k = 0; k < n * kLanes; k += kLanes)
#pragma GCC unroll 1
      for (int l = 0; l < kLanes; ++l) e[k + l] = exp_below(e[k + l], top[l]);
    for (std::int64_t k = 0; k < n; ++k)
#pragma GCC unroll 1
      for (int l = 0; l < kLanes; ++l) total[l] += static_cast<double>(e[k * kLanes + l]);
    for (int l = 0; l < kLanes; ++l) max[l] = top[l], sum[l] = total[l];
  }

  // e, with f(e, lane) in its place, back in rows.
  template <class F>
  void put(std::int64_t rows, std::int64_t n, T* __restrict y, F f) const {
    for (std::int64_t k = 0; k < n; ++k) {
      T column[kLanes];
#pragma GCC unroll 1
      for (int l = 0; l < kLanes; ++l) column[l] = f(e[k * kLanes + l], l);
      for (std::int64_t l = 0; l < rows; ++l) y[l * n + k] = column[l];
    }
  }
};

// Calls body(first row, rows) for at most `step` rows at a time.
template <class Body>
ALICE_HD void for_rows(std::int64_t rows, std::int64_t step, Body body) {
  for (std::int64_t i = 0; i < rows; i += step) body(i, i + step < rows ? step : rows - i);
}

// A number of each row, repeated for every item of a group of short rows that lie one after the other.
template <class T>
struct Spread {
  alignas(64) T item[kGroup + kBlock];

  // In ascending order of rows: what is written too far, the next row corrects.
  void put(std::int64_t row, std::int64_t n, T value) {
    for (std::int64_t k = 0; k < n; k += kLanes)
#pragma GCC unroll 1
      for (int l = 0; l < kLanes; ++l) item[row * n + k + l] = value;
  }
};

// ---- loops --------------------------------------------------------------------------------------------------

template <class T>
struct Loops {
  static void softmax(std::int64_t rows, std::int64_t n, const void* x_, void* y_) {
    const T* __restrict x = static_cast<const T*>(x_);
    T* __restrict y = static_cast<T*>(y_);
    if (n < kBlock) {
      Columns<T> columns;
      for_rows(rows, kLanes, [&](std::int64_t first, std::int64_t count) {
        columns.find(count, n, x + first * n);
        T inverse[kLanes];
        for (int l = 0; l < kLanes; ++l) inverse[l] = static_cast<T>(1.0 / columns.sum[l]);
        columns.put(count, n, y + first * n, [&](T e, int l) { return e * inverse[l]; });
      });
      return;
    }
    for (std::int64_t i = 0; i < rows; ++i, x += n, y += n) {
      Lanes sum;
      for_exp_blocks(n, x, max_of(n, x), [&](std::int64_t k, std::int64_t count, const T* e) {
        put_block(y + k, count, e, [](T item) { return item; });
        add_block(sum.lane, e);
      });
      const T inverse = static_cast<T>(1.0 / sum.total());
      for (std::int64_t k = 0; k < n; ++k) y[k] *= inverse;
    }
  }

  // Maximum and Σ exp(x - max) of rows, into arrays of `rows` numbers `stride` apart.
  static void max_and_sum(std::int64_t rows, std::int64_t n, const T* x, T* max, double* sum) {
    if (n < kBlock) {
      Columns<T> columns;
      for_rows(rows, kLanes, [&](std::int64_t first, std::int64_t count) {
        columns.find(count, n, x + first * n);
        for (std::int64_t i = 0; i < count; ++i) max[first + i] = columns.max[i], sum[first + i] = columns.sum[i];
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

  static void gradient(std::int64_t rows, std::int64_t n, const void* x_, const void* stats_, const void* q,
                       const SoftmaxLoops::Row* row, std::int64_t step, void* dx_) {
    const T* x = static_cast<const T*>(x_);
    const T* stats = static_cast<const T*>(stats_);
    T* dx = static_cast<T*>(dx_);
    if (n < kBlock) {
      for_rows(rows, kGroup / (n > kGroup / kBlock ? n : kGroup / kBlock), [&](std::int64_t i, std::int64_t count) {
        short_gradient(count, n, x + i * n, stats + 2 * i, row + i * step, step, dx + i * n);
      });
    } else {
      for (std::int64_t i = 0; i < rows; ++i) {
        const T scale = scale_of(row[i * step], stats[2 * i + 1]), shift = static_cast<T>(row[i * step].shift);
        for_exp_blocks(n, x + i * n, stats[2 * i], [&](std::int64_t k, std::int64_t count, const T* e) {
          put_block(dx + i * n + k, count, e, [&](T item) { return item * scale - shift; });
        });
      }
    }
    if (q) subtract_targets(rows, n, static_cast<const T*>(q), row, step, dx);
  }

  static T scale_of(const SoftmaxLoops::Row& row, T sum) {
    return static_cast<T>(row.scale / static_cast<double>(sum));
  }

  static void short_gradient(std::int64_t rows, std::int64_t n, const T* __restrict x, const T* stats,
                             const SoftmaxLoops::Row* row, std::int64_t step, T* __restrict dx) {
    Spread<T> max, scale, shift;
    T scales[kBlock];
    for (std::int64_t i = 0; i < rows; ++i) scales[i] = scale_of(row[i * step], stats[2 * i + 1]);
    for (std::int64_t i = 0; i < rows; ++i) {
      max.put(i, n, stats[2 * i]);
      scale.put(i, n, scales[i]);
      shift.put(i, n, static_cast<T>(row[i * step].shift));
    }
    const auto block = [&](std::int64_t k, const T* __restrict from, T* __restrict to) {
#pragma GCC unroll 1
      for (int l = 0; l < kLanes; ++l)
        to[l] = exp_below(from[l], max.item[k + l]) * scale.item[k + l] - shift.item[k + l];
    };
    const std::int64_t items = rows * n;
    std::int64_t k = 0;
    for (; k + kLanes <= items; k += kLanes) block(k, x + k, dx + k);
    if (k < items) {
      T from[kLanes] = {}, to[kLanes];
      for (std::int64_t l = 0; k + l < items; ++l) from[l] = x[k + l];
      block(k, from, to);
      for (std::int64_t l = 0; k + l < items; ++l) dx[k + l] = to[l];
    }
  }

  static void subtract_targets(std::int64_t rows, std::int64_t n, const T* q, const SoftmaxLoops::Row* row,
                               std::int64_t step, T* dx) {
    for (std::int64_t i = 0; i < rows; ++i) {
      const T slope = static_cast<T>(row[i * step].slope);
      for (std::int64_t j = i * n; j < (i + 1) * n; ++j) dx[j] -= q[j] * slope;
    }
  }

  static void both(std::int64_t rows, std::int64_t n, const void* x_, const void* q, const SoftmaxLoops::Row* row,
                   std::int64_t step, void* stats_, double* log_sum, void* dx_) {
    const T* x = static_cast<const T*>(x_);
    T* dx = static_cast<T*>(dx_);
    T* stats = static_cast<T*>(stats_);
    if (n < kBlock) {
      Columns<T> columns;
      for_rows(rows, kLanes, [&](std::int64_t i, std::int64_t count) {
        columns.find(count, n, x + i * n);
        SoftmaxLoops::Row of[kLanes];
        T sum[kLanes], scale[kLanes], shift[kLanes];
        for (std::int64_t l = 0; l < kLanes; ++l) of[l] = row[l < count ? (i + l) * step : 0];
        for (int l = 0; l < kLanes; ++l) {
          sum[l] = static_cast<T>(columns.sum[l]);
          scale[l] = scale_of(of[l], sum[l]);
          shift[l] = static_cast<T>(of[l].shift);
          columns.sum[l] = log<Full>(columns.sum[l]);
        }
        for (std::int64_t l = 0; l < count; ++l) {
          stats[2 * (i + l)] = columns.max[l];
          stats[2 * (i + l) + 1] = sum[l];
          log_sum[i + l] = columns.sum[l];
        }
        columns.put(count, n, dx + i * n, [&](T e, int l) { return e * scale[l] - shift[l]; });
      });
    } else {
      for (std::int64_t i = 0; i < rows; ++i) {
        T* to = dx + i * n;  // perhaps x itself: a block is read before it is written
        stats[2 * i] = max_of(n, x + i * n);
        Lanes lanes;
        for_exp_blocks(n, x + i * n, stats[2 * i], [&](std::int64_t k, std::int64_t count, const T* e) {
          put_block(to + k, count, e, [](T item) { return item; });
          add_block(lanes.lane, e);
        });
        stats[2 * i + 1] = static_cast<T>(lanes.total());
        log_sum[i] = log<Full>(lanes.total());
        const T scale = scale_of(row[i * step], stats[2 * i + 1]), shift = static_cast<T>(row[i * step].shift);
        for (std::int64_t k = 0; k < n; ++k) to[k] = to[k] * scale - shift;
      }
    }
    if (q) subtract_targets(rows, n, static_cast<const T*>(q), row, step, dx);
  }

  static void sum(std::int64_t n, const double* x, double* high, double* low) {
    if constexpr (sizeof(T) == 4) {
      *high = sum_over(n, [&](std::int64_t k) { return x[k]; });
      *low = 0;
    } else {  // compensated in every lane
      double h[kLanes] = {}, c[kLanes] = {};
      const auto add = [](double& hi, double& lo, double term) {
        const Pair s = two_sum(hi, term);
        hi = s.hi, lo += s.lo;
      };
      std::int64_t k = 0;
      for (; k + kLanes <= n; k += kLanes)
#pragma GCC unroll 1
        for (int l = 0; l < kLanes; ++l) add(h[l], c[l], x[k + l]);
      for (int l = 0; k + l < n; ++l) add(h[l], c[l], x[k + l]);
      for (int half = kLanes / 2; half > 0; half /= 2)
        for (int l = 0; l < half; ++l) c[l] += c[l + half], add(h[l], c[l], h[l + half]);
      *high = h[0], *low = c[0];
    }
  }

  static constexpr SoftmaxLoops table() {
    return {softmax, log_softmax, softmax_vjp, log_softmax_vjp, logsumexp_vjp, stats, weighted, gradient, both, sum};
  }
};

constexpr SoftmaxLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const SoftmaxLoops& softmax_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
