// Loops over contiguous rows of `n` items that bring each row to mean 0 and mean square 1, and their adjoint.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// Numbers that are kept of each row: its mean in two parts, so that subtracting it loses nothing, and the factor
// 1 / sqrt(mean square of what is left + eps).
inline constexpr std::int64_t kRowStats = 3;

// For one dtype T; every pointer to void is to T. Rows that are not `centred` keep their mean.
struct NormaliseLoops {
  // y = x̂ w + b with x̂ = (x - mean) factor; b may be null.
  void (*forward)(std::int64_t rows, std::int64_t n, bool centred, double eps, const void* x, const void* w,
                  const void* b, void* y, void* stats);
  // dx; and Σ g x̂ and Σ g over the rows, added to dw and (unless null) db. `scratch` has room for 2 n items.
  void (*backward)(std::int64_t rows, std::int64_t n, bool centred, const void* g, const void* x, const void* w,
                   const void* stats, void* scratch, void* dx, double* dw, double* db);
};

ALICE_BY_LEVEL(const NormaliseLoops&, normalise_loops, (DType))

}  // namespace alice
