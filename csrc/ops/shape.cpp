// Kernels that move items or only look at them differently. The first half are views: infer() answers with
// an array on the same memory, and nothing runs. The second half copy, all through strided_copy.
#include <cmath>
#include <cstring>
#include <limits>

#include "../core/broadcast.h"
#include "../core/chunks.h"
#include "../core/in_place.h"
#include "axes.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

double view_cost(const Call&) { return 0; }

// ---------------------------------------------------------------------------------------------- views

// The shape asked for, its one -1 filled in.
Dims resolve_shape(const Dims& wish, const Dims& from) {
  Dims shape = wish;
  int open = -1;
  for (int axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] >= 0) continue;
    if (shape[axis] != -1 || open >= 0)
      fail(ErrorKind::Shape, "reshape: the shape may hold one -1 and no other negative entry; got ", wish);
    open = axis;
    shape[axis] = 1;
  }
  const std::int64_t items = checked_numel(from), known = checked_numel(shape);
  if (open >= 0) {
    if (known == 0 || items % known != 0)
      fail(ErrorKind::Shape, "reshape: no size for the -1 in ", wish, " gives the ", items, " items of shape ", from);
    shape[open] = items / known;
  } else if (items != known) {
    fail(ErrorKind::Shape, "reshape: shape ", wish, " must hold as many items as the input; got ", known, " for the ",
         items, " of shape ", from);
  }
  return shape;
}

// Strides that show the same items in the new shape without moving them; false if there are none.
bool reshaped_strides(const Array& a, const Dims& shape, Dims& strides) {
  strides = contiguous_strides(shape);
  if (a.numel() == 0 || a.is_contiguous()) return true;
  // Runs of old axes and runs of new axes that hold equally many items must each step evenly.
  int from = 0, to = 0;
  while (from < a.rank() && to < shape.size()) {
    std::int64_t old_items = a.dim(from), new_items = shape[to];
    int from_end = from + 1, to_end = to + 1;
    while (old_items != new_items) {
      if (old_items < new_items) {
        old_items *= a.dim(from_end++);
      } else {
        new_items *= shape[to_end++];
      }
    }
    int last = -1;  // the innermost axis of the run that is longer than 1
    for (int axis = from; axis < from_end; ++axis) {
      if (a.dim(axis) == 1) continue;
      if (last >= 0 && a.strides()[last] != a.dim(axis) * a.strides()[axis]) return false;
      last = axis;
    }
    std::int64_t step = last >= 0 ? a.strides()[last] : 1;
    for (int axis = to_end - 1; axis >= to; --axis) {
      strides[axis] = step;
      step *= shape[axis];
    }
    from = from_end;
    to = to_end;
  }
  for (; to < shape.size(); ++to) strides[to] = 1;  // trailing axes of size 1
  return true;
}

void reshape_infer(Call& call) {
  const Array& x = call.in[0];
  const Dims shape = resolve_shape(call.attrs[0].dims(), x.shape());
  Dims strides;
  const bool is_view = reshaped_strides(x, shape, strides);
  call.out[0] = is_view ? Array::view(x, shape, strides, 0) : Array::abstract(shape, x.dtype());
}

void reshape_run(const Call& call) {  // the items in row-major order, whatever the shape they get
  strided_copy(Array::view(call.out[0], call.in[0].shape(), contiguous_strides(call.in[0].shape()), 0), call.in[0]);
}

void identity_infer(Call& call) { call.out[0] = call.in[0]; }

void permute_dims_infer(Call& call) {
  const Array& x = call.in[0];
  const Dims& axes = call.attrs[0].dims();
  if (axes.size() != x.rank())
    fail(ErrorKind::Shape, "permute_dims: axes must name each of the ", x.rank(), " axes once; got ", axes);
  axis_flags("permute_dims", call.attrs[0], x.rank());
  Dims shape, strides;
  for (std::int64_t axis : axes) {
    const int from = wrap_axis("permute_dims", axis, x.rank());
    shape.push_back(x.dim(from));
    strides.push_back(x.strides()[from]);
  }
  call.out[0] = Array::view(x, shape, strides, 0);
}

void broadcast_to_infer(Call& call) {
  const Array& x = call.in[0];
  const Dims& shape = call.attrs[0].dims();
  Dims together = x.shape();
  if (!broadcast_into(together, shape) || !(together == shape))
    fail(ErrorKind::Shape, "broadcast_to: trailing dimensions must be equal, or 1 in the input; got ", x.shape(),
         " for ", shape);
  call.out[0] = broadcast_view(x, shape);
}

void expand_dims_infer(Call& call) {
  const Array& x = call.in[0];
  const int added = call.attrs[0].is(AttrKind::Integer) ? 1 : call.attrs[0].dims().size();
  const Dims is_new = axis_flags("expand_dims", call.attrs[0], x.rank() + added);
  Dims shape, strides;
  for (int axis = 0, from = 0; axis < is_new.size(); ++axis) {
    shape.push_back(is_new[axis] ? 1 : x.dim(from));
    strides.push_back(is_new[axis] ? 0 : x.strides()[from]);
    from += !is_new[axis];
  }
  call.out[0] = Array::view(x, shape, strides, 0);
}

void squeeze_infer(Call& call) {  // attrs: the axes, or None for all of size 1
  const Array& x = call.in[0];
  const bool all = call.attrs[0].is_none();
  const Dims drop = all ? Dims::filled(x.rank(), 0) : axis_flags("squeeze", call.attrs[0], x.rank());
  Dims shape, strides;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (drop[axis] && x.dim(axis) != 1)
      fail(ErrorKind::Shape, "squeeze: axis ", axis, " must have size 1; got shape ", x.shape());
    if (drop[axis] || (all && x.dim(axis) == 1)) continue;
    shape.push_back(x.dim(axis));
    strides.push_back(x.strides()[axis]);
  }
  call.out[0] = Array::view(x, shape, strides, 0);
}

void flip_infer(Call& call) {
  const Array& x = call.in[0];
  const Dims flipped = axis_flags("flip", call.attrs[0], x.rank());
  Dims strides = x.strides();
  std::int64_t offset = 0;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (!flipped[axis]) continue;
    if (x.numel() > 0) offset += (x.dim(axis) - 1) * strides[axis];
    strides[axis] = -strides[axis];
  }
  call.out[0] = Array::view(x, x.shape(), strides, offset);
}

// The diagonal of two axes of `shape` becomes the last axis: attrs offset, axis1, axis2.
Array diagonal_view(const char* op, const Array& x, std::span<const Attr> attrs) {
  if (x.rank() < 2) fail(ErrorKind::Shape, op, ": at least 2 dimensions are needed; got shape ", x.shape());
  const std::int64_t k = attrs[0].integer();
  const int row = wrap_axis(op, attrs[1].integer(), x.rank()), col = wrap_axis(op, attrs[2].integer(), x.rank());
  if (row == col) fail(ErrorKind::Shape, op, ": the two axes must differ; got ", attrs[1].integer(), " twice");
  Dims shape, strides;
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (axis == row || axis == col) continue;
    shape.push_back(x.dim(axis));
    strides.push_back(x.strides()[axis]);
  }
  // An offset beyond the matrix has an empty diagonal; clamping first keeps the arithmetic from overflowing.
  const std::int64_t down = std::clamp<std::int64_t>(-std::max(k, -x.dim(row)), 0, x.dim(row));
  const std::int64_t right = std::clamp<std::int64_t>(k, 0, x.dim(col));
  const std::int64_t size = std::min(x.dim(row) - down, x.dim(col) - right);
  shape.push_back(size);
  strides.push_back(x.strides()[row] + x.strides()[col]);
  const std::int64_t offset = size > 0 && x.numel() > 0 ? down * x.strides()[row] + right * x.strides()[col] : 0;
  return Array::view(x, shape, strides, offset);
}

void diagonal_infer(Call& call) { call.out[0] = diagonal_view("diagonal", call.in[0], call.attrs); }

// --------------------------------------------------------------------------------------------- copies

void like_infer(Call& call) { call.out[0] = call.in[0].shape_only(); }

void copy_run(const Call& call) { strided_copy(call.out[0], call.in[0]); }

// The adjoint of diagonal: zeros of shape attrs[0], with g on the diagonal that attrs[1..3] name.
void diagonal_vjp_infer(Call& call) {
  const Array& g = call.in[0];
  checked_numel(call.attrs[0].dims());
  const Array out = Array::abstract(call.attrs[0].dims(), g.dtype());
  const Array place = diagonal_view("diagonal_vjp", out, call.attrs.subspan(1));
  if (!(place.shape() == g.shape()))
    fail(ErrorKind::Shape, "diagonal_vjp: the diagonal of ", out.shape(), " has shape ", place.shape(), "; got ",
         g.shape());
  call.out[0] = out;
}

void diagonal_vjp_run(const Call& call) {
  zero_fill(call.out[0]);
  strided_copy(diagonal_view("diagonal_vjp", call.out[0], call.attrs.subspan(1)), call.in[0]);
}

std::int64_t integer_of(const Attr& a) { return a.is(AttrKind::Flag) ? a.flag() : a.integer(); }
std::int64_t integer_of(double x) {  // an integer below 2^64, as its bits
  return x < 0x1p63 ? static_cast<std::int64_t>(x) : static_cast<std::int64_t>(static_cast<std::uint64_t>(x));
}

// attrs: items before and after, per axis; the value they get.
void pad_infer(Call& call) {
  const Array& x = call.in[0];
  const Dims &before = call.attrs[0].dims(), &after = call.attrs[1].dims();
  if (before.size() != x.rank() || after.size() != x.rank())
    fail(ErrorKind::Shape, "pad: widths must be given for each of the ", x.rank(), " axes; got ", before,
         " before and ", after, " after");
  Dims shape = x.shape();
  for (int axis = 0; axis < x.rank(); ++axis) {
    if (before[axis] < 0 || after[axis] < 0)
      fail(ErrorKind::Shape, "pad: widths must not be negative; got ", before, " before and ", after,
           " after; slice to cut items off");
    checked_numel({before[axis]});  // so that the sum cannot overflow
    checked_numel({after[axis]});
    shape[axis] += before[axis] + after[axis];
  }
  const Attr& wish = call.attrs[2];
  const bool fits = wish.is(AttrKind::Real) ? holds(x.dtype(), wish.real()) : holds(x.dtype(), integer_of(wish));
  if (!fits && !is_floating(x.dtype()))
    fail(ErrorKind::Value, "pad: the value must be a number of dtype ", name(x.dtype()), "; got ", wish,
         "; convert x with x.astype(ac.float32), or round the value");
  call.out[0] = Array::abstract(shape, x.dtype());
}

void pad_run(const Call& call) {
  const Array &x = call.in[0], &out = call.out[0];
  const Dims &before = call.attrs[0].dims(), &after = call.attrs[1].dims();
  // Axis by axis the two slabs before and after, within what the axes so far left over: every item of the
  // border is written once, and the middle remains.
  Dims box = out.shape();
  std::int64_t offset = 0;
  alignas(8) std::byte value[8];
  const Attr& wish = call.attrs[2];
  const bool real = wish.is(AttrKind::Real);
  if (is_floating(x.dtype()))
    write_real(real ? wish.real() : static_cast<double>(integer_of(wish)), x.dtype(), value);
  else
    write_integer(real ? integer_of(wish.real()) : integer_of(wish), x.dtype(), value);
  for (int axis = 0; axis < out.rank(); ++axis) {
    const std::int64_t step = out.strides()[axis];
    Dims slab = box;
    slab[axis] = before[axis];
    strided_fill(Array::view(out, slab, out.strides(), offset), value);
    slab[axis] = after[axis];
    strided_fill(Array::view(out, slab, out.strides(), offset + (before[axis] + x.dim(axis)) * step), value);
    offset += before[axis] * step;
    box[axis] = x.dim(axis);
  }
  const Array middle = Array::view(out, x.shape(), out.strides(), offset);
  if (middle.bytes() != x.bytes()) strided_copy(middle, x);
}

std::int64_t pad_piece(const Call& call, std::size_t) {
  const Array &x = call.in[0], &out = call.out[0];
  std::int64_t offset = 0;
  for (int axis = 0; axis < out.rank(); ++axis) offset += call.attrs[0].dims()[axis] * out.strides()[axis];
  return offset_of_piece(x.shape(), out.strides(), offset, out.dtype());
}

void triangle_infer(Call& call) {
  const Array& x = call.in[0];
  if (x.rank() < 2)
    fail(ErrorKind::Shape, call.kernel.name, ": at least 2 dimensions are needed; got shape ", x.shape());
  call.out[0] = x.shape_only();
}

// Copies all, then clears what lies above the diagonal `k`, or below it, in each row.
template <bool kLower>
void triangle_run(const Call& call) {
  const Array& out = call.out[0];
  strided_copy(out, call.in[0]);
  const std::int64_t rows = out.dim(out.rank() - 2), cols = out.dim(out.rank() - 1);
  const std::int64_t k = std::clamp(call.attrs[0].integer(), -rows - 1, cols + 1);
  const std::size_t item = itemsize(out.dtype());
  const std::int64_t total = out.numel() == 0 ? 0 : out.numel() / cols;
  parallel_chunks(total, rows_per_chunk(cols, kLightChunkItems), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      // Kept: columns up to row + k, or from row + k on.
      const std::int64_t edge = std::clamp<std::int64_t>(i % rows + k + (kLower ? 1 : 0), 0, cols);
      std::byte* row = out.bytes() + static_cast<std::size_t>(i * cols) * item;
      if constexpr (kLower) {
        std::memset(row + static_cast<std::size_t>(edge) * item, 0, static_cast<std::size_t>(cols - edge) * item);
      } else {
        std::memset(row, 0, static_cast<std::size_t>(edge) * item);
      }
    }
  });
}

}  // namespace

void register_shape(Registry& registry) {
  using Attrs = std::vector<AttrSpec>;
  const auto ints = [](const char* name) { return AttrSpec{name, AttrKind::Dims}; };
  const auto integer = [](const char* name) { return AttrSpec{name, AttrKind::Integer}; };
  const auto view = [](const char* name, Attrs attributes, void (*infer)(Call&)) {
    return Kernel{.name = name,
                  .n_in = 1,
                  .attributes = std::move(attributes),
                  .infer = infer,
                  .cost = view_cost,
                  .any_dtype = true};
  };
  const auto copy = [](const char* name, Attrs attributes, void (*infer)(Call&), void (*run)(const Call&)) {
    return Kernel{.name = name,
                  .n_in = 1,
                  .attributes = std::move(attributes),
                  .infer = infer,
                  .run = {run},
                  .cost = streaming_cost,
                  .moves = true,
                  .any_dtype = true};
  };
  const AttrSpec offset = integer("offset"), axis1 = integer("axis1"), axis2 = integer("axis2"), k = integer("k");
  const AttrSpec shape = ints("shape");
  registry.add(view("identity", {}, identity_infer));
  registry.add(view("stop_gradient", {}, identity_infer));
  Kernel remat = view("remat", {}, identity_infer);
  remat.renames = true;
  registry.add(remat);
  registry.add(view("permute_dims", {ints("axes")}, permute_dims_infer));
  registry.add(view("broadcast_to", {shape}, broadcast_to_infer));
  registry.add(view("expand_dims", {{"axis", kAxes}}, expand_dims_infer));
  registry.add(view("squeeze", {{"axis", kOptionalAxes}}, squeeze_infer));
  registry.add(view("flip", {{"axis", kAxes}}, flip_infer));
  registry.add(view("diagonal", {offset, axis1, axis2}, diagonal_infer));
  registry.add(copy("reshape", {shape}, reshape_infer, reshape_run));
  Kernel plain = copy("copy", {}, like_infer, copy_run);
  plain.copies = true;
  registry.add(plain);
  plain.name = "constant_copy";  // in one step: another thread may change the operand between two
  registry.add(plain);
  registry.add(copy("diagonal_vjp", {shape, offset, axis1, axis2}, diagonal_vjp_infer, diagonal_vjp_run));
  const AttrSpec value{"value", AttrKind::Integer | AttrKind::Real | AttrKind::Flag};
  Kernel pad = copy("pad", {ints("before"), ints("after"), value}, pad_infer, pad_run);
  pad.moves = false;  // gives other numbers than zeros, too
  pad.piece = pad_piece;
  registry.add(pad);
  registry.add(copy("tril", {k}, triangle_infer, triangle_run<true>));
  registry.add(copy("triu", {k}, triangle_infer, triangle_run<false>));
}

}  // namespace alice
