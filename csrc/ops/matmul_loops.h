// The innermost loops of the matrix products, one table per instruction-set level.
//
// Order of summation (float32, float64). A product sums over k in one chain of fused multiply-adds per block of
// at most kDepth<T>, block after block; a matrix-vector product keeps one chain per vector lane and adds the
// lanes as a tree. The order depends on K alone: neither strides, packing, tiling nor threads change a bit.
// vecmat is a product of matrices in the order of the matrix-vector product.
#pragma once

#include <cstdint>

#include "../core/isa.h"

namespace alice {

// `items` blocks of products: C[m, n] = A[m, k] B[k, n], or C += A B. C's rows are contiguous.
// A is read in place through any strides, or packed in panels of MatmulLoops::rows rows (a_row = 1, a_col = rows,
// a_panel = rows * k). B is read in panels of MatmulLoops::columns columns: in place when its rows are contiguous
// (b_panel = columns), or packed (b_row = columns, b_panel = columns * k).
template <class T>
struct GemmBlock {
  std::int64_t m, n, k;
  std::int64_t a_row, a_col, a_panel;  // a_panel is 0 for A in place
  std::int64_t b_row, b_panel;
  std::int64_t c_row;
  bool accumulate;
  std::int64_t items = 1, a_item = 0, b_item = 0, c_item = 0;  // how many, and the steps from one to the next
};

// y[m] = A[m, k] x[k], or y += A x; x is contiguous; a_row or a_col is 1.
template <class T>
struct GemvBlock {
  std::int64_t m, k;
  const T* a;
  std::int64_t a_row, a_col;
  const T* x;
  T* y;
  bool accumulate;
};

// C[m, n] = A[m, k] B[k, n], or C += A B, each row as a matrix-vector product sums it. A's rows and B's columns are
// contiguous, C's rows too.
template <class T>
struct VecmatBlock {
  std::int64_t m, n, k;
  const T* a;
  std::int64_t a_row;
  const T* b;
  std::int64_t b_col;
  T* c;
  std::int64_t c_row;
  bool accumulate;
};

template <class T>
struct MatmulLoops {
  int rows, columns;                // the register tile of gemm
  int vecmat_rows, vecmat_columns;  // and of vecmat
  void (*gemm)(const GemmBlock<T>&, const T* a, const T* b, T* c);
  void (*gemv)(const GemvBlock<T>&);
  T (*dot)(std::int64_t k, const T* x, const T* y);  // both contiguous
  void (*vecmat)(const VecmatBlock<T>&);
  // out[j * ld + i] = in[i * in_i + j * in_j] for i < ni, j < nj: a panel of A or B.
  void (*pack)(std::int64_t ni, std::int64_t nj, const T* in, std::int64_t in_i, std::int64_t in_j, T* out,
               std::int64_t ld);
};

// Integers wrap around, as NumPy's do. Any strides; C contiguous.
template <class T>
using IntegerGemm = void (*)(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t a_row,
                             std::int64_t a_col, const T* b, std::int64_t b_row, std::int64_t b_col, T* c);

struct MatmulTable {
  MatmulLoops<float> f32;
  MatmulLoops<double> f64;
  IntegerGemm<std::uint8_t> u8;
  IntegerGemm<std::int32_t> i32;
  IntegerGemm<std::int64_t> i64;
};

template <class T>
inline constexpr std::int64_t kDepth = sizeof(T) == 4 ? 512 : 320;  // longest chain of a product
inline constexpr std::int64_t kGemvDepth = 4096;                    // longest block of a matrix-vector product or dot

ALICE_BY_LEVEL(const MatmulTable&, matmul_table, ())

}  // namespace alice
