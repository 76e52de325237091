// Compiled once per instruction-set level; see core/isa.h for the rules of such files.
#include "matmul_loops.h"

#include <array>
#include <cstddef>
#include <utility>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "../core/isa.h"
#include "matmul_vecmat.h"

namespace alice::ALICE_ISA {
namespace {

#include "matmul_vec.h"

// Register tiles. kWide x 2 vectors when B is wide, kNarrow x 1 when one vector holds all its columns: as many
// accumulators as leave room for the B vectors and one broadcast of A.
#if defined(__AVX512F__)
constexpr int kWide = 14, kNarrow = 16;
#else
constexpr int kWide = 6, kNarrow = 12;
#endif

constexpr int kPrefetchDepth = 64;
// So many steps of k ahead of its use the full tile, mostly one of packed operands, asks for B: the panel may lie in
// the cache of the core that packed it.
constexpr int kPrefetchAhead = 12;

template <class T>
struct Tile {
  std::int64_t k;
  const T* a;
  std::int64_t a_row, a_col;
  const T* b;
  std::int64_t b_row;
  T* c;
  std::int64_t c_row;
  int tail;  // columns in the last vector, 1 ... kWidth
  bool accumulate;
};

// C[Rows, Vectors * kWidth] (+)= A B with all of C in registers. Every third row of A has a pointer of its own,
// and [p], [p + s], [p + 2 s] reach the rows between: one per row would not fit into the general registers.
template <class T, int Rows, int Vectors, bool Masked, class V>
void tile(const Tile<T>& t) {
  using Reg = typename V::Reg;
  constexpr int kGroups = (Rows + 2) / 3;
  const auto mask = V::first(t.tail);
  Reg acc[Rows][Vectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) acc[r][v] = V::zero();

  const std::int64_t row = t.a_row, col = t.a_col, b_row = t.b_row;
  const T* a[kGroups];
#pragma GCC unroll 6
  for (int g = 0; g < kGroups; ++g) a[g] = t.a + 3 * g * row;
  const T* b = t.b;
  if (t.k >= kPrefetchDepth) {  // C is needed only at the end: let it come meanwhile
    const T* c = t.c;
    asm("" : "+r"(c));  // or the compiler keeps all rows' addresses until they are written to
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r, c += t.c_row)
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) __builtin_prefetch(c + v * V::kWidth, 1);
  }
  for (std::int64_t k = t.k; k > 0; --k) {
    Reg bv[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v)
      bv[v] = Masked && v == Vectors - 1 ? V::load(b + v * V::kWidth, mask) : V::load(b + v * V::kWidth);
    if (Rows == kWide && Vectors == 2) {
      __builtin_prefetch(b + kPrefetchAhead * b_row);
      __builtin_prefetch(b + kPrefetchAhead * b_row + V::kWidth);
    }
    b += b_row;
#pragma GCC unroll 6
    for (int g = 0; g < kGroups; ++g) asm("" : "+r"(a[g]));  // keeps the compiler from one pointer per row
#pragma GCC unroll 16
    for (int r = 0; r < Rows; ++r) {
      const Reg av = V::broadcast(a[r / 3] + (r % 3) * row);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; ++v) acc[r][v] = V::fma(av, bv[v], acc[r][v]);
    }
#pragma GCC unroll 6
    for (int g = 0; g < kGroups; ++g) a[g] += col;
  }

  T* c = t.c;
  const std::int64_t c_row = t.c_row;
  const bool accumulate = t.accumulate;
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r, c += c_row) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; ++v) {
      T* p = c + v * V::kWidth;
      if (Masked && v == Vectors - 1)
        V::store(p, accumulate ? acc[r][v] + V::load(p, mask) : acc[r][v], mask);
      else
        V::store(p, accumulate ? acc[r][v] + V::load(p) : acc[r][v]);
    }
  }
}

template <class T>
using TileFn = void (*)(const Tile<T>&);

template <class T, int Vectors, bool Masked, class V = Vec<T>, int... Rows>
const TileFn<T>* tiles_of(std::integer_sequence<int, Rows...>) {
  static constexpr TileFn<T> table[] = {tile<T, Rows + 1, Vectors, Masked, V>...};
  return table;
}

// Tiles by rows - 1, for a panel of `columns` columns.
template <class T>
const TileFn<T>* tiles_for(std::int64_t columns) {
  constexpr int W = Vec<T>::kWidth;
  using Wide = std::make_integer_sequence<int, kWide>;
  using Narrow = std::make_integer_sequence<int, kNarrow>;
  if (columns == 2 * W) return tiles_of<T, 2, false>(Wide{});
  if (columns > W) return tiles_of<T, 2, true>(Wide{});
#if defined(__AVX512F__)
  if constexpr (sizeof(T) == 4)
    if (columns <= HalfVec::kWidth) return tiles_of<T, 1, true, HalfVec>(Narrow{});
#endif
  return columns == W ? tiles_of<T, 1, false>(Narrow{}) : tiles_of<T, 1, true>(Narrow{});
}

template <class T>
void pack(std::int64_t ni, std::int64_t nj, const T* in, std::int64_t in_i, std::int64_t in_j, T* out,
          std::int64_t ld) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int W = V::kWidth;
  if (in_i == 1) {
    constexpr std::int64_t kAhead = 12;
    const auto mask = V::first(ni % W);
    for (std::int64_t j = 0; j < nj; ++j, in += in_j, out += ld) {
      std::int64_t i = 0;
      for (; i + W <= ni; i += W) {
        __builtin_prefetch(in + i + kAhead * in_j);
        V::store(out + i, V::load(in + i));
      }
      if (i < ni) V::store(out + i, V::load(in + i, mask), mask);
    }
    return;
  }
  if (in_j == 1) {
    constexpr std::int64_t kAhead = 4 * 64 / sizeof(T);  // rows are too short and too many for the hardware's prefetch
    for (std::int64_t i = 0; i < ni; i += W) {
      const std::int64_t ri = ni - i < W ? ni - i : W;
      for (std::int64_t j = 0; j < nj; j += W) {
        const std::int64_t rj = nj - j < W ? nj - j : W;
        const T* p = in + i * in_i + j;
        T* q = out + j * ld + i;
        Reg r[W];
        // At the end of these rows the next ones: what follows a panel is the next panel.
        const T* ahead = j + kAhead < nj ? p + kAhead : p + W * in_i + (j + kAhead - nj) - j;
        for (std::int64_t s = 0; s < ri; ++s) __builtin_prefetch(ahead + s * in_i);
        if (ri == W && rj == W) {
#pragma GCC unroll 16
          for (int s = 0; s < W; ++s) r[s] = V::load(p + s * in_i);
          transpose<T>(r);
#pragma GCC unroll 16
          for (int s = 0; s < W; ++s) V::store(q + s * ld, r[s]);
        } else {
          const auto load_mask = V::first(rj), store_mask = V::first(ri);
#pragma GCC unroll 16
          for (int s = 0; s < W; ++s) r[s] = s < ri ? V::load(p + s * in_i, load_mask) : V::zero();
          transpose<T>(r);
#pragma GCC unroll 16
          for (int s = 0; s < W; ++s)
            if (s < rj) V::store(q + s * ld, r[s], store_mask);
        }
      }
    }
    return;
  }
  for (std::int64_t j = 0; j < nj; ++j)
    for (std::int64_t i = 0; i < ni; ++i) out[j * ld + i] = in[i * in_i + j * in_j];
}

// Row tiles outside, panels of B inside: a tile of A stays in L1 while the panels stream from L2.
template <class T>
void gemm(const GemmBlock<T>& g, const T* a, const T* b, T* c) {
  constexpr int W = Vec<T>::kWidth, kColumns = 2 * W;
  // Packed tiles are kWide high; in place all are of equal height, give or take one row.
  const std::int64_t count = g.n <= W && !g.a_panel ? (g.m + kNarrow - 1) / kNarrow : (g.m + kWide - 1) / kWide;
  const std::int64_t height = g.a_panel ? kWide : count <= 1 ? g.m : g.m / count;
  const std::int64_t higher = g.a_panel ? 0 : g.m - height * count;  // the first so many tiles have one row more
  const std::int64_t whole = g.n / kColumns, rest = g.n % kColumns;
  const TileFn<T>* whole_tiles = tiles_for<T>(kColumns);
  const TileFn<T>* rest_tiles = tiles_for<T>(rest);
  const int rest_tail = static_cast<int>((rest + W - 1) % W + 1);
  Tile<T> t{g.k, a, g.a_row, g.a_col, b, g.b_row, c, g.c_row, rest_tail, g.accumulate};

  if (count == 1 && whole + (rest > 0) == 1) {  // one tile an item
    const TileFn<T> only = (rest ? rest_tiles : whole_tiles)[g.m - 1];
    for (std::int64_t i = 0; i < g.items; ++i) {
      only(t);
      t.a += g.a_item;
      t.b += g.b_item;
      t.c += g.c_item;
    }
    return;
  }
  for (std::int64_t i = 0; i < g.items; ++i) {
    t.a = a + i * g.a_item;
    T* row = c + i * g.c_item;
    for (std::int64_t n = 0, left = g.m; n < count; ++n) {
      const std::int64_t wanted = height + (n < higher), rows = left < wanted ? left : wanted;
      t.b = b + i * g.b_item;
      t.c = row;
      const char* next = reinterpret_cast<const char*>(t.a + g.a_panel);  // lies far away, and is asked for in shares
      const std::int64_t share = g.a_panel && n + 1 < count ? g.a_panel * std::int64_t{sizeof(T)} / (whole + 1) : 0;
      for (std::int64_t p = 0; p < whole; ++p, t.b += g.b_panel, t.c += kColumns, next += share) {
        for (std::int64_t line = 0; line < share; line += 64) __builtin_prefetch(next + line, 0, 2);
        whole_tiles[rows - 1](t);
      }
      if (rest) rest_tiles[rows - 1](t);
      t.a += g.a_panel ? g.a_panel : rows * g.a_row;
      row += rows * g.c_row;
      left -= rows;
    }
  }
}

// Adds W vectors as a tree: l with l + W/2, then with l + W/4, ...; the first `valid` lanes go to y.
template <class T>
void add_chains(typename Vec<T>::Reg* chain, T* y, std::int64_t valid, bool accumulate) {
  using V = Vec<T>;
#pragma GCC unroll 4
  for (int half = V::kWidth / 2; half > 0; half /= 2)
#pragma GCC unroll 8
    for (int l = 0; l < half; ++l) chain[l] += chain[l + half];
  const auto mask = V::first(valid);
  V::store(y, accumulate ? V::load(y, mask) + chain[0] : chain[0], mask);
}

// Rows of A contiguous: a vector runs along k, its lanes are the chains of one row.
template <class T, int Rows>
void gemv_rows(const GemvBlock<T>& g, const T* first, typename Vec<T>::Reg* chain) {
  using V = Vec<T>;
  constexpr int W = V::kWidth, kGroups = (Rows + 2) / 3;
  const std::int64_t row = g.a_row;
  typename V::Reg acc[Rows];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) acc[r] = V::zero();
  const T* a[kGroups];
#pragma GCC unroll 6
  for (int p = 0; p < kGroups; ++p) a[p] = first + 3 * p * row;
  const T* x = g.x;
  for (std::int64_t left = g.k; left > 0; left -= W) {
#pragma GCC unroll 6
    for (int p = 0; p < kGroups; ++p) asm("" : "+r"(a[p]));  // as in tile()
    if (left >= W) {
      const auto xv = V::load(x);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) acc[r] = V::fma(V::load(a[r / 3] + (r % 3) * row), xv, acc[r]);
    } else {
      const auto mask = V::first(left);
      const auto xv = V::load(x, mask);
#pragma GCC unroll 16
      for (int r = 0; r < Rows; ++r) acc[r] = V::fma(V::load(a[r / 3] + (r % 3) * row, mask), xv, acc[r]);
    }
    x += W;
#pragma GCC unroll 6
    for (int p = 0; p < kGroups; ++p) a[p] += W;
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; ++r) chain[r] = acc[r];
}

// Of many short rows the hardware does not see where they lead to: they are asked for so many bytes ahead, into L2, as
// the first cache waits for fewer lines at a time.
constexpr std::int64_t kShortRow = 512, kRowsAhead = 1 << 13;

template <class T>
bool leads_nowhere(std::int64_t row) {
  return row > 0 && row * std::int64_t{sizeof(T)} <= kShortRow;
}

template <class T>
void ask_ahead(const T* a, std::int64_t count) {
  const char* from = reinterpret_cast<const char*>(a) + kRowsAhead;
  for (std::int64_t at = 0; at < count * std::int64_t{sizeof(T)}; at += 64) __builtin_prefetch(from + at, 0, 2);
}

// Columns of A contiguous: a vector runs along m, and each has W chains. A stripe of kStripe vectors goes along k with
// the chains in L1, and reads the lines of memory as they follow each other, which is what the hardware looks for.
// Steps of one lane may go together, so that its chains come and go once for all of them.
constexpr int kStripe = 32, kTogether = 4;
constexpr std::int64_t kNarrowRow = 256;  // bytes

template <class T>
struct Stripe {
  using Reg = typename Vec<T>::Reg;
  Reg chains[Vec<T>::kWidth][kStripe];
  int full;                          // vectors
  typename Vec<T>::Mask rest, last;  // of one more; of the last one
  bool has_rest;

  // Lane l takes Steps steps of the sum, which are W apart.
  template <int Steps>
  void take(int l, const T* a, std::int64_t a_step, const T* x) {
    using V = Vec<T>;
    Reg xv[Steps];
#pragma GCC unroll 4
    for (int s = 0; s < Steps; ++s) xv[s] = V::broadcast(x + s * V::kWidth);
    const auto one = [&](int v, auto load) {
      Reg chain = chains[l][v];
#pragma GCC unroll 4
      for (int s = 0; s < Steps; ++s) chain = V::fma(load(a + s * a_step + v * V::kWidth), xv[s], chain);
      chains[l][v] = chain;
    };
    for (int v = 0; v < full; ++v) one(v, [](const T* p) { return V::load(p); });
    if (has_rest) one(full, [this](const T* p) { return V::load(p, rest); });
  }
};

// Of rows of few vectors the chains of all lanes lie in registers while memory is read as it lies.
#if defined(__AVX512F__)
constexpr int kChainRegisters = 32;
constexpr bool kMasksAreFree = true;
#else
constexpr int kChainRegisters = 16;
constexpr bool kMasksAreFree = false;
#endif
template <class T>
constexpr int kFewVectors = kChainRegisters / Vec<T>::kWidth < 4 ? kChainRegisters / Vec<T>::kWidth : 4;

template <class T, int Vectors>
void take_rows(Stripe<T>& stripe, const T* a, std::int64_t a_step, const T* x, std::int64_t times) {
  using V = Vec<T>;
  using Reg = typename V::Reg;
  constexpr int W = V::kWidth;
  Reg chain[W][Vectors];
#pragma GCC unroll 16
  for (int l = 0; l < W; ++l)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) chain[l][v] = V::zero();
  for (; times > 0; --times, a += W * a_step, x += W)
#pragma GCC unroll 16
    for (int l = 0; l < W; ++l) {
      const T* row = a + l * a_step;
      const Reg xv = V::broadcast(x + l);
#pragma GCC unroll 4
      for (int v = 0; v < Vectors; ++v) {
        const bool masked = kMasksAreFree && v == Vectors - 1;
        chain[l][v] = V::fma(masked ? V::load(row + v * W, stripe.last) : V::load(row + v * W), xv, chain[l][v]);
      }
    }
#pragma GCC unroll 16
  for (int l = 0; l < W; ++l)
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; ++v) stripe.chains[l][v] = chain[l][v];
}

template <class T>
using TakeRows = void (*)(Stripe<T>&, const T*, std::int64_t, const T*, std::int64_t);

template <class T, int... Vectors>
constexpr std::array<TakeRows<T>, sizeof...(Vectors)> rows_of(std::integer_sequence<int, Vectors...>) {
  return {take_rows<T, Vectors + 1>...};
}

// Null for rows of other widths.
template <class T>
TakeRows<T> few_vectors(const Stripe<T>& stripe) {
  static constexpr auto table = rows_of<T>(std::make_integer_sequence<int, kFewVectors<T>>{});
  const int vectors = stripe.full + stripe.has_rest;
  const bool fits = vectors >= 1 && vectors <= kFewVectors<T> && (kMasksAreFree || !stripe.has_rest);
  return fits ? table[static_cast<std::size_t>(vectors - 1)] : nullptr;
}

template <class T>
void gemv_stripe(const GemvBlock<T>& g, std::int64_t first, std::int64_t columns) {
  using V = Vec<T>;
  constexpr int W = V::kWidth;
  Stripe<T> stripe;
  stripe.full = static_cast<int>(columns / W);
  stripe.has_rest = columns % W != 0;
  stripe.rest = V::first(columns % W);
  stripe.last = V::first(stripe.has_rest ? columns % W : W);
  const int vectors = stripe.full + stripe.has_rest;
  for (auto& lane : stripe.chains)
    for (int v = 0; v < vectors; ++v) lane[v] = V::zero();

  const T* a = g.a + first;
  std::int64_t k = 0;
  const auto all_lanes = [&]<int Steps>(std::integral_constant<int, Steps>) {
    for (; k + Steps * W <= g.k; k += Steps * W)
      for (int l = 0; l < W; ++l) stripe.template take<Steps>(l, a + (k + l) * g.a_col, W * g.a_col, g.x + k + l);
  };
  const bool narrow = g.a_col * std::int64_t{sizeof(T)} <= kNarrowRow;  // those of memory follow each other as they are
  if (const TakeRows<T> take = narrow ? few_vectors<T>(stripe) : nullptr) {
    take(stripe, a, g.a_col, g.x, g.k / W);
    k = g.k / W * W;
  } else if (!narrow) {
    all_lanes(std::integral_constant<int, kTogether>{});
  }
  all_lanes(std::integral_constant<int, 1>{});
  if (const std::int64_t left = g.k - k; left > 0) {
    for (int l = 0; l < left; ++l) stripe.template take<1>(l, a + (k + l) * g.a_col, 0, g.x + k + l);
    // Lanes beyond the end take + 0, as the masked tail of gemv_rows does: it turns -0 into +0 there.
    for (int l = static_cast<int>(left); l < W; ++l)
      for (int v = 0; v < vectors; ++v) stripe.chains[l][v] += V::zero();
  }
  for (int v = 0; v < vectors; ++v) {
    typename V::Reg chain[W];
    for (int l = 0; l < W; ++l) chain[l] = stripe.chains[l][v];
    add_chains<T>(chain, g.y + first + v * W, columns - v * W < W ? columns - v * W : W, g.accumulate);
  }
}

template <class T>
void gemv(const GemvBlock<T>& g) {
  constexpr int W = Vec<T>::kWidth;
  if (g.a_col != 1) {
    for (std::int64_t i = 0; i < g.m; i += kStripe * W)
      gemv_stripe<T>(g, i, g.m - i < kStripe * W ? g.m - i : kStripe * W);
    return;
  }
  for (std::int64_t i = 0; i < g.m; i += W) {
    const std::int64_t rows = g.m - i < W ? g.m - i : W;
    typename Vec<T>::Reg chain[W];
    const T* a = g.a + i * g.a_row;
    std::int64_t r = 0;
    if (leads_nowhere<T>(g.a_row)) ask_ahead(a, W * g.a_row);
    if (rows == W) {
      gemv_rows<T, W>(g, a, chain);
      r = W;
    }
    for (; r + 4 <= rows; r += 4) gemv_rows<T, 4>(g, a + r * g.a_row, chain + r);
    for (; r < rows; ++r) gemv_rows<T, 1>(g, a + r * g.a_row, chain + r);
    for (; r < W; ++r) chain[r] = Vec<T>::zero();
    transpose<T>(chain);
    add_chains<T>(chain, g.y + i, rows, g.accumulate);
  }
}

// Adds the lanes of a vector as a tree.
template <class T>
T add_lanes(typename Vec<T>::Reg v) {
  constexpr int W = Vec<T>::kWidth;
  alignas(64) T lane[W];
  Vec<T>::store(lane, v);
  for (int half = W / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lane[l] += lane[l + half];
  return lane[0];
}

// Four vectors of chains: one would wait for the latency of its own additions.
template <class T>
T dot(std::int64_t k, const T* x, const T* y) {
  using V = Vec<T>;
  constexpr int W = V::kWidth;
  typename V::Reg acc[4] = {V::zero(), V::zero(), V::zero(), V::zero()};
  std::int64_t i = 0;
  for (; i + 4 * W <= k; i += 4 * W)
    for (int v = 0; v < 4; ++v) acc[v] = V::fma(V::load(x + i + v * W), V::load(y + i + v * W), acc[v]);
  for (int v = 0; i < k; ++v, i += W) {
    const auto mask = V::first(k - i < W ? k - i : W);
    acc[v] = V::fma(V::load(x + i, mask), V::load(y + i, mask), acc[v]);
  }
  return add_lanes<T>((acc[0] + acc[2]) + (acc[1] + acc[3]));
}

template <class T, class U>
void integer_gemm(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row, std::int64_t a_col,
                  const T* b, std::int64_t b_row, std::int64_t b_col, T* c) {
  for (std::int64_t i = 0; i < m; ++i, a += a_row, c += n) {
    if (b_row == 1 && b_col != 1) {  // B's columns are contiguous: inner products
      for (std::int64_t j = 0; j < n; ++j) {
        U sum = 0;
        for (std::int64_t p = 0; p < k; ++p) sum += static_cast<U>(a[p * a_col]) * static_cast<U>(b[j * b_col + p]);
        c[j] = static_cast<T>(sum);
      }
      continue;
    }
    for (std::int64_t j = 0; j < n; ++j) c[j] = 0;
    for (std::int64_t p = 0; p < k; ++p) {
      const U factor = static_cast<U>(a[p * a_col]);
      const T* row = b + p * b_row;
      if (b_col == 1)
        for (std::int64_t j = 0; j < n; ++j)
          c[j] = static_cast<T>(static_cast<U>(c[j]) + factor * static_cast<U>(row[j]));
      else
        for (std::int64_t j = 0; j < n; ++j) {
          asm("");  // no vectors of what lies apart: they take more room than they save time
          c[j] = static_cast<T>(static_cast<U>(c[j]) + factor * static_cast<U>(row[j * b_col]));
        }
    }
  }
}

template <class T>
constexpr MatmulLoops<T> loops() {
  return {kWide, 2 * Vec<T>::kWidth, kVecmatRows, kVecmatColumns, gemm<T>, gemv<T>, dot<T>, vecmat, pack<T>};
}

}  // namespace

const MatmulTable& matmul_table() {
  // Integers multiply as unsigned numbers of at least 32 bits: wrap-around without undefined behaviour.
  static constexpr MatmulTable table = {loops<float>(), loops<double>(), integer_gemm<std::uint8_t, std::uint32_t>,
                                        integer_gemm<std::int32_t, std::uint32_t>,
                                        integer_gemm<std::int64_t, std::uint64_t>};
  return table;
}

}  // namespace alice::ALICE_ISA
