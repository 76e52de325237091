// What reading and writing at integer indices share: which items of an array a call means, checked before anything is
// read or written.
#pragma once

#include "../core/walk.h"
#include "axes.h"
#include "indices.h"

namespace alice {

using Arrays = std::span<const Array>;

void require_indices(const char* op, Arrays indices);

// Indices as dtypes have them that are computed in.
Array computed_indices(const Array& index);

// Calls f(i, item) for every item in row-major order.
template <class T, class F>
void visit(const Array& a, F&& f) {
  const std::int64_t n = a.numel();
  const T* data = a.data<T>();
  if (a.is_contiguous()) {
    for (std::int64_t i = 0; i < n; ++i) f(i, read_once(data + i));
    return;
  }
  const Walk<1> walk = walk_of(a);
  Walk<1>::Cursor at(walk, walk.rank(), 0);
  for (std::int64_t i = 0; i < n; ++i, at.next()) f(i, read_once(data + at.offset()));
}

// The indices as contiguous int64 from 0 to size - 1, times `step`: -1 is the last item.
Array wrapped_indices(const char* op, const Array& index, int axis, std::int64_t size, std::int64_t step = 1);

struct GatherPlan {
  Dims axes;          // the indexed axes of x, wrapped, one per index array
  Dims index_shape;   // of all index arrays broadcast together
  Dims outer, inner;  // the other axes of x, before and after the index dimensions in the result
  Dims result;        // shape of the result
};

GatherPlan plan_gather(const char* op, const Dims& x, Arrays indices, const Dims& axes, std::int64_t out_axis);

// Where in `x` the items lie: an offset per outer position, plus one per index, plus one per inner position.
struct Places {
  Array outer, index, inner;
  std::int64_t n_outer, n_index, n_inner;
  bool inner_is_run;  // the inner positions are neighbours in memory, and need no table
};

Places gather_places(const char* op, const GatherPlan& plan, const Array& x, Arrays indices);

// Of a gradient kernel: g is floating and has the shape of the result that it belongs to.
void require_cotangent(const Call& call, const Dims& shape);

}  // namespace alice
