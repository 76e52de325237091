// Folds an array over some of its axes, in parallel, in an order that depends on shape and axes alone.
#pragma once

#include "../core/array.h"
#include "../core/kernel.h"
#include "reduce_loops.h"
#include "reduce_plan.h"

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

// A reduction of arrays of one description. `reduced` flags the axes of `x` that are folded away; `out` is contiguous
// and has one item per result. Refers to the Reduction, which lives longer.
class Reducer {
 public:
  Reducer(const Reduction& reduction, const Array& x, const Dims& reduced, double parameter);

  void run(const Array& x, const Array& out) const;

  // The same with the items of x written out on demand, for a contiguous x and a single fold.
  bool takes_feed() const { return contiguous_ && !reduction_.second; }
  void run_fed(const Feed& feed, const Array& out) const;

 private:
  struct Source;
  class Pass;
  void fold(const Source& source, const Array& out) const;
  void fold_tiles(const Source& source, const Array& out) const;
  void fold_parts(const Source& source, const Array& out) const;

  const Reduction& reduction_;
  bool contiguous_, readable_;
  ReducePlan plan_;
  std::int64_t itemsize_;
  double parameter_;
};

}  // namespace alice
