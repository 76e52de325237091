// Running extremes along an axis, and running logarithms of sums, which know the largest item so far.
#include <limits>

#include "lines.h"
#include "math_exp.h"
#include "scan.h"

namespace alice {
namespace {

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

}  // namespace

void register_running_extremes(Registry& registry) {
  const AttrSpec axis{"axis", AttrKind::Integer};
  const auto add = [&](const char* name, void (*run)(const Call&)) {
    registry.add({.name = name,
                  .n_in = 1,
                  .attributes = {axis},
                  .infer = infer_like,
                  .run = {run},
                  .cost = [](const Call& call) { return 2.0 * static_cast<double>(call.in[0].numel()); },
                  .infers_any_dtype = true,
                  .orders = true});
  };
  add("cummax", run_extreme<true>);
  add("cummin", run_extreme<false>);
  registry.add({.name = "logcumsumexp",
                .n_in = 1,
                .attributes = {axis},
                .inputs = Inputs::Floating,
                .infer = infer_like,
                .run = {run_logcumsumexp},
                .cost = [](const Call& call) { return 20.0 * static_cast<double>(call.in[0].numel()); }});
}

}  // namespace alice
