// Folds an array over some of its axes, in parallel, in an order that depends on shape and axes alone.
#pragma once

#include "../core/array.h"
#include "reduce_loops.h"

namespace alice {

// One or two folds and what surrounds them. In every function `items` is how many items each result takes in.
struct Reduction {
  const FoldLoops* first;
  const FoldLoops* second;  // null for a single fold, else it reads the numbers c that `center` derives
  void (*center)(std::int64_t count, const void* a, const void* b, std::int64_t items, double* c);
  // Writes out[0 … count) of the result's dtype.
  void (*finish)(std::int64_t count, const void* a, const void* b, const double* c, std::int64_t items,
                 double parameter, void* out);
};

// `reduced` flags the axes of `x` that are folded away. `out` is contiguous and has one item per result.
void reduce(const Reduction& reduction, const Array& x, const Dims& reduced, double parameter, const Array& out);

}  // namespace alice
