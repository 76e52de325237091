// Indices as they come, made into places.
#pragma once

#include <cstdint>

#include "../core/dtype.h"
#include "../core/isa.h"

namespace alice {

// n indices of an integer dtype, each read once, as places from 0 to size - 1: -1 is the last one. Returns whether all
// are inside; what is not is written as it comes out.
ALICE_BY_LEVEL(bool, wrap_indices,
               (DType dtype, std::int64_t n, const void* indices, std::int64_t size, std::int64_t* places))

}  // namespace alice
