// Accumulator loops: how many numbers become one. A fold keeps one state per result in two planes: `a`
// holds the value so far (a_size bytes), `b` what must go with it (8 bytes: the low half of a sum, an index).
//
// The order of accumulation depends on counts alone, never on strides or threads, and it is the same at
// every instruction-set level.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

enum class Fold : std::uint8_t {
  Sum,           // Σ x
  Squares,       // Σ x²
  Distances,     // Σ (x - c)²
  Exponentials,  // Σ exp(x - c)
  SafeSum,       // Σ of scaled x, x², (x - c)²: nothing overflows on the way; float64 only
  SafeSquares,
  SafeDistances,
  Product,  // Π x
  Max,      // NaN wins
  Min,
  MaxAbs,
  ArgMax,  // the first index of the maximum; NaN counts as the maximum
  ArgMin,
};
inline constexpr int kFoldCount = 13;

// The powers of two by which SafeSum and SafeDistances scale down; SafeSquares scales by c.
inline constexpr double kSafeSumScale = 0x1p-64, kSafeDistanceScale = 0x1p-600;

// Results narrower than this, in the last axes, are accumulated in lanes of several rows (FoldLoops::packed).
inline constexpr std::int64_t kNarrow = 32;

// `columns` folds so many rows at a time: cut after a multiple of them, its calls give the bits of one call.
inline constexpr std::int64_t kFoldUnroll = 4;

// `rows` folds fewer items one by one.
inline constexpr std::int64_t kShortRow = 16;

// `c` holds one number per result for the folds that read it, and may be null for the others. `first` is the
// index that the first item has among the items of its result.
struct FoldLoops {
  std::int64_t a_size;
  void (*init)(std::int64_t count, void* a, void* b);
  // Result i takes in x[i * stride + k], k < n.
  void (*rows)(std::int64_t count, std::int64_t n, std::int64_t stride, const void* x, void* a, void* b,
               const double* c, std::int64_t first);
  // Result i takes in x[k * stride + i], k < n.
  void (*columns)(std::int64_t count, std::int64_t n, std::int64_t stride, const void* x, void* a, void* b,
                  const double* c, std::int64_t first);
  // As columns with stride == count, for counts below kNarrow.
  void (*packed)(std::int64_t count, std::int64_t n, const void* x, void* a, void* b, const double* c,
                 std::int64_t first);
  // Takes in the states of items that come later.
  void (*merge)(std::int64_t count, void* a, void* b, const void* later_a, const void* later_b);
};

// The table of one level, indexed [fold][dtype]; null where a fold does not exist for a dtype, or is worth having at
// the baseline only.
struct FoldTable {
  FoldLoops loops[kFoldCount][kComputedCount];
};

ALICE_BY_LEVEL(const FoldTable&, fold_table, ())

}  // namespace alice
