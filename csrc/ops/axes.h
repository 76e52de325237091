// Checks of axes and extents that the shape and indexing kernels share.
#pragma once

#include <vector>

#include "../core/kernel.h"

namespace alice {

// 0 ≤ axis < rank; -1 is the last axis.
inline int wrap_axis(const char* op, std::int64_t axis, int rank) {
  if (rank == 0) fail(ErrorKind::Shape, op, ": a 0-d tensor has no axes; got axis ", axis);
  if (axis < -rank || axis >= rank)
    fail(ErrorKind::Shape, op, ": axis must be from ", -rank, " to ", rank - 1, "; got ", axis);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

// An attribute that names one axis or several, as flags per axis. Repeated axes are refused.
inline Dims axis_flags(const char* op, const Attr& axes, int rank) {
  Dims flags = Dims::filled(rank, 0);
  auto mark = [&](std::int64_t axis) {
    std::int64_t& flag = flags[wrap_axis(op, axis, rank)];
    if (flag) fail(ErrorKind::Shape, op, ": axes must differ; got axis ", axis, " twice");
    flag = 1;
  };
  if (axes.is(AttrKind::Integer)) {
    mark(axes.integer());
  } else {
    for (std::int64_t axis : axes.dims()) mark(axis);
  }
  return flags;
}

inline const std::vector<AttrSpec> kReductionAttributes = {{"axis", kOptionalAxes}, {"keepdims", AttrKind::Flag}};

// Of a reduction (x; axes or none, keepdims): the axes that it folds away, as flags, and the shape it leaves.
inline Dims reduced_axes(const Call& call, int rank) {
  const Attr& axes = call.attrs[0];
  return axes.is_none() ? Dims::filled(rank, 1) : axis_flags(call.kernel.name, axes, rank);
}
inline Dims reduced_shape(const Dims& shape, const Dims& reduced, bool keepdims) {
  Dims left;
  for (int i = 0; i < shape.size(); ++i) {
    if (!reduced[i])
      left.push_back(shape[i]);
    else if (keepdims)
      left.push_back(1);
  }
  return left;
}

}  // namespace alice
