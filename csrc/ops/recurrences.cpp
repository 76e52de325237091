// Running products, extremes and logarithms of sums along an axis, and affine_scan, y[k] = a[k] y[k - 1] + b[k], which
// is what their derivatives are made of, and its own.
//
// Each line is walked in order on one thread; neighbouring lines side by side. float32 is carried in float64.
// Hot: every item runs through here.
#include <limits>

#include "../core/chunks.h"
#include "axes.h"
#include "math_exp.h"
#include "scan.h"
#include "strided_copy.h"

namespace alice {
namespace {

constexpr std::int64_t kTile = 256;      // neighbouring lines walked side by side
constexpr std::int64_t kContiguous = 8;  // lines that are contiguous themselves: each step waits for the one before it

// Calls step(state, item) for the items of every line along an axis, from its first to its last or the other way round;
// an item is a place in contiguous arrays. Lines begin with the state `initial`.
template <class State, class Step>
void walk_lines(const Dims& shape, int axis, bool backwards, State initial, Step step) {
  std::int64_t outer = 1, inner = 1;
  const std::int64_t n = shape[axis];
  for (int i = 0; i < axis; ++i) outer *= shape[i];
  for (int i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  if (outer * n * inner == 0) return;
  const std::int64_t first = backwards ? (n - 1) * inner : 0, stride = backwards ? -inner : inner;
  // A tile is a run of inner lines, or of outer ones where each line is contiguous.
  const bool contiguous = inner == 1;
  const std::int64_t across = contiguous ? outer : inner, width = contiguous ? kContiguous : kTile;
  const std::int64_t tiles = (across + width - 1) / width, total = contiguous ? tiles : outer * tiles;
  parallel_chunks(total, rows_per_chunk(n * std::min(across, width)), [&](std::int64_t begin, std::int64_t end) {
    State states[kTile];
    const auto walk = [&](std::int64_t at, std::int64_t lanes, std::int64_t lane) {
      std::fill_n(states, lanes, initial);
      for (std::int64_t k = 0; k < n; ++k, at += stride)
        for (std::int64_t l = 0; l < lanes; ++l) step(states[l], at + l * lane);
    };
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t start = i % tiles * width, lanes = std::min(width, across - start);
      if (!contiguous)
        walk(i / tiles * n * inner + first + start, lanes, 1);
      else if (lanes == kContiguous)
        walk(first + start * n, kContiguous, n);
      else
        walk(first + start * n, lanes, n);
    }
  });
}

int axis_of(const Call& call) { return wrap_axis(call.kernel.name, call.attrs[0].integer(), call.in[0].rank()); }

void infer_like(Call& call) {
  axis_of(call);
  call.out[0] = call.in[0].shape_only();
}

void infer_cumprod(Call& call) {
  const DType dtype = call.in[0].dtype();
  if (!is_floating(dtype) && dtype != widest(dtype))
    fail(ErrorKind::DType, "cumprod: x must be floating, int64 or uint64; got dtype ", name(dtype));
  infer_like(call);
}

void run_cumprod(const Call& call) {
  const Array x = as_contiguous(call.in[0]);
  const auto run = [&](auto item, auto one) {
    using T = decltype(item);
    using Product = decltype(one);
    walk_lines(x.shape(), axis_of(call), false, one,
               [from = x.data<T>(), to = call.out[0].data<T>()](Product& product, std::int64_t i) {
                 product *= static_cast<Product>(from[i]);
                 to[i] = static_cast<T>(product);
               });
  };
  if (x.dtype() == DType::Int64) return run(std::int64_t{}, std::uint64_t{1});  // wraps around
  dispatch_floating(x.dtype(), [&](auto tag) { run(tag, 1.0); });
}

// NaN wins, and stays.
template <bool kLargest>
void run_extreme(const Call& call) {
  const Array x = as_contiguous(call.in[0]);
  dispatch(x.dtype() == DType::Bool ? DType::UInt8 : x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_same_v<T, bool>) return;  // as bytes, in the same order
    using Limits = std::numeric_limits<T>;
    T none = kLargest ? Limits::lowest() : Limits::max();
    if constexpr (Limits::has_infinity) none = kLargest ? -Limits::infinity() : Limits::infinity();
    walk_lines(x.shape(), axis_of(call), false, none,
               [from = x.data<T>(), to = call.out[0].data<T>()](T& best, std::int64_t i) {
                 const T item = from[i];
                 if ((kLargest ? best < item : item < best) || item != item) best = item;
                 to[i] = best;
               });
  });
}

// One copy of each is enough.
[[gnu::noinline]] double exp_of(double x) { return ALICE_ISA::exp<ALICE_ISA::Full>(x); }
[[gnu::noinline]] double log_of(double x) { return ALICE_ISA::log<ALICE_ISA::Full>(x); }

// Of the items so far: the largest, and Σ exp(item - largest).
struct LogSum {
  double largest, sum;
};

void run_logcumsumexp(const Call& call) {
  const Array x = as_contiguous(call.in[0]);
  dispatch_floating(x.dtype(), [&](auto tag) {
    using T = decltype(tag);
    walk_lines(x.shape(), axis_of(call), false, LogSum{-ALICE_ISA::kInf, 0.0},
               [from = x.data<T>(), to = call.out[0].data<T>()](LogSum& so_far, std::int64_t i) {
                 const double item = static_cast<double>(from[i]);
                 if (item > so_far.largest) {
                   so_far.sum = so_far.sum * exp_of(so_far.largest - item) + 1.0;
                   so_far.largest = item;
                 } else {  // of equal infinities there is no difference
                   so_far.sum += item == so_far.largest ? 1.0 : exp_of(item - so_far.largest);
                 }
                 to[i] = static_cast<T>(so_far.largest + log_of(so_far.sum));
               });
  });
}

// affine_scan: inputs a and b of one shape; attrs axis, backwards. A carry of exactly 0 stays 0, whatever a is.
void infer_affine(Call& call) {
  axis_of(call);
  if (!(call.in[0].shape() == call.in[1].shape()))
    fail(ErrorKind::Shape, "affine_scan: a and b must have one shape; got a ", call.in[0].shape(), ", b ",
         call.in[1].shape());
  call.out[0] = call.in[0].shape_only();
}

void run_affine(const Call& call) {
  const Array a = as_contiguous(call.in[0]), b = as_contiguous(call.in[1]);
  dispatch_floating(a.dtype(), [&](auto tag) {
    using T = decltype(tag);
    walk_lines(a.shape(), axis_of(call), call.attrs[1].flag(), 0.0,
               [factor = a.data<T>(), term = b.data<T>(), to = call.out[0].data<T>()](double& y, std::int64_t i) {
                 const double carry = y == 0.0 ? 0.0 : static_cast<double>(factor[i]) * y;
                 y = carry + static_cast<double>(term[i]);
                 to[i] = static_cast<T>(y);
               });
  });
}

double cost(const Call& call) { return 2.0 * static_cast<double>(call.in[0].numel()); }
double log_cost(const Call& call) { return 20.0 * static_cast<double>(call.in[0].numel()); }

}  // namespace

void register_recurrences(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer};
  const auto add = [&](const char* name, void (*infer)(Call&), void (*run)(const Call&)) {
    registry.add({.name = name,
                  .n_in = 1,
                  .attributes = {axis},
                  .infer = infer,
                  .run = {run},
                  .cost = cost,
                  .infers_any_dtype = true,
                  .orders = infer == infer_like});
  };
  add("cumprod", infer_cumprod, run_cumprod);
  add("cummax", infer_like, run_extreme<true>);
  add("cummin", infer_like, run_extreme<false>);
  registry.add({.name = "logcumsumexp",
                .n_in = 1,
                .attributes = {axis},
                .inputs = Inputs::Floating,
                .infer = infer_like,
                .run = {run_logcumsumexp},
                .cost = log_cost});
  registry.add({.name = "affine_scan",
                .n_in = 2,
                .attributes = {axis, {"backwards", AttrKind::Flag}},
                .inputs = Inputs::Floating,
                .infer = infer_affine,
                .run = {run_affine},
                .cost = cost});
}

}  // namespace alice
