// The table of elementwise kernels: one row per kernel, one contiguous loop per element type.
//
// The driver (elementwise.cpp) and compiled programs call these loops tile by tile. What an element becomes depends on
// its operands alone: not on its place in the array, nor on n, nor on the thread.
#pragma once

#include <cstddef>
#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"
#include "../core/kernel.h"
#include "../core/slopes.h"

namespace alice {

enum class ElementwiseResult : std::uint8_t { Same, Bool };  // the dtype of the result: the last operand's, or bool

// Rows that give the bits of another where its last operand is a certain number, without that operand.
struct RowAt;
struct RowsAt {
  const RowAt* rows = nullptr;
  int count = 0;
};

// A loop for operands of which some, a bit of each in `operands`, are one element for all: in[k] of those points to it.
struct HeldLoop {
  unsigned operands = 0;
  Loop loops[kComputedCount] = {};
};

// What rows have beyond loops.
struct ElementwiseTraits {
  const char* params[2] = {};          // names of the real attributes, which the loop gets as they are
  RowsAt at = {};                      // for some numbers
  double neutral = __builtin_nan("");  // Kernel::neutral; NaN for none
  HeldLoop held[2] = {};               // where there are such loops
  Scaling scaling = Scaling::None;     // Kernel::scaling
  bool signless = false;               // integers of one size give the same bits, with a sign or without
};

struct ElementwiseRow {
  const char* name;
  int n_in;
  Inputs inputs;
  ElementwiseResult result;
  float cost;                  // nanoseconds per element on one thread
  Loop loops[kComputedCount];  // by the dtype of the last operand; null where the kernel does not take the dtype
  ElementwiseTraits traits = {};
};

struct RowAt {
  double number;
  ElementwiseRow row;
};

struct ElementwiseTable {
  const ElementwiseRow* rows;
  int count;
};

// Pairs of cheap loops, for which reading and writing what lies between them is half of the work.
struct PairTable {
  const LoopPair* pairs;
  int count;
};

// Functions that share most of their work with their slopes.
struct SlopeTable {
  const SlopePair* pairs;
  int count;
};

// A cast from one dtype to another, [from][to], and to float32 on the way to a shorter one, which must not round twice.
struct CastTable {
  Loop loops[kComputedCount][kComputedCount];
  Loop odd[kComputedCount];
  Conversion float16, bfloat16;
};

ALICE_BY_LEVEL(ElementwiseTable, arithmetic_table, ())
ALICE_BY_LEVEL(PairTable, arithmetic_pairs, ())
ALICE_BY_LEVEL(SlopeTable, activation_slopes, ())
ALICE_BY_LEVEL(ElementwiseTable, comparison_table, ())
ALICE_BY_LEVEL(ElementwiseTable, transcendental_table, ())
ALICE_BY_LEVEL(ElementwiseTable, derivative_table, ())
ALICE_BY_LEVEL(ElementwiseTable, activation_table, ())
ALICE_BY_LEVEL(const CastTable&, cast_table, ())

// n copies of an element of 1, 2, 4 or 8 bytes.
ALICE_BY_LEVEL(void, fill, (std::int64_t item, const void* from, std::int64_t n, void* to))
// The same for rows of `row` copies each, whose elements are `step` bytes apart: n copies in all, of the first row
// those from number `within` on. Writes whole vectors, and whole rows of them: up to a row and kFillSlack bytes more.
inline constexpr std::int64_t kFillSlack = 64;
ALICE_BY_LEVEL(void, fill_rows,
               (std::int64_t item, const std::byte* from, std::int64_t step, std::int64_t row, std::int64_t within,
                std::int64_t n, void* to))

}  // namespace alice
