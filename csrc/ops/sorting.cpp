// sort and argsort along an axis by the loops of sort_loops.h, and searchsorted. Lines are divided among threads.
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

// searchsorted: inputs a of shape (batch, N), sorted along its last axis, and v of shape (batch, …); attr right.
void searchsorted_infer(Call& call) {
  const Array &a = call.in[0], &v = call.in[1];
  bool fits = a.rank() > 0 && v.rank() >= a.rank() - 1;
  for (int axis = 0; fits && axis < a.rank() - 1; ++axis) fits = a.dim(axis) == v.dim(axis);
  if (!fits)
    fail(ErrorKind::Shape, "searchsorted: a must have one axis, or v all but the last axis of a in front; got a ",
         a.shape(), ", v ", v.shape());
  call.out[0] = Array::abstract(v.shape(), DType::Int64);
}

// Which of n items is the first one that is not before a value: less, or (right) not greater. By the halves that NumPy
// takes: what is not sorted gives the same.
template <bool kRight, class T>
std::int64_t place_of(std::int64_t n, const T* a, T value) {
  const bool nan = value != value;  // it comes after all numbers, and compares with none
  std::int64_t first = 0;
  for (std::int64_t half; n > 0;) {
    half = n / 2;
    const T item = a[first + half];
    const bool before = nan ? kRight || item == item : kRight ? item <= value : item < value;
    first = before ? first + half + 1 : first;
    n = before ? n - half - 1 : half;
  }
  return first;
}

template <class T>
bool is_sorted(std::int64_t n, const T* a) {
  bool sorted = true;
  for (std::int64_t i = 1; i < n; ++i) sorted &= (a[i - 1] <= a[i]) | (a[i] != a[i]);
  return sorted;
}

// The same of several values side by side, as each step of one waits for the step before. For sorted items, n > 0.
template <bool kRight, class T>
void places_together(std::int64_t n, const T* a, std::int64_t m, const T* values, std::int64_t* places) {
  constexpr std::int64_t kTogether = 16;
  const auto before = [](T item, T value) { return kRight ? item <= value : item < value; };
  for (std::int64_t i = 0; i < m; i += kTogether) {
    const std::int64_t count = std::min(kTogether, m - i);
    T value[kTogether] = {};
    std::int64_t first[kTogether] = {};
    std::copy_n(values + i, count, value);
    for (std::int64_t left = n, half; left > 1; left -= half) {
      half = left / 2;
      for (int j = 0; j < kTogether; ++j) first[j] += before(a[first[j] + half - 1], value[j]) ? half : 0;
    }
    for (int j = 0; j < count; ++j) {
      places[i + j] = first[j] + before(a[first[j]], value[j]);
      if (value[j] != value[j]) places[i + j] = place_of<kRight>(n, a, value[j]);
    }
  }
}

void searchsorted_run(const Call& call) {
  const Array a = as_contiguous(call.in[0]), v = as_contiguous(call.in[1]);
  const bool right = call.attrs[0].flag();
  const std::int64_t n = a.shape().back(), wanted = v.numel();
  if (wanted == 0) return;
  std::int64_t batches = 1;
  for (int axis = 0; axis < a.rank() - 1; ++axis) batches *= a.dim(axis);
  const std::int64_t each = wanted / batches;
  dispatch(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    bool together = n > 0 && a.numel() / 16 <= wanted;  // or it takes too long to look whether they are sorted
    for (std::int64_t batch = 0; together && batch < batches; ++batch) together = is_sorted(n, a.data<T>() + batch * n);
    parallel_chunks(wanted, kChunkItems / 8, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t next; begin < end; begin = next) {
        const T *items = a.data<T>() + begin / each * n, *values = v.data<T>();
        auto* out = call.out[0].data<std::int64_t>();
        next = std::min(end, (begin / each + 1) * each);
        if (together)
          (right ? places_together<true, T> : places_together<false, T>)(n, items, next - begin, values + begin,
                                                                         out + begin);
        else
          for (std::int64_t i = begin; i < next; ++i)
            out[i] = right ? place_of<true>(n, items, values[i]) : place_of<false>(n, items, values[i]);
      }
    });
  });
}

double sort_cost(const Call& call) { return 10.0 * static_cast<double>(call.in[0].numel()); }
double search_cost(const Call& call) { return 20.0 * static_cast<double>(call.in[1].numel()); }

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
  registry.add({.name = "searchsorted",
                .n_in = 2,
                .attributes = {{"right", AttrKind::Flag}},
                .inputs = Inputs::Promote,
                .infer = searchsorted_infer,
                .run = {searchsorted_run},
                .cost = search_cost,
                .infers_any_dtype = true,
                .orders = true});
}

}  // namespace alice
