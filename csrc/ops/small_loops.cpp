// One algorithm for all lanes: what a lane decides (which row is the pivot) is a choice between values, no branch.
// No multiply-add is fused, so that all levels have the same bits.
#include "small_loops.h"

#include <cmath>
#include <type_traits>

#pragma GCC diagnostic ignored "-Wpsabi"  // vectors are no arguments of functions that are called

namespace alice::ALICE_ISA {
namespace {

using std::int64_t;

template <class T>
struct Small {
  using Index = std::conditional_t<sizeof(T) == 4, std::int32_t, int64_t>;
  static constexpr int64_t kWidth = kLanes<T>;
  using V [[gnu::vector_size(64)]] = T;
  using I [[gnu::vector_size(64)]] = Index;

  // -- between memory and lanes ---------------------------------------------------------------------------------------

  static void put(int64_t count, V& cell, const Group<T>& from, int64_t offset) {
    V v{};
    if (count == kWidth)
      for (int64_t l = 0; l < kWidth; ++l) v[l] = from.at[l][offset];
    else
      for (int64_t l = 0; l < count; ++l) v[l] = from.at[l][offset];
    cell = v;
  }
  [[gnu::noinline]] static void load(int64_t count, int64_t rows, int64_t cols, const Group<T>& from, V* to) {
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t j = 0; j < cols; ++j) put(count, to[i * cols + j], from, i * from.row + j * from.col);
  }
  static void load_lower(int64_t count, int64_t n, const Group<T>& from, V* to) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) put(count, to[i * n + j], from, i * from.row + j * from.col);
  }
  // Columns `first` and following of matrices.
  static void load_columns(int64_t count, int64_t rows, int64_t first, int64_t cols, const Group<T>& from, V* to) {
    Group<T> part = from;
    for (int64_t l = 0; l < count; ++l) part.at[l] += first * from.col;
    load(count, rows, cols, part, to);
  }
  // `cell` as the items number `at` of matrices of `size` each.
  static void get(int64_t count, const V& cell, T* to, int64_t at, int64_t size) {
    const V v = cell;
    if (count == kWidth)
      for (int64_t l = 0; l < kWidth; ++l) to[l * size + at] = v[l];
    else
      for (int64_t l = 0; l < count; ++l) to[l * size + at] = v[l];
  }

  // And back: into matrices of n rows and k columns.
  [[gnu::noinline]] static void store_columns(int64_t count, int64_t n, int64_t k, int64_t first, int64_t cols,
                                              const V* from, T* to) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < cols; ++c) get(count, from[i * cols + c], to, i * k + first + c, n * k);
  }

  static void root(V& v) {
    for (int64_t l = 0; l < kWidth; ++l) v[l] = std::sqrt(v[l]);
  }
  static void magnitude(const V& v, V& out) { out = v < T{0} ? -v : v; }

  // -- Cholesky -------------------------------------------------------------------------------------------------------

  static void cholesky(int64_t count, int64_t n, const Group<T>& a, T* l, void* work) {
    V* x = static_cast<V*>(work);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        V mirrored;
        put(count, x[i * n + j], a, i * a.row + j * a.col);
        put(count, mirrored, a, j * a.row + i * a.col);
        // Halves are exact but for the smallest numbers, which stay as they are where the matrix is symmetric.
        const V own = x[i * n + j];
        x[i * n + j] = own == mirrored ? own : own * T(0.5) + mirrored * T(0.5);
      }
    for (int64_t j = 0; j < n; ++j) {
      V d = x[j * n + j];
      for (int64_t k = 0; k < j; ++k) d -= x[j * n + k] * x[j * n + k];
      root(d);
      x[j * n + j] = d;
      for (int64_t i = j + 1; i < n; ++i) {
        V s = x[i * n + j];
        for (int64_t k = 0; k < j; ++k) s -= x[i * n + k] * x[j * n + k];
        x[i * n + j] = s / d;
      }
    }
    const V zero{};
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j < n; ++j) get(count, j <= i ? x[i * n + j] : zero, l, i * n + j, n * n);
  }

  // From the last row up, what each step of the factorisation read (Murray 2016, unblocked).
  static void cholesky_vjp(int64_t count, int64_t n, const Group<T>& g_in, const Group<T>& l_in, T* out, void* work) {
    V *g = static_cast<V*>(work), *l = g + n * n;
    load_lower(count, n, g_in, g);
    load_lower(count, n, l_in, l);
    for (int64_t j = n; j-- > 0;) {
      const V d = l[j * n + j];
      V dbar = g[j * n + j];
      for (int64_t i = j + 1; i < n; ++i) dbar -= l[i * n + j] * g[i * n + j] / d;
      dbar /= d;
      for (int64_t i = j + 1; i < n; ++i) g[i * n + j] /= d;
      for (int64_t k = 0; k < j; ++k) {
        V r = g[j * n + k] - dbar * l[j * n + k];
        for (int64_t i = j + 1; i < n; ++i) r -= g[i * n + j] * l[i * n + k];
        g[j * n + k] = r;
      }
      for (int64_t i = j + 1; i < n; ++i) {
        const V c = g[i * n + j];
        for (int64_t k = 0; k < j; ++k) g[i * n + k] -= c * l[j * n + k];
      }
      g[j * n + j] = dbar * T(0.5);
    }
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = 0; j <= i; ++j) {
        const V both = i == j ? g[i * n + j] : g[i * n + j] * T(0.5);
        get(count, both, out, i * n + j, n * n);
        get(count, both, out, j * n + i, n * n);
      }
  }

  // -- triangular systems ---------------------------------------------------------------------------------------------

  // a(i, j) of what is stored, or of its transpose.
  struct Read {
    const V* a;
    int64_t row, col;
    const V& operator()(int64_t i, int64_t j) const { return a[i * row + j * col]; }
  };

  // x becomes op(a)⁻¹ x.
  [[gnu::noinline]] static void substitute(int64_t n, int64_t k, const Read& a, bool forwards, bool unit, V* x) {
    for (int64_t at = 0; at < n; ++at) {
      const int64_t i = forwards ? at : n - 1 - at;
      const int64_t first = forwards ? 0 : i + 1, last = forwards ? i : n;
      for (int64_t c = 0; c < k; ++c) {  // one sum at a time: it stays out of memory
        V s = x[i * k + c];
        for (int64_t j = first; j < last; ++j) s -= a(i, j) * x[j * k + c];
        x[i * k + c] = unit ? s : s / a(i, i);
      }
    }
  }

  // Calls body(first column, columns) for as many columns as there is room for.
  template <class Body>
  static void by_columns(int64_t k, const Body& body) {
    for (int64_t c = 0; c < k; c += kSmall) body(c, k - c < kSmall ? k - c : kSmall);
  }

  static void solve_triangular(int64_t count, int64_t n, int64_t k, lapack::Triangle how, const Group<T>& a,
                               const Group<T>& b, T* out, void* work) {
    V *m = static_cast<V*>(work), *x = m + n * n;
    load(count, n, n, a, m);
    const Read read = how.transposed ? Read{m, 1, n} : Read{m, n, 1};
    by_columns(k, [&](int64_t first, int64_t columns) {
      load_columns(count, n, first, columns, b, x);
      substitute(n, columns, read, how.lower != how.transposed, how.unit, x);
      store_columns(count, n, k, first, columns, x, out);
    });
  }

  // -- LU -------------------------------------------------------------------------------------------------------------

  static void swap(const I& here, V& a, V& b) {
    const V was = a, other = b;
    a = here ? other : was;
    b = here ? was : other;
  }

  // a[permutation] = L U, in place. Of a column of zeros the pivot is 0, and so is the column of L.
  [[gnu::noinline]] static void factor(int64_t n, V* a, I* permutation) {
    for (int64_t i = 0; i < n; ++i) permutation[i] = I{} + static_cast<Index>(i);
    for (int64_t k = 0; k < n; ++k) {
      V best;
      magnitude(a[k * n + k], best);
      I pivot = I{} + static_cast<Index>(k);
      for (int64_t i = k + 1; i < n; ++i) {
        V size;
        magnitude(a[i * n + k], size);
        const I larger = size > best;
        best = larger ? size : best;
        pivot = larger ? I{} + static_cast<Index>(i) : pivot;
      }
      for (int64_t i = k + 1; i < n; ++i) {
        const I here = pivot == I{} + static_cast<Index>(i);
        for (int64_t j = 0; j < n; ++j) swap(here, a[k * n + j], a[i * n + j]);
        const I was = permutation[k], other = permutation[i];
        permutation[k] = here ? other : was;
        permutation[i] = here ? was : other;
      }
      const V p = a[k * n + k], d = p == T{0} ? V{} + T{1} : p;
      for (int64_t i = k + 1; i < n; ++i) {
        const V l = a[i * n + k] / d;
        a[i * n + k] = l;
        for (int64_t j = k + 1; j < n; ++j) a[i * n + j] -= l * a[k * n + j];
      }
    }
  }

  static void lu(int64_t count, int64_t n, const Group<T>& a, T* factors, int64_t* permutation, void* work) {
    V* x = static_cast<V*>(work);
    I* rows = reinterpret_cast<I*>(x + n * n);
    load(count, n, n, a, x);
    factor(n, x, rows);
    for (int64_t i = 0; i < n; ++i) {
      for (int64_t j = 0; j < n; ++j) get(count, x[i * n + j], factors, j * n + i, n * n);
      const I row = rows[i];
      for (int64_t l = 0; l < count; ++l) permutation[l * n + i] = row[l];
    }
  }

  // With the factors in `m`, stored by rows.
  static void both(int64_t n, int64_t k, bool transposed, const V* m, V* x) {
    const Read read = transposed ? Read{m, 1, n} : Read{m, n, 1};
    substitute(n, k, read, true, !transposed, x);
    substitute(n, k, read, false, transposed, x);
  }

  // Rows of x as the permutation takes them to y, or takes them back. All are looked at in lanes: reading each lane by
  // itself takes longer.
  [[gnu::noinline]] static void permute(int64_t n, int64_t k, const I* permutation, bool back, const V* x, V* y) {
    for (int64_t i = 0; i < n; ++i)
      for (int64_t row = 0; row < n; ++row) {
        const I here = permutation[back ? row : i] == I{} + static_cast<Index>(back ? i : row);
        for (int64_t c = 0; c < k; ++c) {
          const V other = x[row * k + c], own = row == 0 ? other : y[i * k + c];
          y[i * k + c] = here ? other : own;
        }
      }
  }

  static void solve(int64_t count, int64_t n, int64_t k, bool transposed, const Group<T>& a, const Group<T>& b, T* out,
                    int64_t* singular, void* work) {
    V *m = static_cast<V*>(work), *x = m + n * n, *y = x + n * kSmall;
    I* rows = reinterpret_cast<I*>(y + n * kSmall);
    load(count, n, n, a, m);
    factor(n, m, rows);
    by_columns(k, [&](int64_t first, int64_t columns) {
      load_columns(count, n, first, columns, b, x);
      if (transposed) {
        both(n, columns, true, m, x);
        permute(n, columns, rows, true, x, y);
      } else {
        permute(n, columns, rows, false, x, y);
        both(n, columns, false, m, y);
      }
      store_columns(count, n, k, first, columns, y, out);
    });
    find_singular(count, n, m, singular);
  }

  // The first column with a pivot of 0.
  [[gnu::noinline]] static void find_singular(int64_t count, int64_t n, const V* m, int64_t* singular) {
    for (int64_t l = 0; l < count; ++l) singular[l] = -1;
    for (int64_t i = n; i-- > 0;)
      for (int64_t l = 0; l < count; ++l)
        if (m[i * n + i][l] == T{0}) singular[l] = i;
  }

  static void inv(int64_t count, int64_t n, const Group<T>& a, T* out, int64_t* singular, void* work) {
    V *m = static_cast<V*>(work), *x = m + n * n;
    I* rows = reinterpret_cast<I*>(x + n * n);
    load(count, n, n, a, m);
    factor(n, m, rows);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t c = 0; c < n; ++c) x[i * n + c] = rows[i] == I{} + static_cast<Index>(c) ? V{} + T{1} : V{};
    both(n, n, false, m, x);
    store_columns(count, n, n, 0, n, x, out);
    find_singular(count, n, m, singular);
  }

  static constexpr SmallLoops<T> table() { return {cholesky, cholesky_vjp, solve_triangular, lu, solve, inv}; }
};

constexpr SmallLoops<float> kFloat = Small<float>::table();
constexpr SmallLoops<double> kDouble = Small<double>::table();

}  // namespace

const SmallLoops<float>& small_float_loops() { return kFloat; }
const SmallLoops<double>& small_double_loops() { return kDouble; }

}  // namespace alice::ALICE_ISA
