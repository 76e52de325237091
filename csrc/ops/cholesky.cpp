// cholesky: the lower factor of a positive definite matrix, which is read as its symmetric part.
// cholesky_vjp: from the cotangent of the factor that of the matrix, in twice the time of the factor.
//
// Source: Murray, "Differentiation of the Cholesky decomposition", 2016, the blocked algorithm.
//
// Small: LAPACK does the work.
#include "matrices.h"
#include "register.h"

namespace alice {
namespace {

using lapack::Int;
using std::int64_t;

void infer_cholesky(Call& call) {
  check_square(call, 0, "a");
  call.out[0] = Array::abstract(call.in[0].shape(), call.in[0].dtype());
}

// The lower half of (a + aᵀ) / 2 as it stands in small_loops.cpp, zeros above it.
template <class T>
void symmetric_lower(int64_t n, const T* a, int64_t row, int64_t col, T* to) {
  constexpr int64_t tile = 16;
  for (int64_t i0 = 0; i0 < n; i0 += tile)
    for (int64_t j0 = 0; j0 < n; j0 += tile)
      for (int64_t i = i0; i < std::min(n, i0 + tile); ++i)
        for (int64_t j = j0; j < std::min(n, j0 + tile); ++j) {
          const T own = a[i * row + j * col], mirrored = a[j * row + i * col];
          to[i * n + j] = j > i ? T{0} : own == mirrored ? own : own * T(0.5) + mirrored * T(0.5);
        }
}

// The first row whose diagonal is not positive, n if all are.
template <class T>
int64_t first_not_positive(int64_t n, const T* l) {
  int64_t i = 0;
  while (i < n && l[i * n + i] > T{0}) ++i;
  return i;
}

template <class T>
void cholesky(const Call& call, FirstFailure& failure) {
  const Array& out = call.out[0];
  const int64_t n = rows_of(out), size = n * n, count = out.numel() / size;
  const Matrices<T> a(call.in[0], batch_of(out.shape()));
  const double time = matrix_nanoseconds(cube(n) / 6);
  T* l = out.data<T>();
  const auto check = [&](int64_t item) {
    if (const int64_t i = first_not_positive(n, l + item * size); i < n) failure.note(item, i + 1);
  };
  if (n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      small_loops<T>().cholesky(items, n, a.group(first, items), l + first * size, work);
      // What follows a diagonal item that is not positive is NaN or minus infinity under a root: the last one tells.
      for (int64_t i = first; i < first + items; ++i)
        if (!(l[(i + 1) * size - 1] > T{0})) check(i);
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      symmetric_lower(n, a[i], a.row, a.col, l + i * size);
      const Int minor = lapack::potrf(static_cast<Int>(n), l + i * size);
      minor > 0 ? failure.note(i, minor) : check(i);
    }
  });
}

void run_cholesky(const Call& call) {
  const Array& out = call.out[0];
  if (out.numel() == 0) return;
  FirstFailure failure;
  dispatch_matrix(out.dtype(), [&](auto tag) { cholesky<decltype(tag)>(call, failure); });
  if (failure)
    fail(ErrorKind::LinAlg, "cholesky: the matrix must be positive definite; its leading minor of order ", failure.at(),
         " is not positive", failure.where(batch_of(out.shape())),
         "; add a small multiple of the identity if it is so but for rounding");
}

// -- the gradient -----------------------------------------------------------------------------------------------------

// g becomes the cotangent of the lower half of a, each item counted for itself and its mirror image. Both lie in
// matrices of rows of `row` items; what is above their diagonals is not read, and in g is lost.
template <class T>
void pull_back(int64_t n, const T* l, T* g, int64_t row) {
  if (n <= kSmall) {  // the lanes of one matrix: too few to gain, but the same arithmetic
    for (int64_t j = n; j-- > 0;) {
      const T d = l[j * row + j];
      T dbar = g[j * row + j];
      for (int64_t i = j + 1; i < n; ++i) dbar -= l[i * row + j] * g[i * row + j] / d;
      dbar /= d;
      for (int64_t i = j + 1; i < n; ++i) g[i * row + j] /= d;
      for (int64_t k = 0; k < j; ++k) g[j * row + k] -= dbar * l[j * row + k];
      for (int64_t i = j + 1; i < n; ++i) {
        const T c = g[i * row + j];
        for (int64_t k = 0; k < j; ++k) {
          g[j * row + k] -= c * l[i * row + k];
          g[i * row + k] -= c * l[j * row + k];
        }
      }
      g[j * row + j] = dbar * T(0.5);
    }
    return;
  }
  const int64_t block = n <= 8 * kSmall ? kSmall : 6 * kSmall;
  const Scratch<T> both(block * block);
  const Int stride = static_cast<Int>(row);
  for (int64_t end = n; end > 0;) {
    const int64_t begin = (end - 1) / block * block;
    const Int d = static_cast<Int>(end - begin), below = static_cast<Int>(n - end), before = static_cast<Int>(begin);
    const T *diagonal = l + begin * row + begin, *left = l + begin * row, *under = l + end * row + begin;
    T *g_diagonal = g + begin * row + begin, *g_left = g + begin * row, *g_under = g + end * row + begin;
    if (below > 0) {
      lapack::solve_triangular<T>(true, {.lower = true, .transposed = false, .unit = false}, below, d, diagonal, stride,
                                  g_under, stride);
      if (before > 0)
        lapack::gemm<T>(false, false, below, before, d, -1, g_under, stride, left, stride, 1, g + end * row, stride);
      lapack::gemm<T>(true, false, d, d, below, -1, g_under, stride, under, stride, 1, g_diagonal, stride);
    }
    pull_back(d, diagonal, g_diagonal, row);
    if (before > 0) {
      for (int64_t i = 0; i < d; ++i)
        for (int64_t j = 0; j < d; ++j)
          both[i * d + j] = g_diagonal[std::max(i, j) * row + std::min(i, j)] * (i == j ? T{2} : T{1});
      if (below > 0)
        lapack::gemm<T>(true, false, d, before, below, -1, g_under, stride, l + end * row, stride, 1, g_left, stride);
      lapack::gemm<T>(false, false, d, before, d, -1, both.data(), d, left, stride, 1, g_left, stride);
    }
    end = begin;
  }
}

void infer_cholesky_vjp(Call& call) {
  check_square(call, 0, "g");
  check_square(call, 1, "l");
  const Array &g = call.in[0], &l = call.in[1];
  if (rows_of(g) != rows_of(l))
    fail(ErrorKind::Shape, "cholesky_vjp: g and l must be matrices of one size; got g ", g.shape(), ", l ", l.shape());
  call.out[0] = Array::abstract(with_matrix(joint_batch(call, {0, 1}), rows_of(g), rows_of(g)), g.dtype());
}

template <class T>
void cholesky_vjp(const Call& call) {
  const Array& out = call.out[0];
  const Dims batch = batch_of(out.shape());
  const int64_t n = rows_of(out), size = n * n, count = out.numel() / size;
  const Matrices<T> g(call.in[0], batch), l(call.in[1], batch);
  const double time = matrix_nanoseconds(cube(n) / 3);
  T* to = out.data<T>();
  if (n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      small_loops<T>().cholesky_vjp(items, n, g.group(first, items), l.group(first, items), to + first * size, work);
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    const bool by_rows = l.row == n && l.col == 1;
    const Scratch<T> factor(by_rows ? 0 : size);
    for (int64_t i = begin; i < end; ++i) {
      T* a = to + i * size;
      gather(n, n, g[i], g.row, g.col, a);
      if (!by_rows) gather(n, n, l[i], l.row, l.col, factor.data());
      pull_back(n, by_rows ? l[i] : factor.data(), a, n);
      for (int64_t r = 0; r < n; ++r)
        for (int64_t c = 0; c < r; ++c) a[r * n + c] = a[c * n + r] = a[r * n + c] * T(0.5);
    }
  });
}

void run_cholesky_vjp(const Call& call) {
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { cholesky_vjp<decltype(tag)>(call); });
}

double flops(const Call& call) {
  const Array& out = call.out[0];
  return static_cast<double>(out.numel()) * static_cast<double>(cols_of(out)) * (call.in.size() == 1 ? 1.0 : 2.0) / 3;
}
double cost(const Call& call) { return flops(call) / 8; }

}  // namespace

void register_cholesky(Registry& registry) {
  registry.add({.name = "cholesky",
                .n_in = 1,
                .inputs = Inputs::Floating,
                .infer = infer_cholesky,
                .run = {run_cholesky},
                .cost = cost,
                .flops = flops});
  registry.add({.name = "cholesky_vjp",
                .n_in = 2,
                .inputs = Inputs::Floating,
                .infer = infer_cholesky_vjp,
                .run = {run_cholesky_vjp},
                .cost = cost,
                .flops = flops});
}

}  // namespace alice
