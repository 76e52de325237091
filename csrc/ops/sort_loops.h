// Sorting one line.
//
// NaN comes after all numbers. -0 and 0 are equal and stay in their order, as all equal items do; where the items
// themselves are sorted, -0 comes before 0, as nobody can tell equal ones apart otherwise. So what comes out is one
// thing, whatever the algorithm of a level.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// Of lines of one dtype, items one after another, at least one. `work` is room for sort_work(n) bytes.
struct SortLoops {
  void (*sort)(std::int64_t n, const void* items, void* sorted, bool descending, void* work);
  // The places of the first `wanted` sorted items.
  void (*order)(std::int64_t n, std::int64_t wanted, const void* items, std::int64_t* places, bool descending,
                void* work);
};

// By dtype; null for dtypes of fewer than 4 bytes.
ALICE_BY_LEVEL(const SortLoops*, sort_loops, ())

inline constexpr std::int64_t kSortSlack = 64;  // whole vectors are read and written
constexpr std::int64_t sort_work(std::int64_t n) { return 4 * (8 * n + kSortSlack); }

}  // namespace alice
