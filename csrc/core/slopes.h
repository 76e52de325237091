// Functions that share most of their work with their slopes.
#pragma once

#include "kernel.h"

namespace alice {

// Values and slopes in one loop. The slopes may lie where x does.
using SlopeLoop = void (*)(std::int64_t n, void* values, void* slopes, const void* x);

// It has the bits of two: of `value`, and of `scale` where that scales ones by the slope (Scaling::BySlope).
struct SlopePair {
  Loop value, scale;
  SlopeLoop both;
};

void add_slope_pair(const SlopePair& pair);
SlopeLoop slope_loop(Loop value, Loop scale);  // null if there is no such loop

}  // namespace alice
