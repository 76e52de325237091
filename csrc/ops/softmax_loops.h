// Loops over contiguous rows of `n` items: softmax and its kin, and the parts of the cross-entropy.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// For one dtype T; every pointer to void is to T.
struct SoftmaxLoops {
  void (*softmax)(std::int64_t rows, std::int64_t n, const void* x, void* y);
  void (*log_softmax)(std::int64_t rows, std::int64_t n, const void* x, void* y);
  // From the result y, not from x.
  void (*softmax_vjp)(std::int64_t rows, std::int64_t n, const void* g, const void* y, void* dx);
  void (*log_softmax_vjp)(std::int64_t rows, std::int64_t n, const void* g, const void* y, void* dx);
  // dx = g · softmax(x), one g per row; nothing but -inf in a row: 0.
  void (*logsumexp_vjp)(std::int64_t rows, std::int64_t n, const void* g, const void* x, void* dx);

  // stats[2 i] = max x and stats[2 i + 1] = Σ exp(x - max) of row i, and log_sum[i] the logarithm of the latter:
  // logsumexp is their sum max + log_sum, kept apart because adding them would lose digits.
  void (*stats)(std::int64_t rows, std::int64_t n, const void* x, void* stats, double* log_sum);
  // total = Σ q (max - x + log_sum), weight = Σ q; q = 1 where null. What has q = 0 does not count.
  void (*weighted)(std::int64_t n, const void* x, const void* q, double max, double log_sum, double* total,
                   double* weight);
  // dx = scale · exp(x - max) / sum - shift - slope · q, for rows of equal length; q may be null. The numbers of row i
  // are row[i * step]: step 0 stands for rows that share them.
  struct Row {
    double scale, shift, slope;
  };
  void (*gradient)(std::int64_t rows, std::int64_t n, const void* x, const void* stats, const void* q, const Row* row,
                   std::int64_t step, void* dx);
  // stats() and gradient() with one exponential per logit.
  void (*both)(std::int64_t rows, std::int64_t n, const void* x, const void* q, const Row* row, std::int64_t step,
               void* stats, double* log_sum, void* dx);
  // high + low = Σ x, of losses: as good as T needs it.
  void (*sum)(std::int64_t n, const double* x, double* high, double* low);
};

ALICE_BY_LEVEL(const SoftmaxLoops&, softmax_loops, (DType))

}  // namespace alice
