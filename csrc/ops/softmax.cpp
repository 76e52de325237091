// Small: the loops over rows are in softmax_loops.cpp.
// softmax and log_softmax along one axis, their adjoints, and the adjoint of logsumexp along the last axis.
#include "axes.h"
#include "cross_entropy.h"
#include "prepared.h"
#include "register.h"
#include "rows.h"
#include "softmax_loops.h"

namespace alice {
namespace {

// What run needs: the loops, and which of them.
using Forward = void (*SoftmaxLoops::*)(std::int64_t, std::int64_t, const void*, void*);
using Backward = void (*SoftmaxLoops::*)(std::int64_t, std::int64_t, const void*, const void*, void*);
struct SoftmaxKernel {
  const SoftmaxLoops* loops[kComputedCount];
  Forward forward;
  Backward backward;
};

const SoftmaxKernel& impl(const Call& call) { return *static_cast<const SoftmaxKernel*>(call.kernel.impl); }

void infer_softmax(Call& call) {
  const Array& x = call.in[0];
  for (const Array& other : call.in)
    if (!(other.shape() == x.shape()))
      fail(ErrorKind::Shape, call.kernel.name, ": g and y must have one shape; got g ", x.shape(), ", y ",
           other.shape());
  wrap_axis(call.kernel.name, call.attrs[0].integer(), x.rank());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

class Softmax final : public Prepared {
 public:
  explicit Softmax(const Call& call)
      : kernel_(impl(call)),
        axis_(wrap_axis(call.kernel.name, call.attrs[0].integer(), call.in[0].rank())),
        folded_(Dims::filled(call.in[0].rank(), 0)),
        n_(call.in[0].dim(axis_)),
        dtype_(call.in[0].dtype()),
        in_place_(true),
        loops_(*kernel_.loops[static_cast<int>(dtype_)]) {
    rows_ = n_ == 0 ? 0 : call.in[0].numel() / n_;
    folded_[axis_] = 1;
    for (int i = axis_ + 1; i < call.in[0].rank(); ++i) in_place_ &= call.in[0].dim(i) == 1;
    for (const Array& a : call.in) in_place_ &= a.is_contiguous();
  }

  void run(const Call& call) const override {
    if (rows_ == 0) return;
    const Array &a = call.in[0], &b = call.in[kernel_.backward ? 1 : 0], &out = call.out[0];
    if (in_place_) return run_rows(a.bytes(), b.bytes(), out.bytes());
    const Array view = axes_last(out, folded_);
    const bool direct = view.is_contiguous();
    const Array y = direct ? view : Array::empty(view.shape(), view.dtype());
    const Array packed_a = as_contiguous(axes_last(a, folded_));
    const Array packed_b = kernel_.backward ? as_contiguous(axes_last(b, folded_)) : Array();
    run_rows(packed_a.bytes(), packed_b.bytes(), y.bytes());
    if (!direct) strided_copy(view, y);
  }

 private:
  void run_rows(const std::byte* a, const std::byte* b, std::byte* y) const {
    const std::int64_t row_bytes = n_ * static_cast<std::int64_t>(itemsize(dtype_));
    for_rows(rows_, n_, [&](std::int64_t first, std::int64_t rows) {
      const std::int64_t at = first * row_bytes;
      if (kernel_.backward) {
        (loops_.*kernel_.backward)(rows, n_, a + at, b + at, y + at);
      } else {
        (loops_.*kernel_.forward)(rows, n_, a + at, y + at);
      }
    });
  }

  const SoftmaxKernel& kernel_;
  int axis_;
  Dims folded_;  // that axis as a flag
  std::int64_t n_, rows_;
  DType dtype_;
  bool in_place_;  // the rows lie one after the other in every operand
  const SoftmaxLoops& loops_;
};

void infer_logsumexp_vjp(Call& call) {
  const Array &g = call.in[0], &x = call.in[1];
  Dims shape = x.shape();
  if (!shape.empty()) shape.pop_back();
  if (x.rank() == 0 || !(g.shape() == shape))
    fail(ErrorKind::Shape, "logsumexp_vjp: g must have the shape of x without its last axis; got g ", g.shape(), ", x ",
         x.shape());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

class LogsumexpVjp final : public Prepared {
 public:
  explicit LogsumexpVjp(const Call& call)
      : g_(call.in[0]),
        x_(call.in[1]),
        n_(call.in[1].shape().back()),
        rows_(n_ == 0 ? 0 : call.in[0].numel()),
        size_(static_cast<std::int64_t>(itemsize(call.in[1].dtype()))),
        loops_(*impl(call).loops[static_cast<int>(call.in[1].dtype())]) {}

  void run(const Call& call) const override {
    Array buffers[2];
    const Array &g = g_.of(call.in[0], buffers[0]), &x = x_.of(call.in[1], buffers[1]);
    for_rows(rows_, n_, [&](std::int64_t first, std::int64_t rows) {
      const std::int64_t row = first * size_;
      loops_.logsumexp_vjp(rows, n_, g.bytes() + row, x.bytes() + row * n_, call.out[0].bytes() + row * n_);
    });
  }

 private:
  RowMajor g_, x_;
  std::int64_t n_, rows_, size_;
  const SoftmaxLoops& loops_;
};

double softmax_cost(const Call& call) { return 0.75 * static_cast<double>(call.out[0].numel()); }

}  // namespace

void register_softmax(Registry& registry) {
  const SoftmaxLoops &f32 = softmax_loops(DType::Float32), &f64 = softmax_loops(DType::Float64);
  const auto kernel = [&](Forward forward, Backward backward) {
    auto* k = new SoftmaxKernel{{}, forward, backward};
    k->loops[static_cast<int>(DType::Float32)] = &f32;
    k->loops[static_cast<int>(DType::Float64)] = &f64;
    return k;
  };
  const auto add = [&](const char* name, Forward forward, Backward backward) {
    registry.add({.name = name,
                  .n_in = backward ? 2 : 1,
                  .attributes = {{"axis", AttrKind::Integer}},
                  .inputs = Inputs::Floating,
                  .infer = infer_softmax,
                  .run = {run_once<Softmax>},
                  .cost = softmax_cost,
                  .impl = kernel(forward, backward),
                  .prepare = prepare_call<Softmax>});
  };
  add("softmax", &SoftmaxLoops::softmax, nullptr);
  add("log_softmax", &SoftmaxLoops::log_softmax, nullptr);
  add("softmax_vjp", nullptr, &SoftmaxLoops::softmax_vjp);
  add("log_softmax_vjp", nullptr, &SoftmaxLoops::log_softmax_vjp);
  registry.add({.name = "logsumexp_vjp",
                .n_in = 2,
                .inputs = Inputs::Floating,
                .infer = infer_logsumexp_vjp,
                .run = {run_once<LogsumexpVjp>},
                .cost = softmax_cost,
                .impl = kernel(nullptr, nullptr),
                .prepare = prepare_call<LogsumexpVjp>});
  register_cross_entropy(registry, f32, f64);
}

}  // namespace alice
