// Linear systems. solve_triangular: of one half of a matrix. lu_factor, lu_solve: of any regular matrix, in two steps,
// so that a gradient and further right-hand sides cost no second factorisation. inv.
#include <cmath>

#include "matrices.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

using lapack::Int;
using lapack::Triangle;
using std::int64_t;

// -- triangular -------------------------------------------------------------------------------------------------------

// The shape of x in op(a) x = b.
void infer_system(Call& call) {
  check_square(call, 0, "a");
  check_matrix(call, 1, "b");
  const Array &a = call.in[0], &b = call.in[1];
  if (rows_of(a) != rows_of(b))
    fail(ErrorKind::Shape, call.kernel.name, ": a and b must have as many rows; got a ", a.shape(), ", b ", b.shape());
  call.out[0] = Array::abstract(with_matrix(joint_batch(call, {0, 1}), rows_of(b), cols_of(b)), a.dtype());
}

template <class T>
void solve_triangular(const Call& call) {
  const Array& out = call.out[0];
  const Dims batch = batch_of(out.shape());
  const int64_t n = rows_of(out), k = cols_of(out), size = n * k, count = out.numel() / size;
  const Triangle how{call.attrs[0].flag(), call.attrs[1].flag(), call.attrs[2].flag()};
  const Matrices<T> a(call.in[0], batch), b(call.in[1], batch);
  const double time = matrix_nanoseconds(static_cast<double>(n) * static_cast<double>(size) / 2);
  T* x = out.data<T>();
  if (n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      small_loops<T>().solve_triangular(items, n, k, how, a.group(first, items), b.group(first, items),
                                        x + first * size, work);
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    // A matrix that is stored by columns is the transpose of one stored by rows, with the other half.
    const bool by_rows = a.col == 1 && a.row >= n, by_columns = !by_rows && a.row == 1 && a.col >= n;
    const Scratch<T> copy(by_rows || by_columns ? 0 : n * n);
    Triangle read = how;
    if (by_columns) read.lower = !how.lower, read.transposed = !how.transposed;
    const int64_t stride = by_rows ? a.row : by_columns ? a.col : n;
    for (int64_t i = begin; i < end; ++i) {
      if (copy.data()) gather(n, n, a[i], a.row, a.col, copy.data());
      gather(n, k, b[i], b.row, b.col, x + i * size);
      lapack::solve_triangular<T>(false, read, static_cast<Int>(n), static_cast<Int>(k),
                                  copy.data() ? copy.data() : a[i], static_cast<Int>(stride), x + i * size,
                                  static_cast<Int>(k));
    }
  });
}

void run_solve_triangular(const Call& call) {
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { solve_triangular<decltype(tag)>(call); });
}

// -- LU ---------------------------------------------------------------------------------------------------------------

// a[permutation] = L U, both in `factors`, stored by columns.
template <class T>
void factor(int64_t m, int64_t n, const T* a, int64_t row, int64_t col, T* factors, int64_t* permutation, Int* pivots) {
  gather(n, m, a, col, row, factors);
  if (n > 0) lapack::getrf(static_cast<Int>(m), static_cast<Int>(n), factors, pivots);
  for (int64_t i = 0; i < m; ++i) permutation[i] = i;
  for (int64_t i = 0; i < std::min(m, n); ++i) std::swap(permutation[i], permutation[pivots[i] - 1]);
}

// The first column with a pivot of 0, n if there is none.
template <class T>
int64_t first_zero_pivot(int64_t n, const T* factors) {
  int64_t i = 0;
  while (i < n && factors[i * n + i] != T{0}) ++i;
  return i;
}

[[noreturn]] void refuse_singular(const char* op, const FirstFailure& failure, const Dims& batch) {
  fail(ErrorKind::LinAlg, op, ": the matrix must not be singular; column ", failure.at(), " depends on those before it",
       failure.where(batch), "; ac.linalg.lstsq and ac.linalg.pinv take singular matrices");
}

void infer_lu_factor(Call& call) {
  check_matrix(call, 0, "a");
  const Array& a = call.in[0];
  const Dims batch = batch_of(a.shape());
  call.out[0] = Array::abstract(with_matrix(batch, cols_of(a), rows_of(a)), a.dtype());
  call.out[1] = Array::abstract(with_vector(batch, rows_of(a)), DType::Int64);
}

template <class T>
void lu_factor(const Call& call, FirstFailure& failure) {
  const Array& in = call.in[0];
  const Dims batch = batch_of(in.shape());
  const int64_t m = rows_of(in), n = cols_of(in), size = m * n, count = call.out[1].numel() / m;
  const Matrices<T> a(in, batch);
  const double time = matrix_nanoseconds(static_cast<double>(size) * static_cast<double>(std::min(m, n)) / 2);
  T* factors = call.out[0].data<T>();
  auto* permutation = call.out[1].data<int64_t>();
  const auto check = [&](int64_t item) {
    if (m != n) return;
    if (const int64_t i = first_zero_pivot(n, factors + item * size); i < n) failure.note(item, i);
  };
  if (m == n && n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      small_loops<T>().lu(items, n, a.group(first, items), factors + first * size, permutation + first * n, work);
      for (int64_t i = first; i < first + items; ++i) check(i);
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    const Scratch<Int> pivots(std::min(m, n));
    for (int64_t i = begin; i < end; ++i) {
      factor(m, n, a[i], a.row, a.col, factors + i * size, permutation + i * m, pivots.data());
      check(i);
    }
  });
}

void run_lu_factor(const Call& call) {
  if (call.out[1].numel() == 0) return;
  FirstFailure failure;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { lu_factor<decltype(tag)>(call, failure); });
  if (failure && call.attrs[0].flag()) refuse_singular("solve", failure, batch_of(call.in[0].shape()));
}

// The factors of a, which are given: what of them is a function of a is for its derivative to say.
void infer_lu(Call& call) {
  check_square(call, 0, "a");
  check_square(call, 1, "factors");
  const Array &a = call.in[0], &factors = call.in[1];
  if (rows_of(a) != rows_of(factors))
    fail(ErrorKind::Shape, "lu: factors must be those of a; got a ", a.shape(), ", factors ", factors.shape());
  call.out[0] = Array::abstract(with_matrix(joint_batch(call, {0, 1}), rows_of(a), rows_of(a)), a.dtype());
}

void run_lu(const Call& call) { strided_copy(call.out[0], broadcast_view(call.in[1], call.out[0].shape())); }

// x from a, b, and what lu_factor made of a. The matrix itself is not read: it is there for the derivative.
void infer_lu_solve(Call& call) {
  check_square(call, 2, "factors");
  const Array &a = call.in[0], &factors = call.in[2], &permutation = call.in[3];
  infer_system(call);
  if (!(factors.shape() == a.shape()) || !(permutation.shape() == with_vector(batch_of(a.shape()), rows_of(a))))
    fail(ErrorKind::Shape, "lu_solve: factors and permutation must be those of a; got a ", a.shape(), ", factors ",
         factors.shape(), ", permutation ", permutation.shape());
  if (!is_floating(a.dtype()) || a.dtype() != call.in[1].dtype() || a.dtype() != factors.dtype() ||
      permutation.dtype() != DType::Int64)
    fail(ErrorKind::DType, "lu_solve: a, b and factors must be of one floating dtype, permutation int64; got ",
         name(a.dtype()), ", ", name(call.in[1].dtype()), ", ", name(factors.dtype()), " and ",
         name(permutation.dtype()));
}

template <class T>
void lu_solve(const Call& call) {
  const Array& out = call.out[0];
  const Dims batch = batch_of(out.shape());
  const int64_t n = rows_of(out), k = cols_of(out), size = n * k, count = out.numel() / size;
  const bool transposed = call.attrs[0].flag();
  const Matrices<T> factors(call.in[2], batch), b(call.in[1], batch);
  const Array& p = call.in[3];
  // As matrices of one column.
  Dims strides = p.strides();
  strides.push_back(1);
  const Matrices<int64_t> permutations(Array::view(p, with_vector(p.shape(), 1), strides, 0), batch);
  const double time = matrix_nanoseconds(static_cast<double>(n) * static_cast<double>(size));
  T* x = out.data<T>();
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    const Scratch<int64_t> rows(n);
    const bool direct = factors.row == n && factors.col == 1;
    const Scratch<T> copy(direct ? 0 : n * n), turned(transposed ? size : 0);
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t r = 0; r < n; ++r) {
        rows[r] = permutations[i][r * permutations.row];
        if (rows[r] < 0 || rows[r] >= n)
          fail(ErrorKind::Index, "lu_solve: permutation must have the rows 0 to ", n - 1, "; got ", rows[r]);
      }
      if (!direct) gather(n, n, factors[i], factors.row, factors.col, copy.data());
      const T *m = direct ? factors[i] : copy.data(), *from = b[i];
      T *to = x + i * size, *y = transposed ? turned.data() : to;
      for (int64_t r = 0; r < n; ++r)
        for (int64_t c = 0; c < k; ++c) y[r * k + c] = from[(transposed ? r : rows[r]) * b.row + c * b.col];
      // Stored by columns, L is the upper half of a transposed matrix.
      const auto half = [&](bool of_l) {
        lapack::solve_triangular<T>(false, {.lower = !of_l, .transposed = !transposed, .unit = of_l},
                                    static_cast<Int>(n), static_cast<Int>(k), m, static_cast<Int>(n), y,
                                    static_cast<Int>(k));
      };
      half(!transposed);
      half(transposed);
      if (transposed)
        for (int64_t r = 0; r < n; ++r) std::copy_n(y + r * k, k, to + rows[r] * k);
    }
  });
}

void run_lu_solve(const Call& call) {
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { lu_solve<decltype(tag)>(call); });
}

// In one step, of small matrices: these are factorised anew in less time than factors are read.
void infer_solve(Call& call) {
  infer_system(call);
  if (rows_of(call.in[0]) > kSmall)
    fail(ErrorKind::Shape, "solve: a must have at most ", kSmall, " rows; got shape ", call.in[0].shape(),
         "; use lu_factor and lu_solve");
}

template <class T>
void solve(const Call& call, FirstFailure& failure) {
  const Array& out = call.out[0];
  const Dims batch = batch_of(out.shape());
  const int64_t n = rows_of(out), k = cols_of(out), size = n * k;
  const Matrices<T> a(call.in[0], batch), b(call.in[1], batch);
  const double time = matrix_nanoseconds(cube(n) / 2 + static_cast<double>(n) * static_cast<double>(size));
  for_groups<T>(out.numel() / size, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
    int64_t singular[kLanes<T>];
    small_loops<T>().solve(items, n, k, call.attrs[0].flag(), a.group(first, items), b.group(first, items),
                           out.data<T>() + first * size, singular, work);
    for (int64_t l = 0; l < items; ++l)
      if (singular[l] >= 0) failure.note(first + l, singular[l]);
  });
}

void run_solve(const Call& call) {
  if (call.out[0].numel() == 0) return;
  FirstFailure failure;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { solve<decltype(tag)>(call, failure); });
  if (failure) refuse_singular("solve", failure, batch_of(call.out[0].shape()));
}

// -- inverse ----------------------------------------------------------------------------------------------------------

void infer_inv(Call& call) {
  check_square(call, 0, "a");
  call.out[0] = Array::abstract(call.in[0].shape(), call.in[0].dtype());
}

template <class T>
void inv(const Call& call, FirstFailure& failure) {
  const Array& out = call.out[0];
  const int64_t n = rows_of(out), size = n * n, count = out.numel() / size;
  const Matrices<T> a(call.in[0], batch_of(out.shape()));
  const double time = matrix_nanoseconds(cube(n));
  T* x = out.data<T>();
  const auto refuse = [&](int64_t item, int64_t column) {
    failure.note(item, column);
    std::fill_n(x + item * size, size, std::numeric_limits<T>::quiet_NaN());
  };
  if (n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      int64_t singular[kLanes<T>];
      small_loops<T>().inv(items, n, a.group(first, items), x + first * size, singular, work);
      for (int64_t l = 0; l < items; ++l)
        if (singular[l] >= 0) refuse(first + l, singular[l]);
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    const Scratch<Int> pivots(n);
    for (int64_t i = begin; i < end; ++i) {
      T* m = x + i * size;
      gather(n, n, a[i], a.row, a.col, m);  // the inverse of the transpose is the transpose of the inverse
      lapack::getrf(static_cast<Int>(n), static_cast<Int>(n), m, pivots.data());
      const int64_t column = first_zero_pivot(n, m);
      column < n ? refuse(i, column) : lapack::getri(static_cast<Int>(n), m, pivots.data());
    }
  });
}

void run_inv(const Call& call) {
  if (call.out[0].numel() == 0) return;
  FirstFailure failure;
  dispatch_matrix(call.out[0].dtype(), [&](auto tag) { inv<decltype(tag)>(call, failure); });
  if (failure && call.attrs[0].flag()) refuse_singular("inv", failure, batch_of(call.out[0].shape()));
}

// -- determinants -----------------------------------------------------------------------------------------------------

void infer_det(Call& call) {
  check_square(call, 0, "a");
  const Array scalar = Array::abstract(batch_of(call.in[0].shape()), call.in[0].dtype());
  for (Array& out : call.out) out = scalar;
}

// Calls take(item, factors, sign of the permutation) for every matrix.
template <class T, class Take>
void for_factors(const Call& call, const Take& take) {
  const Array& in = call.in[0];
  const Dims batch = batch_of(in.shape());
  const int64_t n = rows_of(in), size = n * n, count = call.out[0].numel();
  const Matrices<T> a(in, batch);
  const double time = matrix_nanoseconds(cube(n) / 3);
  // Each cycle of a permutation but for its first entry is an exchange.
  const auto sign = [n](int64_t* permutation) {
    int s = 1;
    for (int64_t i = 0; i < n; ++i)
      while (permutation[i] != i) std::swap(permutation[i], permutation[permutation[i]]), s = -s;
    return s;
  };
  if (n <= kSmall)
    return for_groups<T>(count, time / kLanes<T>, [&](int64_t first, int64_t items, void* work) {
      const Scratch<T> factors(items * size);
      const Scratch<int64_t> permutation(items * n);
      small_loops<T>().lu(items, n, a.group(first, items), factors.data(), permutation.data(), work);
      for (int64_t l = 0; l < items; ++l) take(first + l, factors.data() + l * size, sign(permutation.data() + l * n));
    });
  for_matrices(count, time, [&](int64_t begin, int64_t end) {
    const Scratch<Int> pivots(n);
    const Scratch<T> factors(size);
    const Scratch<int64_t> permutation(n);
    for (int64_t i = begin; i < end; ++i) {
      factor(n, n, a[i], a.row, a.col, factors.data(), permutation.data(), pivots.data());
      take(i, factors.data(), sign(permutation.data()));
    }
  });
}

void run_det(const Call& call) {
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(call.in[0].dtype(), [&](auto tag) {
    using T = decltype(tag);
    const int64_t n = rows_of(call.in[0]);
    for_factors<T>(call, [&](int64_t item, const T* factors, int sign) {
      // The exponent is kept apart: products on the way do not overflow.
      double mantissa = sign;
      int64_t exponent = 0;
      for (int64_t i = 0; i < n; ++i) {
        int e = 0;
        mantissa = std::frexp(mantissa * static_cast<double>(factors[i * n + i]), &e);
        exponent += e;
      }
      const auto e = static_cast<int>(std::clamp<int64_t>(exponent, -100000, 100000));
      call.out[0].data<T>()[item] = static_cast<T>(std::ldexp(mantissa, e));
    });
  });
}

void run_slogdet(const Call& call) {
  if (call.out[0].numel() == 0) return;
  dispatch_matrix(call.in[0].dtype(), [&](auto tag) {
    using T = decltype(tag);
    const int64_t n = rows_of(call.in[0]);
    for_factors<T>(call, [&](int64_t item, const T* factors, int sign) {
      double s = sign, sum = 0;
      for (int64_t i = 0; i < n; ++i) {
        const auto u = static_cast<double>(factors[i * n + i]);
        s *= u > 0 ? 1 : u < 0 ? -1 : u;  // 0 and NaN as they are
        sum += std::log(std::abs(u));
      }
      call.out[0].data<T>()[item] = static_cast<T>(s);
      call.out[1].data<T>()[item] = static_cast<T>(sum);
    });
  });
}

// -- costs ------------------------------------------------------------------------------------------------------------

double flops_of_system(const Call& call) {
  return static_cast<double>(call.out[0].numel()) * static_cast<double>(rows_of(call.out[0]));
}
double flops_of_lu_solve(const Call& call) { return 2 * flops_of_system(call); }
double flops_of_lu(const Call& call) {
  const Array& a = call.in[0];
  return static_cast<double>(a.numel()) * static_cast<double>(std::min(rows_of(a), cols_of(a))) * 2 / 3;
}
double flops_of_inv(const Call& call) { return 3 * flops_of_lu(call); }
double cost_of_system(const Call& call) { return flops_of_system(call) / 4; }
double cost_of_lu(const Call& call) { return flops_of_lu(call) / 8; }

}  // namespace

void register_systems(Registry& registry) {
  registry.add({.name = "solve_triangular",
                .n_in = 2,
                .attributes = {{"lower", AttrKind::Flag}, {"transposed", AttrKind::Flag}, {"unit", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_system,
                .run = {run_solve_triangular},
                .cost = cost_of_system,
                .flops = flops_of_system});
  registry.add({.name = "lu_factor",
                .n_in = 1,
                .n_out = 2,
                .attributes = {{"regular", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_lu_factor,
                .run = {run_lu_factor},
                .cost = cost_of_lu,
                .flops = flops_of_lu});
  registry.add({.name = "lu",
                .n_in = 2,
                .inputs = Inputs::Floating,
                .infer = infer_lu,
                .run = {run_lu},
                .cost = streaming_cost});
  registry.add({.name = "lu_solve",
                .n_in = 4,
                .attributes = {{"transposed", AttrKind::Flag}},
                .infer = infer_lu_solve,
                .run = {run_lu_solve},
                .cost = cost_of_system,
                .flops = flops_of_lu_solve});
  registry.add({.name = "solve",
                .n_in = 2,
                .attributes = {{"transposed", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_solve,
                .run = {run_solve},
                .cost = cost_of_system,
                .flops = flops_of_lu_solve});
  registry.add({.name = "inv",
                .n_in = 1,
                .attributes = {{"regular", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_inv,
                .run = {run_inv},
                .cost = cost_of_lu,
                .flops = flops_of_inv});
  registry.add({.name = "det",
                .n_in = 1,
                .inputs = Inputs::Floating,
                .infer = infer_det,
                .run = {run_det},
                .cost = cost_of_lu,
                .flops = flops_of_lu});
  registry.add({.name = "slogdet",
                .n_in = 1,
                .n_out = 2,
                .inputs = Inputs::Floating,
                .infer = infer_det,
                .run = {run_slogdet},
                .cost = cost_of_lu,
                .flops = flops_of_lu});
}

}  // namespace alice
