// The system's optimised BLAS (OpenBLAS), always on one thread: our own pool schedules.
#pragma once

#include <cstdint>

namespace alice::blas {

void initialize();  // once, before any product
const char* config();

// A matrix as BLAS takes it: one of the strides is 1, the other is at least the extent it steps over.
template <class T>
struct Operand {
  const T* data;
  std::int64_t row, col;
};
bool acceptable(std::int64_t rows, std::int64_t cols, std::int64_t row_stride, std::int64_t col_stride);

// C[m, n] = A[m, k] B[k, n]; C's rows are contiguous, c_row apart. m, n, k >= 1.
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Operand<float> a, Operand<float> b, float* c,
          std::int64_t c_row);
void gemm(std::int64_t m, std::int64_t n, std::int64_t k, Operand<double> a, Operand<double> b, double* c,
          std::int64_t c_row);

}  // namespace alice::blas
