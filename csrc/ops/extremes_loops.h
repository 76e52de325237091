// Loops of the gradient of max and min: of the items equal to the extreme y, each gets g over how many they are.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// For one dtype T; every pointer to void is to T. An extreme has fewer than 2^31 items in one call.
struct ExtremeLoops {
  // Contiguous rows of n items, one g and one y for each.
  void (*rows)(std::int64_t rows, std::int64_t n, const void* g, const void* y, const void* x, void* dx);
  // Part of a row that has `ties` items equal to y. Returns how many there are in this part.
  std::int64_t (*part)(std::int64_t n, const void* g, std::int64_t ties, const void* y, const void* x, void* dx);
  // Columns of n items, `stride` apart, one g and one y for each; at most kExtremeColumns.
  void (*columns)(std::int64_t columns, std::int64_t n, std::int64_t stride, const void* g, const void* y,
                  const void* x, void* dx);
};
inline constexpr std::int64_t kExtremeColumns = 512;

ALICE_BY_LEVEL(const ExtremeLoops&, extreme_loops, (DType))

}  // namespace alice
