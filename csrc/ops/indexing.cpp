// Reading at integer indices. (Writing is in scatter.cpp.)
//
// gather is NumPy's advanced indexing without the slices: integer arrays broadcast together pick items along
// as many axes, and their common shape stands in the result where `out_axis` says. take is the same for one axis.
// All indices are checked before anything is written. The adjoint of take_along_axis adds to each place in the order
// of the indices, on one thread per place: repeated indices give the same bits for any number of threads.
#include <cstring>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "gather_plan.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

template <class T>
void gather_items(const Places& at, const T* x, std::int64_t items, T* out) {
  const auto *outer = at.outer.data<std::int64_t>(), *index = at.index.data<std::int64_t>();
  const auto* inner = at.inner.data<std::int64_t>();
  const std::int64_t n = at.n_inner, rows = at.n_outer * at.n_index;
  // Rows lie anywhere in memory, where the hardware does not look for them: they are asked for so many ahead, into L2,
  // unless all of x may be there.
  constexpr std::int64_t kAhead = 2, kLine = 64 / sizeof(T), kMost = 8192 / sizeof(T), kNear = (1 << 20) / sizeof(T);
  const std::int64_t asked = items > kNear ? std::min(n, kMost) : 0;
  if (rows == 0 || n == 0) return;
  parallel_chunks(rows, rows_per_chunk(n), [&](std::int64_t begin, std::int64_t end) {
    std::int64_t o = begin / at.n_index, k = begin % at.n_index;
    if (n == 1) {
      for (std::int64_t row = begin; row < end; ++o, k = 0) {
        const std::int64_t* places = index + k;
        const std::int64_t count = std::min(at.n_index - k, end - row);
        for (std::int64_t i = 0; i < count; ++i) out[row + i] = x[outer[o] + places[i]];
        row += count;
      }
      return;
    }
    for (std::int64_t row = begin; row < end; ++row) {
      const T* src = x + outer[o] + index[k];
      T* dst = out + row * n;
      if (at.inner_is_run) {
        if (k + kAhead < at.n_index && row + kAhead < end) {
          const T* next = x + outer[o] + index[k + kAhead];
          for (std::int64_t i = 0; i < asked; i += kLine) __builtin_prefetch(next + i, 0, 2);
        }
        std::memcpy(dst, src, static_cast<std::size_t>(n) * sizeof(T));
      } else {
        for (std::int64_t i = 0; i < n; ++i) dst[i] = src[inner[i]];
      }
      if (++k == at.n_index) k = 0, ++o;
    }
  });
}

// take: attrs axis. gather: attrs axes, out_axis.
GatherPlan plan_forward(const Call& call) {
  const Array& x = call.in[0];
  const char* op = call.kernel.name;
  if (call.attrs.size() == 1) {
    const int axis = wrap_axis(op, call.attrs[0].integer(), x.rank());
    return plan_gather(op, x.shape(), call.in.subspan(1), {axis}, axis);
  }
  return plan_gather(op, x.shape(), call.in.subspan(1), call.attrs[0].dims(), call.attrs[1].integer());
}

void gather_infer(Call& call) { call.out[0] = Array::abstract(plan_forward(call).result, call.in[0].dtype()); }

void gather_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  const Places at = gather_places(call.kernel.name, plan_forward(call), x, call.in.subspan(1));
  dispatch_size(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    gather_items(at, x.data<T>(), x.numel(), out.data<T>());
  });
}

// ------------------------------------------------------------------------------------ take_along_axis

// Inputs x (or g) and indices; the indices broadcast along all axes but one. Returns that axis.
int check_along_axis(const char* op, const Dims& x, const Array& index, std::int64_t axis_wish) {
  require_indices(op, {&index, 1});
  const int axis = wrap_axis(op, axis_wish, x.size());
  bool fits = index.rank() == x.size();
  for (int d = 0; fits && d < x.size(); ++d) fits = d == axis || index.dim(d) == 1 || index.dim(d) == x[d];
  if (!fits)
    fail(ErrorKind::Shape, op, ": indices must have x's shape, or 1, on every axis but ", axis, "; got x ", x,
         ", indices ", index.shape());
  return axis;
}

Dims along_axis_shape(const Dims& x, const Array& index, int axis) {
  Dims shape = x;
  shape[axis] = index.dim(axis);
  return shape;
}

void take_along_axis_infer(Call& call) {
  const Array& x = call.in[0];
  const int axis = check_along_axis("take_along_axis", x.shape(), call.in[1], call.attrs[0].integer());
  call.out[0] = Array::abstract(along_axis_shape(x.shape(), call.in[1], axis), x.dtype());
}

// Calls f(i, x_row, index, step, n) for rows of the result along its last axis, i being the row's first item: item j
// of the row pairs with x[x_row + j * step + index[j] * stride of axis].
class RowWalk {
 public:
  // Of `x` items are chosen along `axis`; `index` is broadcast to the result's shape.
  RowWalk(const Array& x, const Array& index, int axis)
      : index_(index), n_(index.shape().back()), step_(index.rank() - 1 == axis ? 0 : x.strides().back()) {
    for (int d = 0; d < index.rank() - 1; ++d)
      walk_.add(index.dim(d), {d == axis ? 0 : x.strides()[d], index.strides()[d]});
  }

  template <class F>
  void rows(std::int64_t begin, std::int64_t end, F&& f) const {
    Walk<2>::Cursor at(walk_, walk_.rank(), begin);
    for (std::int64_t row = begin; row < end; ++row, at.next())
      f(row * n_, at.offset(0), index_.data<std::int64_t>() + at.offset(1), step_, n_);
  }

 private:
  const Array& index_;
  Walk<2> walk_;
  std::int64_t n_, step_;
};

void take_along_axis_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  const int axis = wrap_axis("take_along_axis", call.attrs[0].integer(), x.rank());
  const Array index = broadcast_view(wrapped_indices("take_along_axis", call.in[1], axis, x.dim(axis)), out.shape());
  if (out.numel() == 0) return;
  const RowWalk walk(x, index, axis);
  const std::int64_t rows = out.numel() / index.dim(index.rank() - 1);
  const std::int64_t index_step = index.strides()[index.rank() - 1], pick = x.strides()[axis];
  dispatch_size(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    parallel_chunks(rows, rows_per_chunk(index.shape().back()), [&](std::int64_t begin, std::int64_t end) {
      walk.rows(begin, end,
                [&](std::int64_t i, std::int64_t x_row, const std::int64_t* at, std::int64_t step, std::int64_t n) {
                  const T* src = x.data<T>() + x_row;
                  for (std::int64_t j = 0; j < n; ++j) out.data<T>()[i + j] = src[j * step + at[j * index_step] * pick];
                });
    });
  });
}

// inputs g, indices; attrs shape of x, axis.
void take_along_axis_vjp_infer(Call& call) {
  const Dims& shape = call.attrs[0].dims();
  checked_numel(shape);
  const int axis = check_along_axis("take_along_axis_vjp", shape, call.in[1], call.attrs[1].integer());
  require_cotangent(call, along_axis_shape(shape, call.in[1], axis));
  call.out[0] = Array::abstract(shape, call.in[0].dtype());
}

void take_along_axis_vjp_run(const Call& call) {
  const Array& out = call.out[0];
  const int axis = wrap_axis("take_along_axis_vjp", call.attrs[1].integer(), out.rank());
  const Array g = as_contiguous(call.in[0]);
  const Array index =
      broadcast_view(wrapped_indices("take_along_axis_vjp", call.in[1], axis, out.dim(axis)), g.shape());
  zero_fill(out);
  if (g.numel() == 0) return;
  const RowWalk walk(out, index, axis);
  const int last = index.rank() - 1;
  const std::int64_t rows = g.numel() / index.dim(last);
  // The rows of one first index share no place with those of another, unless the first axis is the chosen one.
  const std::int64_t blocks = axis == 0 || last == 0 ? 1 : index.dim(0), block_rows = rows / blocks;
  const std::int64_t index_step = index.strides()[last], pick = out.strides()[axis];
  dispatch_floating(g.dtype(), [&](auto tag) {
    using T = decltype(tag);
    parallel_chunks(blocks, rows_per_chunk(block_rows * index.dim(last)), [&](std::int64_t begin, std::int64_t end) {
      walk.rows(begin * block_rows, end * block_rows,
                [&](std::int64_t i, std::int64_t x_row, const std::int64_t* at, std::int64_t step, std::int64_t n) {
                  T* dst = out.data<T>() + x_row;
                  for (std::int64_t j = 0; j < n; ++j) dst[j * step + at[j * index_step] * pick] += g.data<T>()[i + j];
                });
    });
  });
}

// -------------------------------------------------------------------------------------------- one_hot

// attrs: number of classes, dtype.
void one_hot_infer(Call& call) {
  require_indices("one_hot", call.in.first(1));
  const std::int64_t classes = call.attrs[0].integer();
  if (classes < 1) fail(ErrorKind::Value, "one_hot: num_classes must be at least 1; got ", classes);
  Dims shape = call.in[0].shape();
  shape.push_back(classes);
  call.out[0] = Array::abstract(shape, call.attrs[1].dtype());
}

void one_hot_run(const Call& call) {
  const Array &out = call.out[0], places = Array::empty(call.in[0].shape(), DType::Int64);
  const std::int64_t classes = call.attrs[0].integer(), n = places.numel();
  auto* place = places.data<std::int64_t>();
  const Array labels = computed_indices(call.in[0]);
  dispatch_index(labels.dtype(), [&](auto tag) {
    visit<decltype(tag)>(labels, [&](std::int64_t i, std::int64_t label) {
      if (label < 0 || label >= classes)  // a label does not wrap: -1 is a mistake here
        fail(ErrorKind::Index, "one_hot: labels must be from 0 to ", classes - 1, "; got ", label);
      place[i] = i * classes + label;
    });
  });
  zero_fill(out);
  const std::size_t item = itemsize(out.dtype());
  alignas(8) std::byte one[8];
  is_floating(out.dtype()) ? write_real(1, out.dtype(), one) : write_integer(1, out.dtype(), one);
  for (std::int64_t i = 0; i < n; ++i) std::memcpy(out.bytes() + static_cast<std::size_t>(place[i]) * item, one, item);
}

double indexing_cost(const Call& call) {  // the items read or added one by one, and the result
  double items = 0.25 * static_cast<double>(call.out[0].numel());
  for (const Array& index : call.in.subspan(1)) items += static_cast<double>(index.numel());
  return items + static_cast<double>(std::min(call.in[0].numel(), call.out[0].numel()));
}

}  // namespace

void register_indexing(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer}, shape{"shape", AttrKind::Dims}, axes{"axes", AttrKind::Dims},
      out_axis{"out_axis", AttrKind::Integer};
  const auto add = [&](const char* name, int n_in, std::vector<AttrSpec> attributes, void (*infer)(Call&),
                       void (*run)(const Call&), bool adds = false) {
    registry.add({.name = name,
                  .n_in = n_in,
                  .attributes = std::move(attributes),
                  .infer = infer,
                  .run = {run},
                  .cost = indexing_cost,
                  .any_dtype = !adds,
                  .indices = adds ? 1 : -1});
  };
  add("take", 2, {axis}, gather_infer, gather_run);
  add("gather", -1, {axes, out_axis}, gather_infer, gather_run);
  add("take_along_axis", 2, {axis}, take_along_axis_infer, take_along_axis_run);
  add("take_along_axis_vjp", 2, {shape, axis}, take_along_axis_vjp_infer, take_along_axis_vjp_run, true);
  add("one_hot", 1, {{"num_classes", AttrKind::Integer}, {"dtype", AttrKind::DType}}, one_hot_infer, one_hot_run);
}

}  // namespace alice
