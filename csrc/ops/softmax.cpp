// softmax and log_softmax along one axis, their adjoints, and the adjoint of logsumexp along the last axis.
#include <algorithm>

#include "../core/thread_pool.h"
#include "axes.h"
#include "cross_entropy.h"
#include "register.h"
#include "softmax_loops.h"
#include "strided_copy.h"

namespace alice {
namespace {

constexpr std::int64_t kChunk = 1 << 15;  // items per chunk of parallel work

// What run needs: the loops, and which of them.
using Forward = void (*SoftmaxLoops::*)(std::int64_t, std::int64_t, const void*, void*);
using Backward = void (*SoftmaxLoops::*)(std::int64_t, std::int64_t, const void*, const void*, void*);
struct SoftmaxKernel {
  const SoftmaxLoops* loops[kDTypeCount];
  Forward forward;
  Backward backward;
};

const SoftmaxKernel& impl(const Call& call) { return *static_cast<const SoftmaxKernel*>(call.kernel.impl); }

// The same memory with `axis` moved to the end.
Array axis_last(const Array& a, int axis) {
  Dims shape, strides;
  for (int i = 0; i < a.rank(); ++i) {
    if (i == axis) continue;
    shape.push_back(a.dim(i)), strides.push_back(a.strides()[i]);
  }
  shape.push_back(a.dim(axis)), strides.push_back(a.strides()[axis]);
  return Array::view(a, shape, strides, 0);
}

// Calls body(first row, rows) in parallel.
template <class Body>
void for_rows(std::int64_t rows, std::int64_t n, Body body) {
  const std::int64_t group = std::max<std::int64_t>(1, kChunk / std::max<std::int64_t>(1, n));
  parallel_for((rows + group - 1) / group,
               [&](std::int64_t chunk) { body(chunk * group, std::min(group, rows - chunk * group)); });
}

void infer_softmax(Call& call) {
  const Array& x = call.in[0];
  for (const Array& other : call.in)
    if (!(other.shape() == x.shape()))
      fail(ErrorKind::Shape, call.kernel.name, ": g and y must have one shape; got g ", x.shape(), ", y ",
           other.shape());
  wrap_axis(call.kernel.name, call.attrs[0].integer(), x.rank());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void run_softmax(const Call& call) {
  const SoftmaxKernel& kernel = impl(call);
  const Array& out = call.out[0];
  if (out.numel() == 0) return;
  const int axis = wrap_axis(call.kernel.name, call.attrs[0].integer(), out.rank());
  const Array view = axis_last(out, axis);
  const bool direct = view.is_contiguous();
  const Array y = direct ? view : Array::empty(view.shape(), view.dtype());
  const Array a = as_contiguous(axis_last(call.in[0], axis));
  const Array b = kernel.backward ? as_contiguous(axis_last(call.in[1], axis)) : Array();
  const SoftmaxLoops& loops = *kernel.loops[static_cast<int>(out.dtype())];
  const std::int64_t n = y.shape().back(), row_bytes = n * static_cast<std::int64_t>(itemsize(y.dtype()));
  for_rows(y.numel() / n, n, [&](std::int64_t first, std::int64_t rows) {
    const std::int64_t at = first * row_bytes;
    if (kernel.backward) {
      (loops.*kernel.backward)(rows, n, a.bytes() + at, b.bytes() + at, y.bytes() + at);
    } else {
      (loops.*kernel.forward)(rows, n, a.bytes() + at, y.bytes() + at);
    }
  });
  if (!direct) strided_copy(view, y);
}

void infer_logsumexp_vjp(Call& call) {
  const Array &g = call.in[0], &x = call.in[1];
  Dims shape = x.shape();
  if (!shape.empty()) shape.pop_back();
  if (x.rank() == 0 || !(g.shape() == shape))
    fail(ErrorKind::Shape, "logsumexp_vjp: g must have the shape of x without its last axis; got g ", g.shape(), ", x ",
         x.shape());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void run_logsumexp_vjp(const Call& call) {
  const Array g = as_contiguous(call.in[0]), x = as_contiguous(call.in[1]);
  if (x.numel() == 0) return;
  const SoftmaxLoops& loops = *impl(call).loops[static_cast<int>(x.dtype())];
  const std::int64_t n = x.shape().back(), size = static_cast<std::int64_t>(itemsize(x.dtype()));
  for_rows(g.numel(), n, [&](std::int64_t first, std::int64_t rows) {
    const std::int64_t row = first * size;
    loops.logsumexp_vjp(rows, n, g.bytes() + row, x.bytes() + row * n, call.out[0].bytes() + row * n);
  });
}

double softmax_cost(const Call& call) { return 0.75 * static_cast<double>(call.out[0].numel()); }

const SoftmaxLoops& loops_for([[maybe_unused]] Isa isa, DType t) {
#if defined(__x86_64__)
  if (isa == Isa::Avx512) return avx512::softmax_loops(t);
  if (isa == Isa::Avx2) return avx2::softmax_loops(t);
#endif
  return baseline::softmax_loops(t);
}

}  // namespace

void register_softmax(Registry& registry, Isa isa) {
  const SoftmaxLoops &f32 = loops_for(isa, DType::Float32), &f64 = loops_for(isa, DType::Float64);
  const auto kernel = [&](Forward forward, Backward backward) {
    auto* k = new SoftmaxKernel{{}, forward, backward};
    k->loops[static_cast<int>(DType::Float32)] = &f32;
    k->loops[static_cast<int>(DType::Float64)] = &f64;
    return k;
  };
  const auto add = [&](const char* name, Forward forward, Backward backward) {
    registry.add({name,
                  backward ? 2 : 1,
                  1,
                  1,
                  Inputs::Floating,
                  infer_softmax,
                  {run_softmax},
                  softmax_cost,
                  kernel(forward, backward)});
  };
  add("softmax", &SoftmaxLoops::softmax, nullptr);
  add("log_softmax", &SoftmaxLoops::log_softmax, nullptr);
  add("softmax_vjp", nullptr, &SoftmaxLoops::softmax_vjp);
  add("log_softmax_vjp", nullptr, &SoftmaxLoops::log_softmax_vjp);
  registry.add({"logsumexp_vjp",
                2,
                1,
                0,
                Inputs::Floating,
                infer_logsumexp_vjp,
                {run_logsumexp_vjp},
                softmax_cost,
                kernel(nullptr, nullptr)});
  register_cross_entropy(registry, f32, f64);
}

}  // namespace alice
