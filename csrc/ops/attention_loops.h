// What attention does with a block of scores beside the products of matrices: from scores to weights, and back.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// Scores of `rows` queries for `n` keys, one row after the other in memory. Score (i, k) counts if i + limit > k, and
// if the mask says so: bytes that are not 0, or numbers to be added.
struct AttentionBlock {
  std::int64_t rows, n;
  double scale;
  std::int64_t limit;  // keys that the first query may see; n or more: all of them do
  enum class Mask : std::uint8_t { None, Flags, Numbers } kind;
  const void* mask;
  std::int64_t mask_row, mask_col;  // in elements
};

// For one dtype T; every pointer to void is to T.
struct AttentionLoops {
  // One step of a softmax over blocks: scores become exp(score - max), where `max` and `sum` of each row are those of
  // all blocks so far, and `shrink` the factor by which what was added under the old maximum has shrunk.
  void (*weigh)(const AttentionBlock&, void* scores, void* max, double* sum, void* shrink);
  // y = y shrink + x, row by row; y = x where `first`.
  void (*gather)(std::int64_t rows, std::int64_t n, bool first, const void* x, const void* shrink, void* y);
  // y /= sum, 0 where nothing counts; and stats[2 i], stats[2 i + 1] = max, sum of row i.
  void (*finish)(std::int64_t rows, std::int64_t n, const void* max, const double* sum, void* y, void* stats);

  // Scores become the weights exp(score - max) / sum.
  void (*weights)(const AttentionBlock&, const void* stats, void* scores);
  // out[i] = Σ g y of row i, whatever the strides of g.
  void (*dots)(std::int64_t rows, std::int64_t n, const void* g, std::int64_t g_row, std::int64_t g_col, const void* y,
               void* out);
  // slopes = weights (slopes - dots) scale.
  void (*slopes)(std::int64_t rows, std::int64_t n, double scale, const void* weights, const void* dots, void* slopes);
  void (*add)(std::int64_t n, const void* x, void* y);  // y += x
};

ALICE_BY_LEVEL(const AttentionLoops&, attention_loops, (DType))

}  // namespace alice
