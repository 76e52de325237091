#include "blas.h"

#include <cblas.h>

#include <algorithm>
#include <limits>

namespace alice::blas {
namespace {

// A unit column stride is row-major storage, a unit row stride its transpose.
template <class T>
CBLAS_TRANSPOSE transposed(const Operand<T>& x) {
  return x.col == 1 ? CblasNoTrans : CblasTrans;
}
template <class T>
blasint leading(const Operand<T>& x) {
  return static_cast<blasint>(x.col == 1 ? x.row : x.col);
}

}  // namespace

void initialize() { scipy_openblas_set_num_threads(1); }

const char* config() { return scipy_openblas_get_config(); }

bool acceptable(std::int64_t rows, std::int64_t cols, std::int64_t row_stride, std::int64_t col_stride) {
  constexpr std::int64_t most = std::numeric_limits<blasint>::max();
  if (std::max(rows, cols) > most) return false;
  if (col_stride == 1) return row_stride >= std::max<std::int64_t>(cols, 1) && row_stride <= most;
  return row_stride == 1 && col_stride >= std::max<std::int64_t>(rows, 1) && col_stride <= most;
}

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Operand<float> a, Operand<float> b, float* c,
          std::int64_t c_row) {
  scipy_cblas_sgemm(CblasRowMajor, transposed(a), transposed(b), static_cast<blasint>(m), static_cast<blasint>(n),
                    static_cast<blasint>(k), 1.0f, a.data, leading(a), b.data, leading(b), 0.0f, c,
                    static_cast<blasint>(c_row));
}

void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Operand<double> a, Operand<double> b, double* c,
          std::int64_t c_row) {
  scipy_cblas_dgemm(CblasRowMajor, transposed(a), transposed(b), static_cast<blasint>(m), static_cast<blasint>(n),
                    static_cast<blasint>(k), 1.0, a.data, leading(a), b.data, leading(b), 0.0, c,
                    static_cast<blasint>(c_row));
}

}  // namespace alice::blas
