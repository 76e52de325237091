// Small: the work is done elsewhere.
#include "lapack.h"

#include <cblas.h>

// Names of LAPACK with the prefix of this OpenBLAS. Of complex numbers the header needs names, and we nothing.
#define LAPACK_HEADER_INCLUDED
#define LAPACK_GLOBAL(name, NAME) scipy_##name##_
#define LAPACK_COMPLEX_CUSTOM
#define lapack_complex_float alice::lapack::Complex<float>
#define lapack_complex_double alice::lapack::Complex<double>
namespace alice::lapack {
template <class T>
struct Complex {
  T real, imaginary;
};
}  // namespace alice::lapack
#if defined(__clang__)
#pragma clang diagnostic ignored "-Wreturn-type-c-linkage"
#endif
#include <lapack.h>

#include <algorithm>

#include "../core/scratch.h"

namespace alice::lapack {
namespace {

CBLAS_TRANSPOSE transposed(bool yes) { return yes ? CblasTrans : CblasNoTrans; }
CBLAS_UPLO half(const Triangle& t) { return t.lower ? CblasLower : CblasUpper; }
CBLAS_DIAG diagonal(const Triangle& t) { return t.unit ? CblasUnit : CblasNonUnit; }

// The work space that a routine asked for. Above 2^24 a float may have lost the last items on its way.
template <class T>
Int room(T wanted) {
  return std::max<Int>(
      1, static_cast<Int>(std::min(static_cast<double>(wanted) * (sizeof(T) == 4 ? 1.000001 : 1.0) + 1, 2147483647.0)));
}

}  // namespace

// clang-format off: a line a routine
#define ALICE_LAPACK(T, s)                                                                                            \
  template <>                                                                                                         \
  void gemm<T>(bool at, bool bt, Int m, Int n, Int k, T alpha, const T* a, Int a_row, const T* b, Int b_row, T beta,  \
               T* c, Int c_row) {                                                                                     \
    scipy_cblas_##s##gemm(CblasRowMajor, transposed(at), transposed(bt), m, n, k, alpha, a, a_row, b, b_row, beta, c, \
                          c_row);                                                                                     \
  }                                                                                                                   \
  template <>                                                                                                         \
  void solve_triangular<T>(bool right, Triangle how, Int m, Int n, const T* a, Int a_row, T* b, Int b_row) {          \
    if (!right && n == 1)                                                                                             \
      scipy_cblas_##s##trsv(CblasRowMajor, half(how), transposed(how.transposed), diagonal(how), m, a, a_row, b,      \
                            b_row);                                                                                   \
    else                                                                                                              \
      scipy_cblas_##s##trsm(CblasRowMajor, right ? CblasRight : CblasLeft, half(how), transposed(how.transposed),     \
                            diagonal(how), m, n, T{1}, a, a_row, b, b_row);                                           \
  }                                                                                                                   \
  template <>                                                                                                         \
  Int potrf<T>(Int n, T* a) {                                                                                         \
    Int info = 0;                                                                                                     \
    scipy_LAPACK_##s##potrf("U", &n, a, &n, &info);                                                                   \
    return info;                                                                                                      \
  }                                                                                                                   \
  template <>                                                                                                         \
  void getrf<T>(Int m, Int n, T* a, Int* pivots) {                                                                    \
    Int info = 0;                                                                                                     \
    LAPACK_##s##getrf(&m, &n, a, &m, pivots, &info);                                                            \
  }                                                                                                                   \
  template <>                                                                                                         \
  void getri<T>(Int n, T* a, const Int* pivots) {                                                                     \
    Int info = 0;                                                                                                     \
    const auto run = [&](T* work, Int size) { LAPACK_##s##getri(&n, a, &n, pivots, work, &size, &info); };      \
    const Int size = 64 * n;                                                                                          \
    run(Scratch<T>(size).data(), size);                                                                               \
  }                                                                                                                   \
  template <>                                                                                                         \
  void geqrf<T>(Int m, Int n, T* a, T* tau) {                                                                         \
    Int info = 0;                                                                                                     \
    const Int size = 64 * std::max<Int>(1, n);                                                                        \
    const Scratch<T> work(size);                                                                                      \
    LAPACK_##s##geqrf(&m, &n, a, &m, tau, work.data(), &size, &info);                                           \
  }                                                                                                                   \
  template <>                                                                                                         \
  void orgqr<T>(Int m, Int n, Int k, T* a, T* tau) {                                                                  \
    Int info = 0;                                                                                                     \
    const Int size = 64 * std::max<Int>(1, n);                                                                        \
    const Scratch<T> work(size);                                                                                      \
    LAPACK_##s##orgqr(&m, &n, &k, a, &m, tau, work.data(), &size, &info);                                       \
  }                                                                                                                   \
  template <>                                                                                                         \
  Int syevd<T>(bool vectors, Int n, T* a, T* values) {                                                                \
    Int info = 0;                                                                                                     \
    const Scratch<Int> integers(3 + 5 * static_cast<std::int64_t>(n));                                                \
    const Int integer_size = 3 + 5 * n;                                                                               \
    T wanted = 1;                                                                                                     \
    const auto run = [&](T* work, Int size) {                                                                         \
      scipy_LAPACK_##s##syevd(vectors ? "V" : "N", "U", &n, a, &n, values, work, &size, integers.data(),              \
                              &integer_size, &info);                                                                  \
    };                                                                                                                \
    run(&wanted, -1);                                                                                                 \
    const Int size = room(wanted);                                                                                    \
    run(Scratch<T>(size).data(), size);                                                                               \
    return info;                                                                                                      \
  }                                                                                                                   \
  template <>                                                                                                         \
  Int gesdd<T>(char job, Int m, Int n, T* a, T* values, T* u, T* vt) {                                                \
    Int info = 0;                                                                                                     \
    const Int k = std::min(m, n), vt_rows = std::max<Int>(1, job == 'A' ? n : k), rows = std::max<Int>(1, m);         \
    const Scratch<Int> integers(8 * static_cast<std::int64_t>(k) + 1);                                                \
    T wanted = 1;                                                                                                     \
    const auto run = [&](T* work, Int size) {                                                                         \
      scipy_LAPACK_##s##gesdd(&job, &m, &n, a, &rows, values, u, &rows, vt, &vt_rows, work, &size, integers.data(),   \
                              &info);                                                                                 \
    };                                                                                                                \
    run(&wanted, -1);                                                                                                 \
    const Int size = room(wanted);                                                                                    \
    run(Scratch<T>(size).data(), size);                                                                               \
    return info;                                                                                                      \
  }                                                                                                                   \
  template <>                                                                                                         \
  Int geev<T>(Int n, T* a, T* real, T* imaginary, T* vectors) {                                                       \
    Int info = 0;                                                                                                     \
    const Int one = 1;                                                                                                \
    T wanted = 1, none = 0;                                                                                           \
    const auto run = [&](T* work, Int size) {                                                                         \
      scipy_LAPACK_##s##geev("N", vectors ? "V" : "N", &n, a, &n, real, imaginary, &none, &one,                       \
                             vectors ? vectors : &none, vectors ? &n : &one, work, &size, &info);                     \
    };                                                                                                                \
    run(&wanted, -1);                                                                                                 \
    const Int size = room(wanted);                                                                                    \
    run(Scratch<T>(size).data(), size);                                                                               \
    return info;                                                                                                      \
  }
// clang-format on
ALICE_LAPACK(float, s)
ALICE_LAPACK(double, d)

}  // namespace alice::lapack
