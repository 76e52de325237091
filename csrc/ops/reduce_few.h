// Reductions of few items that lie side by side with those of other results, as tapes have them: the folds of
// reduce_driver.h in the same order.
#pragma once

#include <cmath>

#include "../core/expansion.h"
#include "reduce_driver.h"

namespace alice {

class FewItems final : public Expansion {
 public:
  // Null where the items are too many. `keeps_axes`: the result has those that are reduced, but for leading ones.
  // `safe`, if there is one, is of the results that are below `smallest`, infinite or NaN: they are float64. The
  // reductions live longer. `adds`: it is a sum, which is made of operations on numbers where that pays.
  static std::unique_ptr<Expansion> of(const Call& call, const Dims& reduced, bool keeps_axes, double parameter,
                                       const Reduction& fast, const Reduction* safe, double smallest, bool adds);

  std::int32_t result(const std::int32_t* const* items, Operations& to) const override;
  void run(std::int64_t n, void* out, const void* const* items) const override;

 private:
  FewItems(const ReducePlan& plan, const Call& call, double parameter, const Reduction& fast, const Reduction* safe,
           double smallest);
  // Of sums whose terms are added one to the other: each is one item, or two of a block.
  std::int64_t terms_of_block() const { return by_rows_ ? rows_ : rows_ - rows_ / kFoldUnroll * (kFoldUnroll / 2); }
  bool adds_few(DType dtype) const;
  void fold(const FoldLoops& loops, std::int64_t first, std::int64_t count, const void* const* items,
            const ReduceTile& t) const;
  void reduce(const Reduction& r, std::int64_t first, std::int64_t count, const void* const* items, void* out) const;

  std::int64_t items_, rows_, itemsize_, out_size_;
  bool by_rows_, narrow_;
  double parameter_, smallest_;
  const Reduction& fast_;
  const Reduction* safe_;
};

// Whether a result of a fast reduction is what the safe one would give.
inline bool trusted(double y, double smallest) { return std::isfinite(y) & (y >= smallest); }

}  // namespace alice
