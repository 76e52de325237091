// Compiled once per instruction-set level; see core/isa.h for what such a file may contain.
//
// Few extremes are tied: each item gets all of g while they are counted, and where there are several a second pass
// gives them their shares.
#include "extremes_loops.h"

#include <type_traits>

namespace alice::ALICE_ISA {
namespace {

template <class T>
struct Loops {
  // As wide as T, so that a vector of comparisons is a vector of counts.
  using Count = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

  static std::int64_t give(std::int64_t n, T share, T y, const T* x, T* dx) {
    Count ties = 0;
#pragma GCC ivdep
    for (std::int64_t k = 0; k < n; ++k) {
      ties += x[k] == y;
      dx[k] = x[k] == y ? share : T(0);
    }
    return ties;
  }

  static void rows(std::int64_t rows, std::int64_t n, const void* g_, const void* y_, const void* x_, void* dx_) {
    const T *g = static_cast<const T*>(g_), *y = static_cast<const T*>(y_), *x = static_cast<const T*>(x_);
    T* dx = static_cast<T*>(dx_);
    for (std::int64_t i = 0; i < rows; ++i, x += n, dx += n)
      if (const std::int64_t ties = give(n, g[i], y[i], x, dx); ties > 1)
        give(n, g[i] / static_cast<T>(ties), y[i], x, dx);
  }

  static std::int64_t part(std::int64_t n, const void* g, std::int64_t ties, const void* y, const void* x, void* dx) {
    const T share = *static_cast<const T*>(g) / static_cast<T>(ties);
    return give(n, share, *static_cast<const T*>(y), static_cast<const T*>(x), static_cast<T*>(dx));
  }

  static constexpr int kRows = 4;  // that are read for each time that y, g and the counts are
  template <int Rows>
  static void give_rows(std::int64_t columns, std::int64_t stride, const T* g, const T* y, const T* x, T* dx,
                        Count* ties) {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < columns; ++i) {
      const T best = y[i], share = g[i];
      Count found = 0;
#pragma GCC unroll 4
      for (int r = 0; r < Rows; ++r) {
        const bool is_best = x[r * stride + i] == best;
        found += is_best;
        dx[r * stride + i] = is_best ? share : T(0);
      }
      ties[i] += found;
    }
  }

  static void columns(std::int64_t columns, std::int64_t n, std::int64_t stride, const void* g_, const void* y_,
                      const void* x_, void* dx_) {
    const T *g = static_cast<const T*>(g_), *y = static_cast<const T*>(y_), *x = static_cast<const T*>(x_);
    T* dx = static_cast<T*>(dx_);
    alignas(64) Count ties[kExtremeColumns] = {};
    const auto give_all = [&](const T* shares) {
      std::int64_t k = 0;
      for (; k + kRows <= n; k += kRows)
        give_rows<kRows>(columns, stride, shares, y, x + k * stride, dx + k * stride, ties);
      for (; k < n; ++k) give_rows<1>(columns, stride, shares, y, x + k * stride, dx + k * stride, ties);
    };
    give_all(g);
    Count most = 0;
    alignas(64) T share[kExtremeColumns];
    for (std::int64_t i = 0; i < columns; ++i) {
      most = ties[i] > most ? ties[i] : most;
      share[i] = g[i] / static_cast<T>(ties[i]);
    }
    if (most > 1) give_all(share);
  }

  static constexpr ExtremeLoops table() { return {rows, part, columns}; }
};

constexpr ExtremeLoops kFloat = Loops<float>::table(), kDouble = Loops<double>::table();

}  // namespace

const ExtremeLoops& extreme_loops(DType t) { return t == DType::Float32 ? kFloat : kDouble; }

}  // namespace alice::ALICE_ISA
