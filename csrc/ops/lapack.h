// OpenBLAS below the linear algebra, on the caller's thread: products and triangular systems of matrices stored by
// rows, and LAPACK, which takes matrices by columns.
#pragma once

#include <cstdint>

namespace alice::lapack {

using Int = std::int32_t;

// How the matrix of a triangular system is read: which half of what is stored, as it stands or transposed, and whether
// its diagonal is taken for ones.
struct Triangle {
  bool lower, transposed, unit;
};

// -- stored by rows ---------------------------------------------------------------------------------------------------

// c[m, n] = alpha op(a) op(b) + beta c.
template <class T>
void gemm(bool a_transposed, bool b_transposed, Int m, Int n, Int k, T alpha, const T* a, Int a_row, const T* b,
          Int b_row, T beta, T* c, Int c_row);
// b[m, n] becomes op(a)⁻¹ b, or b op(a)⁻¹ where `right`.
template <class T>
void solve_triangular(bool right, Triangle how, Int m, Int n, const T* a, Int a_row, T* b, Int b_row);

// -- stored by columns, without gaps ----------------------------------------------------------------------------------

// The lower factor takes the place of the lower half of a symmetric matrix stored by rows (where columns and rows are
// one, and LAPACK's upper is our lower). Returns the order of the first minor that is not positive, or 0.
template <class T>
Int potrf(Int n, T* a);
// Row i changed places with row pivots[i] - 1.
template <class T>
void getrf(Int m, Int n, T* a, Int* pivots);
template <class T>
void getri(Int n, T* a, const Int* pivots);  // after getrf
template <class T>
void geqrf(Int m, Int n, T* a, T* tau);
template <class T>
void orgqr(Int m, Int n, Int k, T* a, T* tau);  // after geqrf

// Ascending eigenvalues of the half that potrf reads, and the eigenvectors in place of a. Returns 0 if it converged.
template <class T>
Int syevd(bool vectors, Int n, T* a, T* values);
// Singular values; with `full`, 'A' all vectors, 'S' as many as there are values, 'N' none. a is destroyed.
template <class T>
Int gesdd(char job, Int m, Int n, T* a, T* values, T* u, T* vt);
// Eigenvalues, their imaginary parts, and right eigenvectors unless null. a is destroyed.
template <class T>
Int geev(Int n, T* a, T* real, T* imaginary, T* vectors);

}  // namespace alice::lapack
