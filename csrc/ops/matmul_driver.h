// Products of one pair of operands: cache blocks, packing, threads, and the choice between our loops and BLAS.
// Everything is chosen from the shape alone, and the bits of our results depend on K alone (matmul_loops.h).
#pragma once

#include <cstdint>

#include "../core/isa.h"
#include "../core/kernel.h"
#include "matmul_loops.h"

namespace alice {

// A matrix read through any strides: negative, 0 and overlapping ones too.
template <class T>
struct Matrix {
  const T* data;
  std::int64_t row, col;  // in elements
  Matrix transposed() const { return {data, col, row}; }
  Matrix from(std::int64_t i, std::int64_t j) const { return {data + i * row + j * col, row, col}; }
  Matrix at(const T* other) const { return {other, row, col}; }
};

// Work that one thread should do before another is worth waking: about 25 microseconds.
inline constexpr std::int64_t kChunkMultiplies = std::int64_t{1} << 21;  // of a product, in cache

// C[m, n] = A[m, k] B[k, n] for fixed extents and strides: what is decided before the data is there.
template <class T>
struct GemmPlan {
  enum class Path : std::uint8_t {
    Empty,    // no element
    Zero,     // sums of nothing
    Direct,   // one call of the loops, operands in place
    Blocked,  // in cache blocks, packed where that pays
    Blas,
  };
  Path path;
  bool turned;           // the loops compute C transposed = B transposed A transposed
  std::int64_t m, n, k;  // what follows describes the product that the loops compute
  Matrix<T> a, b;        // the strides
  GemmBlock<T> block;    // for Direct
};

template <class T>
class Products {
 public:
  Products(const MatmulLoops<T>& loops, bool use_blas) : loops_(loops), use_blas_(use_blas) {}

  // The bits of a product of matrices depend on K alone. BLAS chooses the order of its sums by M and N too.
  bool rows_are_independent() const { return !use_blas_; }

  // out[j * ld + i] = x[i, j] for i < m, j < k.
  void turn(std::int64_t m, std::int64_t k, Matrix<T> x, T* out, std::int64_t ld) const {
    loops_.pack(m, k, x.data, x.row, x.col, out, ld);
  }

  // Lanes of a vector of the loops.
  int width() const { return loops_.columns / 2; }

  // Any extent may be 0. Only the strides of a and b count.
  GemmPlan<T> plan(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b) const;
  // C is contiguous. `then`, if there is one, hears of every part of C.
  void gemm(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then) const;
  // C += A B, each product summed up before it is added; false, and nothing is done, where the loops do not do that.
  bool add_gemm(const GemmPlan<T>& plan, const T* a, const T* b, T* c) const;
  // The same for several products whose operands follow each other at equal steps, on this thread.
  void gemm_batch(const GemmPlan<T>& plan, std::int64_t items, const T* a, std::int64_t a_item, const T* b,
                  std::int64_t b_item, T* c) const;
  // y[m] = A[m, k] x[k]. `then` sees y as one row, or as one column if `upright`.
  void gemv(std::int64_t m, std::int64_t k, Matrix<T> a, const T* x, std::int64_t x_step, T* y, const Epilogue* then,
            bool upright) const;
  // C[m, n] = A[m, k] B[k, n], each row with the bits of gemv; C is contiguous. `then` as in gemm.
  void vecmat(std::int64_t m, std::int64_t n, std::int64_t k, Matrix<T> a, Matrix<T> b, T* c,
              const Epilogue* then) const;
  // y[0] = x[k] . w[k].
  void dot(std::int64_t k, const T* x, std::int64_t x_step, const T* w, std::int64_t w_step, T* y) const;

 private:
  bool small(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& b) const;
  bool turned(std::int64_t m, std::int64_t n, std::int64_t k, const Matrix<T>& a) const;
  bool to_blas(std::int64_t m, std::int64_t n, std::int64_t k) const;
  void compute(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then) const;
  void blocked(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then,
               bool accumulate = false) const;
  Matrix<T> pack_lines(int slot, std::int64_t lines, std::int64_t k, Matrix<T> x) const;
  Matrix<T> pack_panels(T* out, std::int64_t m, std::int64_t k, std::int64_t height, Matrix<T> x) const;
  void by_blas(const GemmPlan<T>& plan, const T* a, const T* b, T* c, const Epilogue* then) const;

  const MatmulLoops<T>& loops_;
  bool use_blas_;
};

extern template class Products<float>;
extern template class Products<double>;

}  // namespace alice
