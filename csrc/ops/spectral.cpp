// Eigenvalues and eigenvectors: eigh and eigvalsh of symmetric matrices (read as their symmetric part), eig and eigvals
// of those whose eigenvalues are real. qr.
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

int64_t count_of(const Dims& batch) {
  int64_t count = 1;
  for (int64_t d : batch) count *= d;
  return count;
}

void infer_eigen(Call& call) {
  check_square(call, 0, "a");
  const Array& a = call.in[0];
  call.out[0] = Array::abstract(with_vector(batch_of(a.shape()), rows_of(a)), a.dtype());
  if (call.out.size() == 2) call.out[1] = Array::abstract(a.shape(), a.dtype());
}

enum Reason : std::int8_t { kNotFinite, kComplex };

[[noreturn]] void refuse(const Call& call, const FirstFailure& failure) {
  const Dims batch = batch_of(call.in[0].shape());
  if (failure.at() == kComplex)
    fail(ErrorKind::LinAlg, call.kernel.name, ": the eigenvalues must be real; got a matrix with complex ones",
         failure.where(batch), "; those of a symmetric matrix are real, see ac.linalg.eigh");
  fail(ErrorKind::LinAlg, call.kernel.name, ": the eigenvalues were not found, the matrix must be finite",
       failure.where(batch));
}

// Calls body(item, copy of the matrix); returns a Reason, or -1.
template <class T, class Body>
void for_each(const Call& call, double factor, const Body& body) {
  const Array& in = call.in[0];
  const int64_t n = rows_of(in);
  const Dims batch = batch_of(in.shape());
  const Matrices<T> a(in, batch);
  FirstFailure failure;
  for_matrices(count_of(batch), matrix_nanoseconds(factor * cube(n)), [&](int64_t begin, int64_t end) {
    const Scratch<T> copy(n * n);
    for (int64_t i = begin; i < end; ++i) {
      gather(n, n, a[i], a.row, a.col, copy.data());
      bool finite = true;
      for (int64_t k = 0; k < n * n; ++k) finite &= std::isfinite(copy[k]);
      const int reason = finite ? body(i, copy.data()) : kNotFinite;
      if (reason >= 0) failure.note(i, reason);
    }
  });
  if (failure) refuse(call, failure);
}

void run_eigh(const Call& call) {
  const bool vectors = call.out.size() == 2;
  const int64_t n = rows_of(call.in[0]);
  if (call.in[0].numel() == 0) return;
  dispatch_matrix(call.in[0].dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_each<T>(call, vectors ? 6 : 2, [&](int64_t item, T* a) {
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < i; ++j) {
          const T own = a[i * n + j], mirrored = a[j * n + i];
          a[i * n + j] = own == mirrored ? own : own * T(0.5) + mirrored * T(0.5);
        }
      if (lapack::syevd(vectors, static_cast<Int>(n), a, call.out[0].data<T>() + item * n) != 0) return int{kNotFinite};
      if (vectors) gather(n, n, a, int64_t{1}, n, call.out[1].data<T>() + item * n * n);  // they came by columns
      return -1;
    });
  });
}

// Of a symmetric matrix of blocks along its diagonal the eigenvectors of each block, in the block's own columns; where
// an item stands alone, 1.
void infer_block_eigh(Call& call) {
  check_square(call, 0, "a");
  call.out[0] = Array::abstract(call.in[0].shape(), call.in[0].dtype());
}

void run_block_eigh(const Call& call) {
  const int64_t n = rows_of(call.in[0]);
  if (call.in[0].numel() == 0) return;
  dispatch_matrix(call.in[0].dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_each<T>(call, 1, [&](int64_t item, const T* a) {
      T* out = call.out[0].data<T>() + item * n * n;
      std::fill_n(out, n * n, T{0});
      const Scratch<T> block(n * n), values(n);
      for (int64_t begin = 0, end; begin < n; begin = end) {
        end = begin + 1;
        for (int64_t i = begin; i < end; ++i)
          for (int64_t j = n; j-- > end;)
            if (a[i * n + j] != T{0} || a[j * n + i] != T{0}) end = j + 1;
        const int64_t size = end - begin;
        T* corner = out + begin * (n + 1);
        if (size == 1) {
          *corner = T{1};
          continue;
        }
        gather(size, size, a + begin * (n + 1), n, int64_t{1}, block.data());
        if (lapack::syevd(true, static_cast<Int>(size), block.data(), values.data()) != 0) return int{kNotFinite};
        for (int64_t i = 0; i < size; ++i)
          for (int64_t j = 0; j < size; ++j) corner[i * n + j] = block[j * size + i];
      }
      return -1;
    });
  });
}

void run_eig(const Call& call) {
  const bool vectors = call.out.size() == 2;
  const int64_t n = rows_of(call.in[0]);
  if (call.in[0].numel() == 0) return;
  dispatch_matrix(call.in[0].dtype(), [&](auto tag) {
    using T = decltype(tag);
    for_each<T>(call, 25, [&](int64_t item, T* a) {
      const Scratch<T> imaginary(n), by_columns(n * n), right(vectors ? n * n : 0);
      gather(n, n, a, int64_t{1}, n, by_columns.data());
      if (lapack::geev(static_cast<Int>(n), by_columns.data(), call.out[0].data<T>() + item * n, imaginary.data(),
                       right.data()) != 0)
        return int{kNotFinite};
      for (int64_t i = 0; i < n; ++i)
        if (imaginary[i] != T{0}) return int{kComplex};
      if (vectors) gather(n, n, right.data(), int64_t{1}, n, call.out[1].data<T>() + item * n * n);
      return -1;
    });
  });
}

// -- qr ---------------------------------------------------------------------------------------------------------------

void infer_qr(Call& call) {
  check_matrix(call, 0, "a");
  const Array& a = call.in[0];
  const int64_t m = rows_of(a), n = cols_of(a), k = call.attrs[0].flag() ? m : std::min(m, n);
  const Dims batch = batch_of(a.shape());
  call.out[0] = Array::abstract(with_matrix(batch, m, k), a.dtype());
  call.out[1] = Array::abstract(with_matrix(batch, k, n), a.dtype());
}

void run_qr(const Call& call) {
  const Array& in = call.in[0];
  const int64_t m = rows_of(in), n = cols_of(in), k = cols_of(call.out[0]), least = std::min(m, n);
  if (call.out[0].numel() == 0) return;
  const double work = 2 * static_cast<double>(m) * static_cast<double>(std::max(n, k)) * static_cast<double>(k);
  dispatch_matrix(in.dtype(), [&](auto tag) {
    using T = decltype(tag);
    const Matrices<T> a(in, batch_of(in.shape()));
    for_matrices(count_of(batch_of(in.shape())), matrix_nanoseconds(work), [&](int64_t begin, int64_t end) {
      const Scratch<T> columns(m * std::max(n, k)), tau(least);
      for (int64_t i = begin; i < end; ++i) {
        gather(n, m, a[i], a.col, a.row, columns.data());
        if (least > 0) lapack::geqrf(static_cast<Int>(m), static_cast<Int>(n), columns.data(), tau.data());
        T *q = call.out[0].data<T>() + i * m * k, *r = call.out[1].data<T>() + i * k * n;
        for (int64_t row = 0; row < k; ++row)
          for (int64_t col = 0; col < n; ++col) r[row * n + col] = row <= col ? columns[col * m + row] : T{0};
        lapack::orgqr(static_cast<Int>(m), static_cast<Int>(k), static_cast<Int>(least), columns.data(), tau.data());
        gather(m, k, columns.data(), int64_t{1}, m, q);
      }
    });
  });
}

double flops(const Call& call) {
  const Array& a = call.in[0];
  return static_cast<double>(a.numel()) * static_cast<double>(std::min(rows_of(a), cols_of(a))) * 10;
}
double cost(const Call& call) { return flops(call) / 8; }

}  // namespace

void register_spectral(Registry& registry) {
  const auto add = [&](const char* name, int n_out, std::vector<AttrSpec> attributes, void (*infer)(Call&),
                       void (*run)(const Call&)) {
    registry.add({.name = name,
                  .n_in = 1,
                  .n_out = n_out,
                  .attributes = std::move(attributes),
                  .inputs = Inputs::Floating,
                  .infer = infer,
                  .run = {run},
                  .cost = cost,
                  .flops = flops});
  };
  add("eigh", 2, {}, infer_eigen, run_eigh);
  add("eigvalsh", 1, {}, infer_eigen, run_eigh);
  add("block_eigh", 1, {}, infer_block_eigh, run_block_eigh);
  add("eig", 2, {}, infer_eigen, run_eig);
  add("eigvals", 1, {}, infer_eigen, run_eig);
  add("qr", 2, {{"complete", AttrKind::Flag}}, infer_qr, run_qr);
}

}  // namespace alice
