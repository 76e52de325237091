// What attention does with a block of scores beside the products of matrices: from scores to weights, and back.
// Scores lie key by key, kQueries of them for each: what is done for every query is done in lanes, and nothing is
// summed across them.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

inline constexpr int kQueries = 16;  // of a block; if there are fewer, the other lanes are computed and not read

// Scores of `rows` queries for `n` keys. Query i may see key k if i + limit > k.
struct AttentionBlock {
  std::int64_t rows, n;
  double scale;
  std::int64_t limit;  // keys that the first query may see; n or more: all of them do
  const void* mask;    // numbers to be added, which lie as the scores do; null: none
};

// For one dtype T; every pointer to void is to T. Results of each query: arrays of kQueries items.
struct AttentionLoops {
  // One step of a softmax over blocks: scores become exp(score - max), where `max` and `sum` of each query are those
  // of all blocks so far, and `shrink` the factor by which what was added under the old maximum has shrunk.
  void (*weigh)(const AttentionBlock&, void* scores, void* max, double* sum, void* shrink);
  // y = y shrink + x, query by query, each a row of n items.
  void (*gather)(std::int64_t rows, std::int64_t n, const void* x, const void* shrink, void* y);
  // y /= sum, 0 where nothing counts; and stats[2 i], stats[2 i + 1] = max, sum of query i.
  void (*finish)(std::int64_t rows, std::int64_t n, const void* max, const double* sum, void* y, void* stats);

  // Scores become the weights exp(score - max) / sum.
  void (*weights)(const AttentionBlock&, const void* stats, void* scores);
  // out[i] = Σ g y of query i; of n items each, which lie as scores do.
  void (*dots)(std::int64_t n, const void* g, const void* y, void* out);
  // slopes = weights (slopes - dots) scale.
  void (*slopes)(std::int64_t n, double scale, const void* weights, const void* dots, void* slopes);

  // Flags of n keys as numbers to be added: minus infinity where a key does not count.
  void (*numbers)(std::int64_t n, const std::uint8_t* flags, std::int64_t step, void* out);
  void (*add)(std::int64_t n, const void* x, void* y);  // y += x
};

ALICE_BY_LEVEL(const AttentionLoops&, attention_loops, (DType))

}  // namespace alice
