// Philox4x32-10: random numbers as a function of a key, a counter and an index, with no state of their own.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

#include "../core/isa.h"

namespace alice {

// Where a stream of numbers is: what the four counter words and the two key words are made of. Block b of the stream
// has the counter words (low b, high b, low draw, high draw).
struct PhiloxStream {
  std::uint64_t key, draw, first;  // `first` is added to b
};

// Lanes that lie side by side: blocks 16 g … 16 g + 15 make up group g, which holds their first words (or pairs of
// words, for results of 8 bytes), then their second ones, and so on.
inline constexpr std::int64_t kPhiloxLanes = 16;

// Writes items [begin, begin + n) to `out`; begin is a multiple of 4 · kPhiloxLanes.
using RandomLoop = void (*)(const PhiloxStream& stream, std::int64_t begin, std::int64_t n, void* out);

struct RandomLoops {
  RandomLoop bits;            // int64: two words, the first one low
  RandomLoop uniform;         // float32 in [0, 1): multiples of 2^-24, from the high bits of a word
  RandomLoop uniform_double;  // float64 in [0, 1): multiples of 2^-53, from two words
};

ALICE_BY_LEVEL(const RandomLoops&, random_loops, ())

}  // namespace alice
