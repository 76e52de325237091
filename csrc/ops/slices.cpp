// Small: once for a call.
// Slices: an array's box as a view, its adjoint, and arrays that are written or added to a box.
#include <cstdlib>
#include <cstring>

#include "../core/chunks.h"
#include "../core/in_place.h"
#include "../core/walk.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

double view_cost(const Call&) { return 0; }

// A box of an array of shape `shape` and strides `strides`: along each axis `sizes` items from `starts` on,
// `steps` apart. Everything is checked, so that no offset leaves the memory.
struct Slice {
  Dims strides;
  std::int64_t offset = 0;
};

Slice slice_strides(const char* op, const Dims& shape, const Dims& strides, const Dims& starts, const Dims& sizes,
                    const Dims& steps) {
  const int rank = shape.size();
  if (starts.size() != rank || sizes.size() != rank || steps.size() != rank)
    fail(ErrorKind::Shape, op, ": starts, sizes and steps must have one entry per axis of ", shape, "; got ", starts,
         ", ", sizes, ", ", steps);
  Slice slice{strides, 0};
  for (int axis = 0; axis < rank; ++axis) {
    const std::int64_t n = shape[axis], start = starts[axis], size = sizes[axis], step = steps[axis];
    if (size == 0) continue;
    // The last item is start + (size - 1) * step, a product that must not overflow.
    bool fits = size > 0 && start >= 0 && start < n;
    if (fits && size > 1) {
      const std::int64_t room = step > 0 ? n - 1 - start : start;
      fits = step != 0 && step >= -n && step <= n && size - 1 <= room / std::abs(step);
    }
    if (!fits)
      fail(ErrorKind::Index, op, ": items ", start, ", ", start, " + ", step, ", … (", size, " of them) leave axis ",
           axis, " with size ", n);
    slice.offset += start * strides[axis];
    if (size > 1) slice.strides[axis] *= step;
  }
  for (std::int64_t size : sizes)
    if (size == 0) slice.offset = 0;
  return slice;
}

// Strides for `shape`, which is the box's shape with axes of size 1 dropped or added anywhere.
Dims respace(const char* op, const Dims& box, const Dims& box_strides, const Dims& shape) {
  Dims strides = Dims::filled(shape.size(), 0);
  int from = 0;
  auto skip = [&] {
    while (from < box.size() && box[from] == 1) ++from;
  };
  for (int axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 1) continue;
    skip();
    if (from == box.size() || box[from] != shape[axis])
      fail(ErrorKind::Shape, op, ": shape must be ", box, " up to axes of size 1; got ", shape);
    strides[axis] = box_strides[from++];
  }
  skip();
  if (from != box.size()) fail(ErrorKind::Shape, op, ": shape must be ", box, " up to axes of size 1; got ", shape);
  return strides;
}

// The box of x that starts, sizes and steps name, one per axis, seen with a shape: sizes, up to axes of size 1.
Slice box_of(const char* op, const Array& x, std::span<const Attr> box, const Dims& shape) {
  const Dims& sizes = box[1].dims();
  const Slice slice = slice_strides(op, x.shape(), x.strides(), box[0].dims(), sizes, box[2].dims());
  return {respace(op, sizes, slice.strides, shape), slice.offset};
}
Array view_of_box(const char* op, const Array& x, std::span<const Attr> box, const Dims& shape) {
  const Slice slice = box_of(op, x, box, shape);
  return Array::view(x, shape, slice.strides, slice.offset);
}

// attrs: starts, sizes, steps; shape of the result.
void slice_infer(Call& call) {
  call.out[0] = view_of_box("slice", call.in[0], call.attrs.first(3), call.attrs[3].dims());
}

// The adjoint of slice: zeros of shape attrs[0], with g at the place that slice(starts, sizes, steps) shows.
void slice_vjp_infer(Call& call) {
  const Array& g = call.in[0];
  const Dims& shape = call.attrs[0].dims();
  checked_numel(shape);
  call.out[0] = Array::abstract(shape, g.dtype());
  box_of("slice_vjp", call.out[0], call.attrs.subspan(1), g.shape());
}

void slice_vjp_run(const Call& call) {
  const Array &g = call.in[0], &out = call.out[0];
  const Array box = view_of_box("slice_vjp", out, call.attrs.subspan(1), g.shape());
  const auto bytes = [](const Array& a) { return a.numel() * static_cast<std::int64_t>(itemsize(a.dtype())); };
  if (g.numel() > 0 && box.bytes() == g.bytes()) {  // it is there, in one piece
    std::byte* const end = box.bytes() + bytes(g);
    std::memset(out.bytes(), 0, static_cast<std::size_t>(box.bytes() - out.bytes()));
    std::memset(end, 0, static_cast<std::size_t>(out.bytes() + bytes(out) - end));
    return;
  }
  if (g.numel() != out.numel()) zero_fill(out);
  strided_copy(box, g);
}

std::int64_t slice_vjp_piece(const Call& call, std::size_t) {
  const Array &g = call.in[0], &out = call.out[0];
  const Slice box = box_of("slice_vjp", out, call.attrs.subspan(1), g.shape());
  return offset_of_piece(g.shape(), box.strides, box.offset, out.dtype());
}

// x, with v at the place that slice(starts, sizes, steps) shows.
void slice_set_infer(Call& call) {
  const Array &x = call.in[0], &v = call.in[1];
  box_of("slice_set", x, call.attrs, v.shape());
  if (x.dtype() != v.dtype())
    fail(ErrorKind::DType, "slice_set: v must have the dtype of x; got x ", name(x.dtype()), ", v ", name(v.dtype()));
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void slice_set_run(const Call& call) {
  const Array &x = call.in[0], &v = call.in[1], &out = call.out[0];
  if (v.numel() != out.numel() && !same_layout(out, x)) strided_copy(out, x);
  strided_copy(view_of_box("slice_set", out, call.attrs, v.shape()), v);
}

// x + slice_vjp(g), for an x that has no -0 where that has its zeros: nothing is done there. The attributes are those
// of slice_vjp.
class PreparedSliceAdd final : public Prepared {
 public:
  explicit PreparedSliceAdd(const Call& call) {
    const Array& g = call.in[1];
    const Slice box = box_of("slice_add", call.out[0], call.attrs.subspan(1), g.shape());
    offset_ = box.offset;
    for (int axis = 0; axis < g.rank(); ++axis) walk_.add(g.dim(axis), {box.strides[axis], g.strides()[axis]});
  }

  void run(const Call& call) const override {
    const Array &x = call.in[0], &g = call.in[1], &out = call.out[0];
    if (x.bytes() != out.bytes()) strided_copy(out, x);
    dispatch_floating(g.dtype(), [&](auto tag) {
      using T = decltype(tag);
      strided_add(walk_, g.data<T>(), out.data<T>() + offset_);
    });
  }

 private:
  Walk<2> walk_;  // the box and g
  std::int64_t offset_;
};

void slice_add_infer(Call& call) {
  const Array& x = call.in[0];
  Array placed[1];
  Call adjoint{call.kernel, call.in.subspan(1), placed, call.attrs};
  slice_vjp_infer(adjoint);
  if (!(placed[0].shape() == x.shape()) || placed[0].dtype() != x.dtype() || !is_floating(x.dtype()))
    fail(ErrorKind::Shape, "slice_add: x must be a float32 or float64 array of shape ", call.attrs[0].dims(), "; got ",
         x.shape(), " ", name(x.dtype()));
  call.out[0] = x.shape_only();
}

std::unique_ptr<Prepared> slice_add_prepare(const Call& call) { return std::make_unique<PreparedSliceAdd>(call); }
void slice_add_run(const Call& call) { PreparedSliceAdd(call).run(call); }
double slice_add_flops(const Call& call) { return static_cast<double>(call.in[1].numel()); }
double slice_add_cost(const Call& call) { return 0.5 * slice_add_flops(call); }

// Two boxes of one array, by the attributes of slice_vjp: do their ranges along some axis lie apart?
bool slices_apart(std::span<const Attr> a, std::span<const Attr> b) {
  struct Range {
    std::int64_t first, last;
  };
  const auto range = [](std::span<const Attr> attrs, int axis) {
    const std::int64_t start = attrs[1].dims()[axis];
    const std::int64_t end = start + (attrs[2].dims()[axis] - 1) * attrs[3].dims()[axis];
    return Range{std::min(start, end), std::max(start, end)};
  };
  for (int axis = 0; axis < a[0].dims().size(); ++axis) {
    const Range x = range(a, axis), y = range(b, axis);
    if (x.last < y.first || y.last < x.first) return true;
  }
  return false;
}

}  // namespace

void register_slices(Registry& registry) {
  const auto ints = [](const char* name) { return AttrSpec{name, AttrKind::Dims}; };
  const AttrSpec starts = ints("starts"), sizes = ints("sizes"), steps = ints("steps"), shape = ints("shape");
  registry.add({.name = "slice",
                .n_in = 1,
                .attributes = {starts, sizes, steps, shape},
                .infer = slice_infer,
                .cost = view_cost,
                .any_dtype = true});
  const Kernel& placed = registry.add({.name = "slice_vjp",
                                       .n_in = 1,
                                       .attributes = {shape, starts, sizes, steps},
                                       .infer = slice_vjp_infer,
                                       .run = {slice_vjp_run},
                                       .cost = streaming_cost,
                                       .moves = true,
                                       .piece = slice_vjp_piece,
                                       .any_dtype = true});
  registry.add({.name = "slice_set",
                .n_in = 2,
                .attributes = {starts, sizes, steps},
                .infer = slice_set_infer,
                .run = {slice_set_run},
                .cost = streaming_cost,
                .moves = true,
                .overwriting = 0,
                .any_dtype = true});
  const Kernel& added = registry.add({.name = "slice_add",
                                      .n_in = 2,
                                      .attributes = {shape, starts, sizes, steps},
                                      .infer = slice_add_infer,
                                      .run = {slice_add_run},
                                      .cost = slice_add_cost,
                                      .prepare = slice_add_prepare,
                                      .flops = slice_add_flops,
                                      .overwriting = 0});
  registry.add(PlacedSum{&placed, &added, slices_apart});
}

}  // namespace alice
