// sort and argsort along an axis by the loops of sort_loops.h. Lines are divided among threads.
// Small: the loops that do the work are elsewhere.
#include <algorithm>

#include "../core/chunks.h"
#include "../core/scratch.h"
#include "axes.h"
#include "elementwise_loops.h"
#include "register.h"
#include "sort_loops.h"
#include "strided_copy.h"

namespace alice {
namespace {

Array with_axis_last(const Array& a, int axis) {
  Dims shape, strides;
  for (int turn = 0; turn < 2; ++turn)
    for (int i = 0; i < a.rank(); ++i)
      if ((i == axis) == (turn == 1)) shape.push_back(a.dim(i)), strides.push_back(a.strides()[i]);
  return Array::view(a, shape, strides, 0);
}

Array converted(const Array& a, DType dtype) {  // a is contiguous
  Array result = Array::empty(a.shape(), dtype);
  const void* in[] = {a.bytes()};
  cast_table().loops[static_cast<int>(a.dtype())][static_cast<int>(dtype)](a.numel(), result.bytes(), in, nullptr);
  return result;
}

// Calls f(loops, items, result, work) for every line along an axis, with room for the loops to work in. The result has
// the dtype of `out`, or of the items where those had to be made longer for there to be loops.
template <class F>
void for_lines(const Array& source, const Array& out, int axis, F&& f) {
  if (out.numel() == 0) return;
  const bool sorts_items = out.dtype() == source.dtype();
  const Array turned = with_axis_last(out, axis);
  Array x = as_contiguous(with_axis_last(source, axis));
  const bool is_short = itemsize(x.dtype()) == 1;
  if (is_short) x = converted(x, DType::Int32);
  const bool in_place = turned.is_contiguous() && !(is_short && sorts_items);
  const Array result = in_place ? turned : Array::empty(turned.shape(), sorts_items ? x.dtype() : out.dtype());
  const std::int64_t n = source.dim(axis), wanted = out.dim(axis), count = out.numel() / wanted;
  const std::int64_t in_bytes = n * static_cast<std::int64_t>(itemsize(x.dtype()));
  const std::int64_t out_bytes = wanted * static_cast<std::int64_t>(itemsize(result.dtype()));
  const SortLoops& loops = sort_loops()[static_cast<int>(x.dtype())];
  parallel_chunks(count, rows_per_chunk(n, kChunkItems / 8), [&](std::int64_t begin, std::int64_t end) {
    const Scratch<std::byte> work(sort_work(n));
    for (std::int64_t line = begin; line < end; ++line)
      f(loops, x.bytes() + line * in_bytes, result.bytes() + line * out_bytes, work.data());
  });
  if (!in_place) strided_copy(turned, result.dtype() == out.dtype() ? result : converted(result, out.dtype()));
}

int axis_of(const Call& call) { return wrap_axis(call.kernel.name, call.attrs[0].integer(), call.in[0].rank()); }

// sort: attrs axis, descending.
void sort_infer(Call& call) {
  axis_of(call);
  call.out[0] = call.in[0].shape_only();
}

void sort_run(const Call& call) {
  const Array& x = call.in[0];
  const int axis = axis_of(call);
  const bool descending = call.attrs[1].flag();
  for_lines(x, call.out[0], axis,
            [&](const SortLoops& loops, const std::byte* items, std::byte* sorted, std::byte* work) {
              loops.sort(x.dim(axis), items, sorted, descending, work);
            });
}

// argsort: attrs axis, descending, how many places of the sorted line are wanted (None: all).
void argsort_infer(Call& call) {
  const int axis = axis_of(call);
  Dims shape = call.in[0].shape();
  if (!call.attrs[2].is_none()) {
    const std::int64_t wanted = call.attrs[2].integer();
    if (wanted < 0 || wanted > shape[axis])
      fail(ErrorKind::Value, "topk: k must be from 0 to ", shape[axis], ", the size of axis ", axis, "; got ", wanted);
    shape[axis] = wanted;
  }
  call.out[0] = Array::abstract(shape, DType::Int64);
}

void argsort_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  const int axis = axis_of(call);
  const bool descending = call.attrs[1].flag();
  for_lines(x, out, axis, [&](const SortLoops& loops, const std::byte* items, std::byte* places, std::byte* work) {
    loops.order(x.dim(axis), out.dim(axis), items, reinterpret_cast<std::int64_t*>(places), descending, work);
  });
}

double sort_cost(const Call& call) { return 10.0 * static_cast<double>(call.in[0].numel()); }

}  // namespace

void register_sorting(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer}, descending{"descending", AttrKind::Flag};
  registry.add({.name = "sort",
                .n_in = 1,
                .attributes = {axis, descending},
                .infer = sort_infer,
                .run = {sort_run},
                .cost = sort_cost,
                .infers_any_dtype = true,
                .orders = true});
  registry.add({.name = "argsort",
                .n_in = 1,
                .attributes = {axis, descending, {"k", AttrKind::Integer | AttrKind::None}},
                .infer = argsort_infer,
                .run = {argsort_run},
                .cost = sort_cost,
                .infers_any_dtype = true,
                .orders = true});
}

}  // namespace alice
