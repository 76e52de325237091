// What comes from singular values: svd, svdvals, pinv, lstsq, and cofactor, the gradient of a determinant.
//
// Small: LAPACK does the work.
#include <algorithm>
#include <cmath>

#include "matrices.h"
#include "register.h"

namespace alice {
namespace {

using lapack::Int;
using std::int64_t;

template <class T>
bool all_finite(int64_t n, const T* x) {
  bool finite = true;
  for (int64_t i = 0; i < n; ++i) finite &= std::isfinite(x[i]);
  return finite;
}

// u [m, k], s [k], vh [k, n] of a [m, n], which comes by columns and is destroyed, with k = min(m, n); 'A' for all
// vectors, 'N' for none. False if it fails.
template <class T>
bool decompose(char job, int64_t m, int64_t n, T* a, T* u, T* s, T* vh) {
  const int64_t k = std::min(m, n), us = job == 'A' ? m : k, vs = job == 'A' ? n : k;
  if (!all_finite(m * n, a)) return false;
  if (k == 0 && job == 'A') {
    for (int64_t i = 0; i < m * m; ++i) u[i] = T(i % (m + 1) == 0);
    for (int64_t i = 0; i < n * n; ++i) vh[i] = T(i % (n + 1) == 0);
  }
  if (k == 0) return true;
  const bool vectors = job != 'N';
  const Scratch<T> columns(vectors ? m * us : 0), rows(vectors ? vs * n : 0);
  if (lapack::gesdd(job, static_cast<Int>(m), static_cast<Int>(n), a, s, columns.data(), rows.data()) != 0)
    return false;
  if (vectors) {
    gather(m, us, columns.data(), int64_t{1}, m, u);
    gather(vs, n, rows.data(), int64_t{1}, vs, vh);
  }
  return true;
}

void raise(const Call& call, const FirstFailure& failure, const Dims& batch) {
  if (failure)
    fail(ErrorKind::LinAlg, call.kernel.name, ": the singular values were not found, the matrix must be finite",
         failure.where(batch));
}

// Calls body(item, a copy of the matrix, by columns); false notes a failure.
template <class T, class Body>
void for_each(const Call& call, const Dims& batch, double multiplications, const Body& body) {
  const Array& in = call.in[0];
  const int64_t m = rows_of(in), n = cols_of(in);
  const Matrices<T> a(in, batch);
  // Results without an item need no matrices: there may be more of these, all empty, than anybody can count.
  const bool wanted = std::any_of(call.out.begin(), call.out.end(), [](const Array& out) { return out.numel() > 0; });
  int64_t count = wanted ? 1 : 0;
  for (int64_t d : batch) count *= d;
  FirstFailure failure;
  for_matrices(count, matrix_nanoseconds(multiplications), [&](int64_t begin, int64_t end) {
    const Scratch<T> copy(m * n);
    for (int64_t i = begin; i < end; ++i) {
      gather(n, m, a[i], a.col, a.row, copy.data());
      if (!body(i, copy.data())) failure.note(i, 0);
    }
  });
  raise(call, failure, batch);
}

double work_of_svd(const Array& a) {
  const auto k = static_cast<double>(std::min(rows_of(a), cols_of(a)));
  return 8 * static_cast<double>(rows_of(a)) * static_cast<double>(cols_of(a)) * (k + 8);
}

// -- svd --------------------------------------------------------------------------------------------------------------

void infer_svd(Call& call) {
  check_matrix(call, 0, "a");
  const Array& a = call.in[0];
  const int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  const bool full = call.attrs[0].flag();
  const Dims batch = batch_of(a.shape());
  call.out[0] = Array::abstract(with_matrix(batch, m, full ? m : k), a.dtype());
  call.out[1] = Array::abstract(with_vector(batch, k), a.dtype());
  call.out[2] = Array::abstract(with_matrix(batch, full ? n : k, n), a.dtype());
}

void run_svd(const Call& call) {
  const Array& a = call.in[0];
  const int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  const bool full = call.attrs[0].flag();
  const int64_t u_size = m * (full ? m : k), vh_size = n * (full ? n : k);
  dispatch_matrix(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T *u = call.out[0].data<T>(), *s = call.out[1].data<T>(), *vh = call.out[2].data<T>();
    for_each<T>(call, batch_of(a.shape()), work_of_svd(a), [&](int64_t i, T* copy) {
      return decompose(full ? 'A' : 'S', m, n, copy, u + i * u_size, s + i * k, vh + i * vh_size);
    });
  });
}

void infer_svdvals(Call& call) {
  check_matrix(call, 0, "a");
  const Array& a = call.in[0];
  call.out[0] = Array::abstract(with_vector(batch_of(a.shape()), std::min(rows_of(a), cols_of(a))), a.dtype());
}

void run_svdvals(const Call& call) {
  const Array& a = call.in[0];
  const int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* s = call.out[0].data<T>();
    for_each<T>(call, batch_of(a.shape()), work_of_svd(a) / 4,
                [&](int64_t i, T* copy) { return decompose<T>('N', m, n, copy, nullptr, s + i * k, nullptr); });
  });
}

// -- the minimum norm -------------------------------------------------------------------------------------------------

// The singular values above `relative` times the largest.
template <class T>
int64_t rank_of(int64_t k, const T* s, double relative) {
  int64_t rank = 0;
  while (rank<k&& static_cast<double>(s[rank])> relative * static_cast<double>(s[0])) ++rank;
  return rank;
}

void infer_pinv(Call& call) {
  check_matrix(call, 0, "a");
  const Array& a = call.in[0];
  call.out[0] = Array::abstract(with_matrix(batch_of(a.shape()), cols_of(a), rows_of(a)), a.dtype());
}

void run_pinv(const Call& call) {
  const Array& a = call.in[0];
  if (call.out[0].numel() == 0) return;
  const int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n);
  const double relative = call.attrs[0].real();
  dispatch_matrix(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* x = call.out[0].data<T>();
    for_each<T>(call, batch_of(a.shape()), work_of_svd(a), [&](int64_t i, T* copy) {
      const Scratch<T> u(m * k), s(k), vh(k * n);
      if (!decompose('S', m, n, copy, u.data(), s.data(), vh.data())) return false;
      const int64_t rank = rank_of(k, s.data(), relative);
      T* out = x + i * n * m;
      std::fill_n(out, n * m, T{0});
      for (int64_t r = 0; r < rank; ++r)
        for (int64_t j = 0; j < n; ++j) vh[r * n + j] /= s[r];
      if (rank > 0)
        lapack::gemm<T>(true, true, static_cast<Int>(n), static_cast<Int>(m), static_cast<Int>(rank), 1, vh.data(),
                        static_cast<Int>(n), u.data(), static_cast<Int>(k), 0, out, static_cast<Int>(m));
      return true;
    });
  });
}

void infer_lstsq(Call& call) {
  check_matrix(call, 0, "a");
  check_matrix(call, 1, "b");
  const Array &a = call.in[0], &b = call.in[1];
  if (rows_of(a) != rows_of(b))
    fail(ErrorKind::Shape, "lstsq: a and b must have as many rows; got a ", a.shape(), ", b ", b.shape());
  const Dims batch = joint_batch(call, {0, 1});
  call.out[0] = Array::abstract(with_matrix(batch, cols_of(a), cols_of(b)), a.dtype());
  call.out[1] = Array::abstract(batch, a.dtype());  // a count, in what cotangents are made of
}

void run_lstsq(const Call& call) {
  const Array& a = call.in[0];
  const int64_t m = rows_of(a), n = cols_of(a), k = std::min(m, n), columns = cols_of(call.in[1]);
  const double relative = call.attrs[0].real();
  const Dims& batch = call.out[1].shape();
  dispatch_matrix(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Matrices<T> b(call.in[1], batch);
    T* x = call.out[0].data<T>();
    for_each<T>(call, batch, work_of_svd(a), [&](int64_t i, T* copy) {
      const Scratch<T> u(m * k), s(k), vh(k * n), right(m * columns), y(k * columns);
      T* to = x + i * n * columns;
      if (!decompose('S', m, n, copy, u.data(), s.data(), vh.data())) return false;
      const int64_t rank = rank_of(k, s.data(), relative);
      call.out[1].data<T>()[i] = static_cast<T>(rank);
      std::fill_n(to, n * columns, T{0});
      if (rank == 0 || columns == 0) return true;
      gather(m, columns, b[i], b.row, b.col, right.data());
      lapack::gemm<T>(true, false, static_cast<Int>(rank), static_cast<Int>(columns), static_cast<Int>(m), 1, u.data(),
                      static_cast<Int>(k), right.data(), static_cast<Int>(columns), 0, y.data(),
                      static_cast<Int>(columns));
      for (int64_t r = 0; r < rank; ++r)
        for (int64_t c = 0; c < columns; ++c) y[r * columns + c] /= s[r];
      lapack::gemm<T>(true, false, static_cast<Int>(n), static_cast<Int>(columns), static_cast<Int>(rank), 1, vh.data(),
                      static_cast<Int>(n), y.data(), static_cast<Int>(columns), 0, to, static_cast<Int>(columns));
      return true;
    });
  });
}

// -- cofactors --------------------------------------------------------------------------------------------------------

void infer_cofactor(Call& call) {
  check_square(call, 0, "a");
  call.out[0] = Array::abstract(call.in[0].shape(), call.in[0].dtype());
}

// The sign of the determinant of a regular matrix, which is destroyed.
template <class T>
T sign_of(int64_t n, T* a, Int* pivots) {
  lapack::getrf(static_cast<Int>(n), static_cast<Int>(n), a, pivots);
  bool negative = false;
  for (int64_t i = 0; i < n; ++i) negative ^= (pivots[i] != i + 1) != (a[i * n + i] < T{0});
  return negative ? T{-1} : T{1};
}

// Of whatever rank: the singular vectors, each pair with the product of the other singular values.
template <class T>
bool cofactor(int64_t n, T* a, T* out) {
  const Scratch<T> u(n * n), s(n), vh(n * n), copy(n * n);
  const Scratch<double> others(n);
  const Scratch<Int> pivots(n);
  if (!decompose('S', n, n, a, u.data(), s.data(), vh.data())) return false;
  double product = 1;
  for (int64_t i = 0; i < n; ++i) others[i] = product, product *= static_cast<double>(s[i]);
  product = 1;
  for (int64_t i = n; i-- > 0;) others[i] *= product, product *= static_cast<double>(s[i]);
  std::copy_n(u.data(), n * n, copy.data());
  T sign = sign_of(n, copy.data(), pivots.data());
  std::copy_n(vh.data(), n * n, copy.data());
  sign *= sign_of(n, copy.data(), pivots.data());
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      vh[i * n + j] = static_cast<T>(others[i] * static_cast<double>(vh[i * n + j])) * sign;
  const Int size = static_cast<Int>(n);
  lapack::gemm<T>(false, false, size, size, size, 1, u.data(), size, vh.data(), size, 0, out, size);
  return true;
}

void run_cofactor(const Call& call) {
  const Array& a = call.in[0];
  if (a.numel() == 0) return;
  const int64_t n = rows_of(a);
  dispatch_matrix(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    T* x = call.out[0].data<T>();
    for_each<T>(call, batch_of(a.shape()), work_of_svd(a),
                [&](int64_t i, T* copy) { return cofactor(n, copy, x + i * n * n); });
  });
}

double flops(const Call& call);
double cost(const Call& call) { return flops(call) / 8; }
double flops(const Call& call) {
  const Array& a = call.in[0];
  const double size = static_cast<double>(rows_of(a)) * static_cast<double>(cols_of(a));
  return size == 0 ? 0 : static_cast<double>(a.numel()) / size * work_of_svd(a);
}

}  // namespace

void register_singular(Registry& registry) {
  const auto add = [&](const char* name, int n_in, int n_out, std::vector<AttrSpec> attributes, void (*infer)(Call&),
                       void (*run)(const Call&)) {
    registry.add({.name = name,
                  .n_in = n_in,
                  .n_out = n_out,
                  .attributes = std::move(attributes),
                  .inputs = Inputs::Floating,
                  .infer = infer,
                  .run = {run},
                  .cost = cost,
                  .flops = flops});
  };
  add("svd", 1, 3, {{"full_matrices", AttrKind::Flag}}, infer_svd, run_svd);
  add("svdvals", 1, 1, {}, infer_svdvals, run_svdvals);
  add("pinv", 1, 1, {{"rtol", AttrKind::Real}}, infer_pinv, run_pinv);
  add("lstsq", 2, 2, {{"rtol", AttrKind::Real}}, infer_lstsq, run_lstsq);
  add("cofactor", 1, 1, {}, infer_cofactor, run_cofactor);
}

}  // namespace alice
