// Small: what runs for each row is in the loops.
// extreme_vjp(g, y, x; axes, keepdims): the gradient of y = max(x) and y = min(x) over axes.
#include "extremes.h"

#include <numeric>

#include "../core/scratch.h"
#include "axes.h"
#include "extremes_loops.h"
#include "prepared.h"
#include "rows.h"

namespace alice {
namespace {

constexpr std::int64_t kFewColumns = 16;  // fewer are copied into rows

struct Loops {
  const ExtremeLoops *f32, *f64;
};

void infer_extreme_vjp(Call& call) {
  const Array &g = call.in[0], &y = call.in[1], &x = call.in[2];
  const Dims shape = reduced_shape(x.shape(), reduced_axes(call, x.rank()), call.attrs[1].flag());
  if (!(g.shape() == shape) || !(y.shape() == shape))
    fail(ErrorKind::Shape, call.kernel.name, ": g and y must have the shape of x without the reduced axes, ", shape,
         "; got g ", g.shape(), ", y ", y.shape());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

class ExtremeVjp final : public Prepared {
 public:
  explicit ExtremeVjp(const Call& call) : g_(call.in[0]), y_(call.in[1]), x_(call.in[2]), loops_(loops_of(call)) {
    const Array& x = call.in[2];
    reduced_ = reduced_axes(call, x.rank());
    size_ = static_cast<std::int64_t>(itemsize(x.dtype()));
    // As [outer][n][columns], if the reduced axes are neighbours.
    bool neighbours = true;
    for (int i = 0; i < x.rank(); ++i) {
      if (!reduced_[i] && n_ > 1) columns_ *= x.dim(i);
      if (reduced_[i] && x.dim(i) != 1 && columns_ > 1) neighbours = false;
      (reduced_[i] ? n_ : kept_) *= x.dim(i);
    }
    by_columns_ = neighbours && columns_ >= kFewColumns;
  }

  void run(const Call& call) const override {
    if (kept_ * n_ == 0) return;
    Array buffers[3];
    const Array &g = g_.of(call.in[0], buffers[0]), &y = y_.of(call.in[1], buffers[1]), &out = call.out[0];
    if (by_columns_) return run_columns(g.bytes(), y.bytes(), x_.of(call.in[2], buffers[2]).bytes(), out.bytes());
    const Array x = as_contiguous(axes_last(call.in[2], reduced_)), to = axes_last(out, reduced_);
    if (to.is_contiguous()) return run_rows(g.bytes(), y.bytes(), x.bytes(), to.bytes());
    const Array dx = Array::empty(to.shape(), to.dtype());
    run_rows(g.bytes(), y.bytes(), x.bytes(), dx.bytes());
    strided_copy(to, dx);
  }

 private:
  static const ExtremeLoops& loops_of(const Call& call) {
    const auto& loops = *static_cast<const Loops*>(call.kernel.impl);
    return call.in[2].dtype() == DType::Float32 ? *loops.f32 : *loops.f64;
  }

  void run_rows(const std::byte* g, const std::byte* y, const std::byte* x, std::byte* dx) const {
    if (n_ < 2 * kChunkItems) {
      for_rows(kept_, n_, [&](std::int64_t row, std::int64_t rows) {
        const std::int64_t at = row * n_ * size_;
        loops_.rows(rows, n_, g + row * size_, y + row * size_, x + at, dx + at);
      });
      return;
    }
    const std::int64_t parts = (n_ + kChunkItems - 1) / kChunkItems;
    const Scratch<std::int64_t> ties(parts);
    for (std::int64_t row = 0; row < kept_; ++row, g += size_, y += size_, x += n_ * size_, dx += n_ * size_) {
      const auto give = [&](std::int64_t all) {
        parallel_for(parts, [&](std::int64_t part) {
          const std::int64_t first = part * kChunkItems, at = first * size_;
          ties[part] = loops_.part(std::min(kChunkItems, n_ - first), g, all, y, x + at, dx + at);
        });
        return std::accumulate(ties.data(), ties.data() + parts, std::int64_t{0});
      };
      if (const std::int64_t all = give(1); all > 1) give(all);
    }
  }

  void run_columns(const std::byte* g, const std::byte* y, const std::byte* x, std::byte* dx) const {
    constexpr std::int64_t block = kExtremeColumns;
    const std::int64_t blocks = (columns_ + block - 1) / block, outer = kept_ / columns_;
    parallel_for(outer * blocks, [&](std::int64_t chunk) {
      const std::int64_t o = chunk / blocks, column = chunk % blocks * block;
      const std::int64_t of_g = (o * columns_ + column) * size_, of_x = (o * n_ * columns_ + column) * size_;
      loops_.columns(std::min(block, columns_ - column), n_, columns_, g + of_g, y + of_g, x + of_x, dx + of_x);
    });
  }

  RowMajor g_, y_, x_;
  const ExtremeLoops& loops_;
  Dims reduced_;
  std::int64_t size_, n_ = 1, kept_ = 1, columns_ = 1;
  bool by_columns_;
};

double cost(const Call& call) { return 0.3 * static_cast<double>(call.in[2].numel()); }

}  // namespace

void register_extremes(Registry& registry) {
  static const Loops loops{&extreme_loops(DType::Float32), &extreme_loops(DType::Float64)};
  registry.add({.name = "extreme_vjp",
                .n_in = 3,
                .attributes = kReductionAttributes,
                .inputs = Inputs::Floating,
                .infer = infer_extreme_vjp,
                .run = {run_once<ExtremeVjp>},
                .cost = cost,
                .impl = &loops,
                .prepare = prepare_call<ExtremeVjp>});
}

}  // namespace alice
