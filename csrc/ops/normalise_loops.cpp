// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
#include "normalise_loops.h"

#include "row_sums.h"

namespace alice::ALICE_ISA {
namespace {

constexpr std::int64_t kGroup = 16;  // rows whose contributions are added in T, before they are added in double

// Σ f(k) and Σ h(k), where f and h share what they compute: both(k, &f, &h).
template <class F>
ALICE_HD void sums_over(std::int64_t n, F both, double* f, double* h) {
  Lanes first, second;
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
#pragma GCC unroll 1  // unrolled early, these loops would not be vectorised
    for (int l = 0; l < kLanes; ++l) {
      double a, b;
      both(k + l, &a, &b);
      first.lane[l] += a;
      second.lane[l] += b;
    }
  for (int l = 0; k + l < n; ++l) {
    double a, b;
    both(k + l, &a, &b);
    first.lane[l] += a;
    second.lane[l] += b;
  }
  *f = first.total();
  *h = second.total();
}

template <class T>
struct Row {
  T high, low, factor;  // of the mean, and what follows
  ALICE_HD T centred(T x) const { return (x - high) - low; }
  ALICE_HD T normal(T x) const { return centred(x) * factor; }
};

// For rows whose squares leave the range of T's sums: everything is divided by its largest item.
template <class T>
[[gnu::noinline]] double factor_of_scaled(std::int64_t n, const T* x, const Row<T>& row, double eps) {
  double top = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    const double c = absolute(static_cast<double>(row.centred(x[k])));
    top = c > top || c != c ? c : top;
  }
  if (top == 0) return 1 / std::sqrt(eps);
  if (!(top < kInf)) return 1 / top;  // 0, or NaN
  const double square = sum_over(n, [&](std::int64_t k) {
    const double c = static_cast<double>(row.centred(x[k])) / top;
    return c * c;
  });
  return 1 / std::sqrt(square / static_cast<double>(n) + eps / top / top) / top;
}

template <class T>
[[gnu::noinline]] double mean_of_scaled(std::int64_t n, const T* x) {
  const double count = static_cast<double>(n);
  return sum_over(n, [&](std::int64_t k) { return static_cast<double>(x[k]) / count; });
}

template <class T>
ALICE_HD Row<T> describe(std::int64_t n, const T* __restrict x, bool centred, double eps) {
  const double count = static_cast<double>(n);
  double mean = 0;
  if (centred) {
    mean = sum_over(n, [&](std::int64_t k) { return static_cast<double>(x[k]); }) / count;
    if (sizeof(T) == 8 && !(absolute(mean) < kInf)) mean = mean_of_scaled(n, x);
  }
  Row<T> row{static_cast<T>(mean), T(0), T(0)};
  row.low = static_cast<T>(mean - static_cast<double>(row.high));
  const double square = sum_over(n, [&](std::int64_t k) {
    const double c = static_cast<double>(row.centred(x[k]));
    return c * c;
  });
  const bool plain = sizeof(T) == 4 || (square > 0x1p-900 && square < kInf);
  row.factor = static_cast<T>(plain ? 1 / std::sqrt(square / count + eps) : factor_of_scaled(n, x, row, eps));
  return row;
}

template <class T>
struct Loops {
  static void forward(std::int64_t rows, std::int64_t n, bool centred, double eps, const void* x_, const void* w_,
                      const void* b_, void* y_, void* stats_) {
    const T* __restrict x = static_cast<const T*>(x_);
    const T* __restrict w = static_cast<const T*>(w_);
    const T* __restrict b = static_cast<const T*>(b_);
    T* __restrict y = static_cast<T*>(y_);
    T* stats = static_cast<T*>(stats_);
    for (std::int64_t i = 0; i < rows; ++i, x += n, y += n, stats += kRowStats) {
      const Row<T> row = describe(n, x, centred, eps);
      stats[0] = row.high, stats[1] = row.low, stats[2] = row.factor;
      if (b) {
        for (std::int64_t k = 0; k < n; ++k) y[k] = row.normal(x[k]) * w[k] + b[k];
      } else {
        for (std::int64_t k = 0; k < n; ++k) y[k] = row.normal(x[k]) * w[k];
      }
    }
  }

  // dx = factor (u - mean u - x̂ mean(u x̂)) with u = g w.
  static void backward(std::int64_t rows, std::int64_t n, bool centred, const void* g_, const void* x_, const void* w_,
                       const void* stats_, void* scratch, void* dx_, double* dw, double* db) {
    const T* __restrict g = static_cast<const T*>(g_);
    const T* __restrict x = static_cast<const T*>(x_);
    const T* __restrict w = static_cast<const T*>(w_);
    const T* stats = static_cast<const T*>(stats_);
    T* __restrict dx = static_cast<T*>(dx_);
    T* __restrict of_w = static_cast<T*>(scratch);
    T* __restrict of_b = of_w + n;
    const double count = static_cast<double>(n);
    for (std::int64_t first = 0; first < rows; first += kGroup) {
      const std::int64_t last = first + kGroup < rows ? first + kGroup : rows;
      for (std::int64_t k = 0; k < n; ++k) of_w[k] = of_b[k] = T(0);
      for (std::int64_t i = first; i < last; ++i, g += n, x += n, dx += n, stats += kRowStats) {
        const Row<T> row{stats[0], stats[1], stats[2]};
        double sum, along;
        sums_over(
            n,
            [&](std::int64_t k, double* u, double* v) {
              const T flow = g[k] * w[k];
              *u = static_cast<double>(flow);
              *v = static_cast<double>(flow * row.normal(x[k]));
            },
            &sum, &along);
        const double total = sum + along;
        if ((!(absolute(total) < kInf) || !(absolute(row.factor) < kInf)) && nothing(n, g)) {  // whatever x holds
          for (std::int64_t k = 0; k < n; ++k) dx[k] = T(0);
          continue;
        }
        const T mean = static_cast<T>(centred ? sum / count : 0.0), slope = static_cast<T>(along / count);
#pragma GCC ivdep  // the two parts of the scratch lie apart
        for (std::int64_t k = 0; k < n; ++k) {
          const T normal = row.normal(x[k]);
          dx[k] = row.factor * ((g[k] * w[k] - mean) - normal * slope);
          of_w[k] += g[k] * normal;
          of_b[k] += g[k];
        }
      }
      for (std::int64_t k = 0; k < n; ++k) dw[k] += static_cast<double>(of_w[k]);
      if (db)
        for (std::int64_t k = 0; k < n; ++k) db[k] += static_cast<double>(of_b[k]);
    }
  }

  [[gnu::noinline]] static bool nothing(std::int64_t n, const T* g) {
    for (std::int64_t k = 0; k < n; ++k)
      if (g[k] != T(0)) return false;
    return true;
  }

  static constexpr NormaliseLoops table() { return {forward, backward}; }
};

constexpr NormaliseLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const NormaliseLoops& normalise_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
