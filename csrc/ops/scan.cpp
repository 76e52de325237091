// cumsum: running sums along one axis, forwards or backwards (its own adjoint, turned round).
// prod_vjp: along the last axis, the product of all items but one, which stays right where items are zero.
// Hot: every element runs through here.
#include "scan.h"

#include <algorithm>
#include <cmath>

#include "../core/chunks.h"
#include "axes.h"
#include "math_bits.h"
#include "strided_copy.h"

namespace alice {
namespace {

constexpr std::int64_t kTile = 256;      // neighbouring lines walked side by side
constexpr std::int64_t kContiguous = 8;  // lines that are contiguous themselves

// Running sums of `count` lines at once, which begin `line` apart; items of a line lie `step` apart (negative to walk
// backwards). Side by side, because every addition waits for the one before it in its line.
// float32 is carried in float64, float64 with the rounding errors of all additions (two-sum): each step is as
// good as a sum of its own.
template <class T, class Out>
[[gnu::always_inline]] inline void scan_lines(std::int64_t count, std::int64_t line, std::int64_t n, std::int64_t step,
                                              const T* __restrict x, Out* __restrict y) {
  using Sum = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
  Sum high[kTile], low[kTile];
  std::fill_n(high, count, Sum(0));
  std::fill_n(low, count, Sum(0));
  for (std::int64_t k = 0; k < n; ++k, x += step, y += step) {
    for (std::int64_t i = 0; i < count; ++i) {
      if constexpr (std::is_same_v<T, double>) {
        const ALICE_ISA::Pair sum = ALICE_ISA::two_sum(high[i], x[i * line]);
        low[i] += sum.lo;
        high[i] = sum.hi;
        y[i * line] = std::isfinite(sum.hi) ? sum.hi + low[i] : sum.hi;
      } else if constexpr (std::is_floating_point_v<T>) {
        high[i] += x[i * line];
        y[i * line] = static_cast<Out>(high[i]);
      } else {
        high[i] += static_cast<Sum>(static_cast<std::int64_t>(x[i * line]));
        y[i * line] = static_cast<Out>(high[i]);
      }
    }
  }
}

// An array as [outer][n][inner], in row-major order.
struct Lines {
  std::int64_t outer = 1, n = 1, inner = 1;
  Lines(const Dims& shape, int axis) : n(shape[axis]) {
    for (int i = 0; i < axis; ++i) outer *= shape[i];
    for (int i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  }
};

void infer_cumsum(Call& call) {
  const Array& x = call.in[0];
  wrap_axis("cumsum", call.attrs[0].integer(), x.rank());
  call.out[0] = Array::abstract(x.shape(), is_floating(x.dtype()) ? x.dtype() : widest(x.dtype()));
}

void run_cumsum(const Call& call) {
  const Array x = as_contiguous(call.in[0]);
  const Array& out = call.out[0];
  if (out.numel() == 0) return;
  const Lines lines(x.shape(), wrap_axis("cumsum", call.attrs[0].integer(), x.rank()));
  const bool backwards = call.attrs[1].flag();
  // A tile is a run of inner lines, or of outer ones where each line is contiguous.
  const bool contiguous = lines.inner == 1;
  const std::int64_t across = contiguous ? lines.outer : lines.inner, width = contiguous ? kContiguous : kTile;
  const std::int64_t tiles = (across + width - 1) / width, total = contiguous ? tiles : lines.outer * tiles;
  const std::int64_t group = rows_per_chunk(lines.n * std::min(across, width), kLightChunkItems);
  const std::int64_t start = backwards ? (lines.n - 1) * lines.inner : 0, step = backwards ? -lines.inner : lines.inner;
  dispatch(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    using Out = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    const T* from = x.data<T>() + start;
    Out* to = out.data<Out>() + start;
    parallel_chunks(total, group, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t first = i % tiles * width, count = std::min(width, across - first);
        const std::int64_t at = contiguous ? first * lines.n : i / tiles * lines.n * lines.inner + first;
        if (!contiguous) {
          scan_lines(count, 1, lines.n, step, from + at, to + at);
        } else if (count == kContiguous) {
          scan_lines(kContiguous, lines.n, lines.n, step, from + at, to + at);
        } else {
          scan_lines(count, lines.n, lines.n, step, from + at, to + at);
        }
      }
    });
  });
}

// out[k] = g Π_{j ≠ k} x[j]: products from the left, then times those from the right.
template <class T>
void products_but_one(std::int64_t n, double g, const T* x, double* left, T* out) {
  double product = g;
  for (std::int64_t k = 0; k < n; ++k) left[k] = product, product *= x[k];
  product = 1;
  for (std::int64_t k = n - 1; k >= 0; --k) {
    out[k] = g == 0 ? T(0) : static_cast<T>(left[k] * product);
    product *= x[k];
  }
}

void infer_prod_vjp(Call& call) {
  const Array &g = call.in[0], &x = call.in[1];
  Dims shape = x.shape();
  if (shape.empty()) fail(ErrorKind::Shape, "prod_vjp: x must have at least one axis; got a 0-d tensor");
  shape.pop_back();
  if (!(g.shape() == shape))
    fail(ErrorKind::Shape, "prod_vjp: g must have the shape of x without its last axis; got g ", g.shape(), ", x ",
         x.shape());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void run_prod_vjp(const Call& call) {
  const Array g = as_contiguous(call.in[0]), x = as_contiguous(call.in[1]);
  const std::int64_t n = x.shape().back(), lines = g.numel();
  if (x.numel() == 0) return;
  const std::int64_t group = rows_per_chunk(n, kLightChunkItems), chunks = (lines + group - 1) / group;
  const Array scratch = Array::empty({chunks, n}, DType::Float64);
  dispatch_floating(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    parallel_for(chunks, [&](std::int64_t chunk) {
      for (std::int64_t i = chunk * group; i < std::min(lines, (chunk + 1) * group); ++i)
        products_but_one(n, static_cast<double>(g.data<T>()[i]), x.data<T>() + i * n,
                         scratch.data<double>() + chunk * n, call.out[0].data<T>() + i * n);
    });
  });
}

}  // namespace

void register_scan(Registry& registry) {
  registry.add({.name = "cumsum",
                .n_in = 1,
                .attributes = {{"axis", AttrKind::Integer}, {"backwards", AttrKind::Flag}},
                .infer = infer_cumsum,
                .run = {run_cumsum},
                .cost = streaming_cost,
                .infers_any_dtype = true});
  registry.add({.name = "prod_vjp",
                .n_in = 2,
                .inputs = Inputs::Floating,
                .infer = infer_prod_vjp,
                .run = {run_prod_vjp},
                .cost = streaming_cost});
}

}  // namespace alice
