// Small: once for a call.
#include "gather_plan.h"

#include <algorithm>

#include "../core/broadcast.h"
#include "index_loops.h"
#include "strided_copy.h"

namespace alice {

Array computed_indices(const Array& index) {
  const DType dtype = index.dtype();
  if (!for_storage(dtype)) return index;
  const Array plain = as_contiguous(index), wide = Array::empty(index.shape(), arithmetic(dtype));
  const Convert widen = conversion(dtype).widen;
  if (widen) {
    widen(plain.numel(), plain.bytes(), wide.bytes());
    return wide;
  }
  // No axis has 2^63 items, but from the end a negative index would find one.
  std::transform(plain.data<std::uint64_t>(), plain.data<std::uint64_t>() + plain.numel(), wide.data<std::int64_t>(),
                 [](std::uint64_t i) { return static_cast<std::int64_t>(std::min<std::uint64_t>(i, INT64_MAX)); });
  return wide;
}

void require_indices(const char* op, Arrays indices) {
  for (const Array& index : indices)
    if (!is_integer(index.dtype()))
      fail(ErrorKind::DType, op, ": indices must be integers; got dtype ", name(index.dtype()));
}

namespace {

[[noreturn]] void out_of_range(const char* op, std::int64_t index, int axis, std::int64_t size) {
  fail(ErrorKind::Index, op, ": index ", index, " is out of range for axis ", axis, " with size ", size);
}

}  // namespace

Array wrapped_indices(const char* op, const Array& index, int axis, std::int64_t size, std::int64_t step) {
  const Array plain = computed_indices(as_contiguous(index));
  Array wrapped = Array::empty(index.shape(), DType::Int64);
  auto* out = wrapped.data<std::int64_t>();
  const std::int64_t n = wrapped.numel();
  if (!wrap_indices(plain.dtype(), n, plain.bytes(), size, out)) {
    const std::int64_t place = *std::find_if(out, out + n, [=](std::int64_t at) { return at < 0 || at >= size; });
    out_of_range(op, place < 0 ? place - size : place, axis, size);
  }
  if (step != 1)
    for (std::int64_t i = 0; i < n; ++i) out[i] *= step;
  return wrapped;
}

GatherPlan plan_gather(const char* op, const Dims& x, Arrays indices, const Dims& axes, std::int64_t out_axis) {
  GatherPlan plan;
  require_indices(op, indices);
  if (static_cast<std::size_t>(axes.size()) != indices.size())
    fail(ErrorKind::Shape, op, ": one axis per index array is needed; got axes ", axes, " for ", indices.size(),
         " index arrays");
  const Dims indexed = axis_flags(op, Attr(axes), x.size());
  for (std::int64_t axis : axes) plan.axes.push_back(wrap_axis(op, axis, x.size()));
  for (const Array& index : indices)
    if (!broadcast_into(plan.index_shape, index.shape()))
      fail(ErrorKind::Shape, op, ": index arrays must broadcast together; got shapes ", indices[0].shape(), " and ",
           index.shape());
  const int others = x.size() - axes.size();
  if (out_axis < 0 || out_axis > others)
    fail(ErrorKind::Shape, op, ": out_axis must be from 0 to ", others, "; got ", out_axis);
  for (int axis = 0; axis < x.size(); ++axis)
    if (!indexed[axis]) (plan.outer.size() < out_axis ? plan.outer : plan.inner).push_back(axis);
  for (std::int64_t axis : plan.outer) plan.result.push_back(x[static_cast<int>(axis)]);
  for (std::int64_t n : plan.index_shape) plan.result.push_back(n);
  for (std::int64_t axis : plan.inner) plan.result.push_back(x[static_cast<int>(axis)]);
  return plan;
}

namespace {

// The offsets of all items of a few axes, in row-major order.
Array offset_table(const Dims& axes, const Array& x) {
  Walk<1> walk;
  for (std::int64_t axis : axes) walk.add(x.dim(static_cast<int>(axis)), {x.strides()[static_cast<int>(axis)]});
  const std::int64_t items = walk.size(), n = walk.row(), step = walk.row_step();
  Array table = Array::empty({items}, DType::Int64);
  auto* out = table.data<std::int64_t>();
  Walk<1>::Cursor row(walk, std::max(walk.rank() - 1, 0), 0);
  for (std::int64_t i = 0; i < items; i += n, row.next())
    for (std::int64_t j = 0; j < n; ++j) out[i + j] = row.offset() + j * step;
  return table;
}

}  // namespace

Places gather_places(const char* op, const GatherPlan& plan, const Array& x, Arrays indices) {
  Places at;
  at.n_index = checked_numel(plan.index_shape);
  // Indices that broadcast away against an empty array are never used; NumPy does not check them either.
  for (std::size_t j = 0; j < indices.size() && at.n_index > 0; ++j) {
    const int axis = static_cast<int>(plan.axes[static_cast<int>(j)]);
    const Array offsets = wrapped_indices(op, indices[j], axis, x.dim(axis), x.strides()[axis]);
    if (j == 0) {
      at.index = as_contiguous(broadcast_view(offsets, plan.index_shape));
      continue;
    }
    visit<std::int64_t>(
        broadcast_view(offsets, plan.index_shape),
        [sum = at.index.data<std::int64_t>()](std::int64_t i, std::int64_t offset) { sum[i] += offset; });
  }
  at.inner_is_run = true;
  at.n_inner = 1;
  for (int i = plan.inner.size() - 1; i >= 0; --i) {
    const auto axis = static_cast<int>(plan.inner[i]);
    at.inner_is_run = at.inner_is_run && (x.dim(axis) == 1 || x.strides()[axis] == at.n_inner);
    at.n_inner *= x.dim(axis);
  }
  if (!at.inner_is_run) at.inner = offset_table(plan.inner, x);
  at.outer = offset_table(plan.outer, x);
  at.n_outer = at.outer.numel();
  return at;
}

void require_cotangent(const Call& call, const Dims& shape) {
  const Array& g = call.in[0];
  if (!is_floating(g.dtype())) fail(ErrorKind::DType, call.kernel.name, ": g must be floating; got ", name(g.dtype()));
  if (!(g.shape() == shape))
    fail(ErrorKind::Shape, call.kernel.name, ": g must have shape ", shape, "; got ", g.shape());
}

}  // namespace alice
