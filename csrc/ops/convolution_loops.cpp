// Compiled once per instruction-set level; see core/isa.h for the rules of such files.
#include "convolution_loops.h"

#include <cstddef>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace alice::ALICE_ISA {
namespace {

#include "matmul_vec.h"

// Tiles of `vectors` vectors are up to so many rows high: sums, one vector of B and one number of A fill the registers.
// Low tiles are wide, as each sum waits for its own last addition.
#if defined(__AVX512F__)
constexpr int kHighest[4] = {14, 14, 6, 3};
#else
constexpr int kHighest[4] = {6, 6, 3, 1};
#endif

template <class T, int Rows, int Vectors>
void tile(std::int64_t k, const T* first, const T* b, const SumStep* steps, T* c, bool accumulate) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  Reg acc[Rows][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) acc[r][v] = V::zero();
  for (const SumStep* end = steps + k; steps != end; ++steps) {
    const T *a = first + steps->column * Rows, *p = b + steps->at;
    if constexpr (Vectors > 2) {  // few rows: their numbers stay in registers, the vectors pass by
      Reg av[Rows];
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) av[r] = V::broadcast(a + r);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) {
        const Reg bv = V::load(p + v * V::kWidth);
#pragma GCC unroll 16
        for (int r = 0; r < Rows; ++r) acc[r][v] = V::fma(av[r], bv, acc[r][v]);
      }
    } else {
      Reg bv[Vectors];
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) bv[v] = V::load(p + v * V::kWidth);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) {
        const Reg av = V::broadcast(a + r);
#pragma GCC unroll 2
        for (int v = 0; v < Vectors; ++v) acc[r][v] = V::fma(av, bv[v], acc[r][v]);
      }
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v, c += V::kWidth) V::store(c, accumulate ? acc[r][v] + V::load(c) : acc[r][v]);
}

template <class T, int Vectors, int Log, int... Rows>
constexpr void enter(ConvolutionLoops<T>& loops, std::integer_sequence<int, Rows...>) {
  ((loops.tiles[Rows + 1][Log] = tile<T, Rows + 1, Vectors>, loops.widest[Rows + 1] = Log), ...);
}

template <class T>
void scatter(std::int64_t rows, const T* from, std::int64_t from_row, const LinePart* parts, std::int64_t count, T* to,
             std::int64_t to_row, std::int64_t step) {
  using V = Vec<T>;
  constexpr int W = V::kWidth;
  for (std::int64_t p = 0; p < count; ++p) {
    const std::int64_t n = parts[p].count;
    const T* x = from + parts[p].from;
    T* y = to + parts[p].to;
    if (step != 1) {
      for (std::int64_t r = 0; r < rows; ++r, x += from_row, y += to_row)
        for (std::int64_t i = 0; i < n; ++i) y[i * step] = x[i];
      continue;
    }
    const std::int64_t whole = n / W * W;
    const auto mask = V::first(n - whole);
    for (std::int64_t r = 0; r < rows; ++r, x += from_row, y += to_row) {
      for (std::int64_t i = 0; i < whole; i += W) V::store(y + i, V::load(x + i));
      if (whole < n) V::store(y + whole, V::load(x + whole, mask), mask);
    }
  }
}

template <class T>
constexpr ConvolutionLoops<T> loops() {
  ConvolutionLoops<T> made{};
  enter<T, 1, 0>(made, std::make_integer_sequence<int, kHighest[0]>{});
  enter<T, 2, 1>(made, std::make_integer_sequence<int, kHighest[1]>{});
  enter<T, 4, 2>(made, std::make_integer_sequence<int, kHighest[2]>{});
  enter<T, 8, 3>(made, std::make_integer_sequence<int, kHighest[3]>{});
  made.rows = kHighest[0];
  made.width = Vec<T>::kWidth;
  made.scatter = scatter<T>;
  return made;
}

}  // namespace

const ConvolutionTable& convolution_table() {
  static constexpr ConvolutionTable table = {loops<float>(), loops<double>()};
  return table;
}

}  // namespace alice::ALICE_ISA
