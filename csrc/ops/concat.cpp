// Small: once for a call; what is long is copied elsewhere.
// Arrays one behind the other along an axis.
#include "../core/chunks.h"
#include "axes.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

void concat_infer(Call& call) {
  const Array& first = call.in[0];
  const int axis = wrap_axis("concat", call.attrs[0].integer(), first.rank());
  Dims shape = first.shape();
  for (std::size_t i = 1; i < call.in.size(); ++i) {
    const Dims& other = call.in[i].shape();
    if (call.in[i].dtype() != first.dtype())
      fail(ErrorKind::DType, "concat: inputs must have one dtype; got ", name(first.dtype()), " and, as input ", i,
           ", ", name(call.in[i].dtype()), "; cast with astype");
    bool fits = other.size() == shape.size();
    for (int d = 0; fits && d < shape.size(); ++d) fits = d == axis || other[d] == shape[d];
    if (!fits)
      fail(ErrorKind::Shape, "concat: shapes must be equal except along axis ", axis, "; got ", first.shape(),
           " and, as input ", i, ", ", other);
    shape[axis] += other[axis];
    checked_numel(shape);
  }
  call.out[0] = Array::abstract(shape, first.dtype());
}

void concat_run(const Call& call) {
  const Array& out = call.out[0];
  const int axis = wrap_axis("concat", call.attrs[0].integer(), out.rank());
  if (out.numel() == 0) return;
  // All parts, but only at the indices [begin, end) of the first axis, unless they follow each other along it.
  const auto copy = [&](std::int64_t begin, std::int64_t end) {
    std::int64_t at = 0;
    for (const Array& part : call.in) {
      if (part.numel() == 0) continue;
      Dims shape = part.shape();
      if (axis > 0) shape[0] = end - begin;
      const Array to = Array::view(out, shape, out.strides(), begin * out.strides()[0] + at * out.strides()[axis]);
      const Array from = Array::view(part, shape, part.strides(), begin * part.strides()[0]);
      if (to.bytes() != from.bytes()) strided_copy(to, from);
      at += part.dim(axis);
    }
  };
  // Parts narrower than a cache line would each go through all of the result's.
  constexpr std::int64_t kBlockBytes = 16 << 10;
  const std::int64_t rows = out.dim(0),
                     row_bytes = out.numel() / rows * static_cast<std::int64_t>(itemsize(out.dtype()));
  if (axis == 0 || row_bytes > kBlockBytes) return copy(0, rows);
  const std::int64_t block = rows_per_chunk(row_bytes, kBlockBytes);
  parallel_chunks(rows, rows_per_chunk(row_bytes, kChunkBytes), [&](std::int64_t begin, std::int64_t end) {
    for (; begin < end; begin += block) copy(begin, std::min(end, begin + block));
  });
}

std::int64_t concat_piece(const Call& call, std::size_t operand) {
  const Array& out = call.out[0];
  const int axis = wrap_axis("concat", call.attrs[0].integer(), out.rank());
  std::int64_t before = 0;
  for (const Array& part : call.in.first(operand)) before += part.dim(axis);
  return offset_of_piece(call.in[operand].shape(), out.strides(), before * out.strides()[axis], out.dtype());
}

}  // namespace

void register_concat(Registry& registry) {
  registry.add(Kernel{.name = "concat",
                      .n_in = -1,
                      .attributes = {AttrSpec{"axis", AttrKind::Integer}},
                      .inputs = Inputs::Promote,
                      .infer = concat_infer,
                      .run = {concat_run},
                      .cost = streaming_cost,
                      .moves = true,
                      .piece = concat_piece,
                      .any_dtype = true});
}

}  // namespace alice
