// Products of one pair of operands: cache blocks, packing, threads, and the choice between our loops and BLAS.
// Everything is chosen from the shape alone, and the bits of a result depend on K alone (matmul_loops.h).
#pragma once

#include <cstdint>

#include "../core/isa.h"
#include "matmul_loops.h"

namespace alice {

// A matrix read through any strides: negative, 0 and overlapping ones too.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t row, col;  // in elements
  Matrix transposed() const { return {data, col, row}; }
  Matrix from(std::int64_t i, std::int64_t j) const { return {data + i * row + j * col, row, col}; }
};

// Work that one thread should do before another is worth waking: about 25 microseconds.
inline constexpr std::int64_t kChunkMultiplies = std::int64_t{1} << 21;  // of a product, in cache
inline constexpr std::int64_t kChunkElements = std::int64_t{1} << 16;    // of a matrix that is read once

template <class T>
class Products {
 public:
  Products(const MatmulLoops<T>& loops, bool use_blas) : loops_(loops), use_blas_(use_blas) {}

  // C[m, n] = A[m, k] B[k, n]; C is contiguous. Any extent may be 0.
  void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* c) const;
  // The same for several products whose operands follow each other at equal steps, on this thread.
  void gemm_batch(std::int64_t items, std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, std::int64_t a_item,
                  Matrix<T> b, std::int64_t b_item, T* c) const;
  // y[m] = A[m, k] x[k].
  void gemv(std::int64_t m, std::int64_t k, Matrix<T> a, const T* x, std::int64_t x_step, T* y) const;
  // y[0] = x[k] . w[k].
  void dot(std::int64_t k, const T* x, std::int64_t x_step, const T* w, std::int64_t w_step, T* y) const;

 private:
  bool small(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& b) const;
  bool turned(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a) const;
  bool to_blas(std::int64_t m, std::int64_t n, std::int64_t k) const;
  void blocked(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* c) const;
  Matrix<T> pack_panels(T* out, std::int64_t m, std::int64_t k, std::int64_t height, Matrix<T> x) const;
  void by_blas(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* c) const;

  const MatmulLoops<T>& loops_;
  bool use_blas_;
};

extern template class Products<float>;
extern template class Products<double>;

}  // namespace alice
