// Compiled once per instruction-set level; see core/isa.h for the rules of such files.
#include <cstddef>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "matmul_vecmat.h"

namespace alice::ALICE_ISA {
namespace {

#include "matmul_vec.h"

constexpr int kRows = kVecmatRows, kColumns = kVecmatColumns;
// Columns of B that stay in L1 while the rows of A pass.
constexpr std::int64_t kColumnBytes = 1 << 14;

// The sums of lanes l and l + Half: of lo where bit Half of l is 0, of hi elsewhere. One shuffle; a blend costs less.
template <int Half, class Reg, std::size_t... Lane>
[[gnu::always_inline]] inline Reg halves(Reg lo, Reg hi, std::index_sequence<Lane...>) {
  constexpr int W = sizeof...(Lane);
  Reg here;
#if defined(__AVX512F__)
  constexpr unsigned from_hi = (((Lane & Half) ? 1u << Lane : 0u) | ...);
  if constexpr (W == 16)
    here = _mm512_mask_blend_ps(static_cast<__mmask16>(from_hi), lo, hi);
  else
    here = _mm512_mask_blend_pd(static_cast<__mmask8>(from_hi), lo, hi);
#else
  here = __builtin_shufflevector(lo, hi, ((Lane & Half) ? W + static_cast<int>(Lane) : static_cast<int>(Lane))...);
#endif
  return here + __builtin_shufflevector(
                    lo, hi, ((Lane & Half) ? W + static_cast<int>(Lane) - Half : static_cast<int>(Lane) + Half)...);
}

// The sums of the lanes of `Count` vectors, in the first lanes of v[0]. Each is added as a tree: l with l + W/2, then
// with l + W/4, ...; two vectors go on as one as soon as each has half of its lanes left.
template <class T, int Half, int Count>
void fold(typename Vec<T>::Reg* v) {
  if constexpr (Half > 0) {
    constexpr bool kPairs = Count > Half;
    constexpr int kLeft = kPairs ? Half : Count;
#pragma GCC unroll 16
    for (int i = 0; i < kLeft; ++i)
      v[i] = halves<Half>(v[i], v[kPairs ? i + Half : i], std::make_index_sequence<Vec<T>::kWidth>{});
    fold<T, Half / 2, kLeft>(v);
  }
}

// The same for any number of vectors, to memory.
template <class T, int Count>
void add_lanes(typename Vec<T>::Reg* v, T* sums) {
  if constexpr (Count > 0) {
    constexpr int W = Vec<T>::kWidth;
    constexpr int kNow = Count >= W ? W : Count >= 8 ? 8 : Count >= 4 ? 4 : Count >= 2 ? 2 : 1;
    fold<T, W / 2, kNow>(v);
    if constexpr (kNow == W)
      Vec<T>::store(sums, v[0]);
    else
      Vec<T>::store(sums, v[0], Vec<T>::first(kNow));
    add_lanes<T, Count - kNow>(v + kNow, sums + kNow);
  }
}

// C[Rows, columns] (+)= A B: a vector of chains for each item of C, all of them in registers.
template <class T, int Rows>
void tile(const VecmatBlock<T>& g, const T* a, const T* b, int columns, T* c) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int W = V::kWidth;
  const T *ar[Rows], *bc[kColumns];
#pragma GCC unroll 8
  for (int r = 0; r < Rows; ++r) ar[r] = a + r * g.a_row;
#pragma GCC unroll 8
  for (int j = 0; j < kColumns; ++j) bc[j] = b + (j < columns ? j : columns - 1) * g.b_col;
  Reg acc[Rows * kColumns];
#pragma GCC unroll 32
  for (int i = 0; i < Rows * kColumns; ++i) acc[i] = V::zero();

  const auto step = [&](auto load) {
    Reg av[Rows];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) av[r] = load(ar[r]);
#pragma GCC unroll 8
    for (int j = 0; j < kColumns; ++j) {
      const Reg bv = load(bc[j]);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) acc[r * kColumns + j] = V::fma(av[r], bv, acc[r * kColumns + j]);
    }
  };
  std::int64_t p = 0;
  for (; p + W <= g.k; p += W) step([p](const T* x) { return V::load(x + p); });
  if (p < g.k) {
    const auto mask = V::first(g.k - p);
    step([p, mask](const T* x) { return V::load(x + p, mask); });
  }

  alignas(64) T sums[Rows * kColumns];
  add_lanes<T, Rows * kColumns>(acc, sums);
  if (columns == kColumns && !g.accumulate) {
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) __builtin_memcpy(c + r * g.c_row, sums + r * kColumns, kColumns * sizeof(T));
    return;
  }
  for (int r = 0; r < Rows; ++r)
    for (int j = 0; j < columns; ++j)
      c[r * g.c_row + j] = g.accumulate ? c[r * g.c_row + j] + sums[r * kColumns + j] : sums[r * kColumns + j];
}

template <class T>
using TileFn = void (*)(const VecmatBlock<T>&, const T*, const T*, int, T*);

template <class T, int... Rows>
const TileFn<T>* tiles_of(std::integer_sequence<int, Rows...>) {
  static constexpr TileFn<T> table[] = {tile<T, Rows + 1>...};
  return table;
}

// Short sums would spend their time on adding lanes. With W columns of B side by side, a register for each lane holds
// that lane of W sums, and the tree adds registers.
template <class T>
constexpr std::int64_t kShort = 2 * Vec<T>::kWidth;

template <class T>
void short_sums(const VecmatBlock<T>& g) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int W = V::kWidth;
  alignas(64) T panel[kShort<T> * W] = {};
  for (std::int64_t j = 0; j < g.n; j += W) {
    const std::int64_t columns = g.n - j < W ? g.n - j : W;
    const auto mask = V::first(columns);
    for (std::int64_t l = 0; l < columns; ++l)
      for (std::int64_t p = 0; p < g.k; ++p) panel[p * W + l] = g.b[(j + l) * g.b_col + p];
    for (std::int64_t i = 0; i < g.m; ++i) {
      const T* a = g.a + i * g.a_row;
      Reg lane[W];
#pragma GCC unroll 16
      for (int l = 0; l < W; ++l) lane[l] = V::zero();
      for (std::int64_t p = 0; p < g.k; p += W) {
#pragma GCC unroll 16
        for (int l = 0; l < W; ++l)
          if (p + l < g.k)
            lane[l] = V::fma(V::broadcast(a + p + l), V::load(panel + (p + l) * W), lane[l]);
          else if (p > 0)
            lane[l] += V::zero();  // as gemv does
      }
#pragma GCC unroll 4
      for (int half = W / 2; half > 0; half /= 2)
#pragma GCC unroll 8
        for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
      T* c = g.c + i * g.c_row + j;
      V::store(c, g.accumulate ? V::load(c, mask) + lane[0] : lane[0], mask);
    }
  }
}

template <class T>
void run(const VecmatBlock<T>& g) {
  if (g.k <= kShort<T>) return short_sums(g);
  const TileFn<T>* tiles = tiles_of<T>(std::make_integer_sequence<int, kRows>{});  // by rows - 1
  const std::int64_t fit = kColumnBytes / static_cast<std::int64_t>(sizeof(T)) / g.k / kColumns * kColumns;
  const std::int64_t wide = fit > kColumns ? fit : kColumns;
  for (std::int64_t j0 = 0; j0 < g.n; j0 += wide) {
    const std::int64_t j1 = g.n - j0 < wide ? g.n : j0 + wide;
    for (std::int64_t i = 0; i < g.m; i += kRows) {
      const TileFn<T> rows = tiles[(g.m - i < kRows ? g.m - i : kRows) - 1];
      for (std::int64_t j = j0; j < j1; j += kColumns)
        rows(g, g.a + i * g.a_row, g.b + j * g.b_col, static_cast<int>(j1 - j < kColumns ? j1 - j : kColumns),
             g.c + i * g.c_row + j);
    }
  }
}

}  // namespace

void vecmat(const VecmatBlock<float>& g) { run(g); }
void vecmat(const VecmatBlock<double>& g) { run(g); }

}  // namespace alice::ALICE_ISA
