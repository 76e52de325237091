// The reductions: sum, mean, var, std, prod, max, min, argmax, argmin, any, all, logsumexp, norm, and sum_to.
// Each is one row of a table: the folds it is made of, what happens between and after them, and its dtype rule.
#include <cmath>
#include <limits>

#include "../core/broadcast.h"
#include "axes.h"
#include "extremes.h"
#include "prepared.h"
#include "reduce_few.h"
#include "register.h"
#include "scan.h"

namespace alice {
namespace {

// ---- between and after the folds ----------------------------------------------------------------------------

// The sum of a compensated state. An infinite high half makes the low one NaN.
double total(double high, double low) { return std::isfinite(high) ? high + low : high; }

// (high + low) / n, rounded once: a mean of equal numbers is that number, so that their variance is 0.
double mean_of(double high, double low, std::int64_t items) {
  const double n = static_cast<double>(items), q = high / n;
  return std::isfinite(q) ? q + (std::fma(-q, n, high) + low) / n : q;
}

// How states are read: float32 data has no low halves.
template <class T>
struct States {
  const double* high;
  const double* low;
  States(const void* a, const void* b) : high(static_cast<const double*>(a)), low(static_cast<const double*>(b)) {}
  double sum(std::int64_t i) const { return sizeof(T) == 8 ? total(high[i], low[i]) : high[i]; }
  double mean(std::int64_t i, std::int64_t items) const {
    return sizeof(T) == 8 ? mean_of(high[i], low[i], items) : high[i] / static_cast<double>(items);
  }
};

template <class T>
struct Finish {
  using Count = std::int64_t;

  static void sum(Count count, const void* a, const void* b, const double*, Count, double, void* out) {
    if constexpr (std::is_floating_point_v<T>) {
      const States<T> s(a, b);
      for (Count i = 0; i < count; ++i) static_cast<T*>(out)[i] = static_cast<T>(s.sum(i));
    } else {
      for (Count i = 0; i < count; ++i)
        static_cast<T*>(out)[i] = static_cast<T>(static_cast<const std::uint64_t*>(a)[i]);
    }
  }
  static void product(Count count, const void* a, const void*, const double*, Count, double, void* out) {
    using A = std::conditional_t<std::is_floating_point_v<T>, double, std::uint64_t>;
    for (Count i = 0; i < count; ++i) static_cast<T*>(out)[i] = static_cast<T>(static_cast<const A*>(a)[i]);
  }
  static void value(Count count, const void* a, const void*, const double*, Count, double, void* out) {
    for (Count i = 0; i < count; ++i) static_cast<T*>(out)[i] = static_cast<const T*>(a)[i];
  }
  static void truth(Count count, const void* a, const void*, const double*, Count, double, void* out) {
    for (Count i = 0; i < count; ++i) static_cast<bool*>(out)[i] = static_cast<const std::uint8_t*>(a)[i] != 0;
  }
  static void index(Count count, const void*, const void* b, const double*, Count, double, void* out) {
    for (Count i = 0; i < count; ++i) static_cast<std::int64_t*>(out)[i] = static_cast<const std::int64_t*>(b)[i];
  }

  template <bool kSafe>
  static void mean(Count count, const void* a, const void* b, const double*, Count items, double, void* out) {
    const States<T> s(a, b);
    for (Count i = 0; i < count; ++i)
      static_cast<T*>(out)[i] = static_cast<T>(s.mean(i, items) * (kSafe ? 1 / kSafeSumScale : 1));
  }
  template <bool kSafe>
  static void center_mean(Count count, const void* a, const void* b, Count items, double* c) {
    const States<T> s(a, b);
    for (Count i = 0; i < count; ++i) c[i] = s.mean(i, items) * (kSafe ? 1 / kSafeSumScale : 1);
  }
  template <bool kRoot, bool kSafe>
  static void spread(Count count, const void* a, const void* b, const double*, Count items, double correction,
                     void* out) {
    const States<T> s(a, b);
    const double n = std::max(0.0, static_cast<double>(items) - correction);
    constexpr double unscale = kSafe ? 1 / kSafeDistanceScale : 1;
    for (Count i = 0; i < count; ++i) {
      const double var = s.sum(i) / n;
      static_cast<T*>(out)[i] = static_cast<T>(kRoot ? std::sqrt(var) * unscale : var * unscale * unscale);
    }
  }

  static void norm(Count count, const void* a, const void* b, const double*, Count, double, void* out) {
    const States<T> s(a, b);
    for (Count i = 0; i < count; ++i) static_cast<T*>(out)[i] = static_cast<T>(std::sqrt(s.sum(i)));
  }
  // A power of two that brings the largest number near 1; infinities and NaN stay what they are.
  static void center_scale(Count count, const void* a, const void*, Count, double* c) {
    for (Count i = 0; i < count; ++i) {
      const double largest = static_cast<const T*>(a)[i];
      const bool usable = std::isfinite(largest) && largest > 0;
      c[i] = usable ? std::ldexp(1.0, std::clamp(-std::ilogb(largest), -1022, 1022)) : 1.0;
    }
  }
  static void safe_norm(Count count, const void* a, const void* b, const double* c, Count, double, void* out) {
    const States<T> s(a, b);
    for (Count i = 0; i < count; ++i) static_cast<T*>(out)[i] = static_cast<T>(std::sqrt(s.sum(i)) / c[i]);
  }

  static void center_max(Count count, const void* a, const void*, Count, double* c) {
    for (Count i = 0; i < count; ++i) c[i] = static_cast<const T*>(a)[i];
  }
  // An infinite (or NaN) maximum is the answer, whatever the sum of exp(inf - inf) says.
  static void logsumexp(Count count, const void* a, const void* b, const double* c, Count, double, void* out) {
    const States<T> s(a, b);
    for (Count i = 0; i < count; ++i)
      static_cast<T*>(out)[i] = static_cast<T>(std::isfinite(c[i]) ? c[i] + std::log(s.sum(i)) : c[i]);
  }
};

// ---- kernels ------------------------------------------------------------------------------------------------

// Widened: bool and integers become the widest of their kind. Truth: of bool alone.
enum class Result : std::uint8_t { Same, Widened, Index, Truth };

struct ReduceKernel {
  Result result;
  bool nonempty;                   // a result without items is an error
  Reduction fast[kComputedCount];  // by the dtype of the input
  Reduction safe;                  // float64, where the fast one over- or underflowed; none if first is null
  double smallest_trusted;         // of the fast one
};

const ReduceKernel& impl(const Call& call) { return *static_cast<const ReduceKernel*>(call.kernel.impl); }

void infer_reduce(Call& call) {
  const Array& x = call.in[0];
  const ReduceKernel& kernel = impl(call);
  const Dims reduced = reduced_axes(call, x.rank());
  bool empty = false;
  for (int i = 0; i < x.rank(); ++i) empty |= reduced[i] && x.dim(i) == 0;
  if (empty && kernel.nonempty)
    fail(ErrorKind::Value, call.kernel.name, ": needs at least one item per result; got shape ", x.shape());
  DType dtype = x.dtype();
  if (kernel.result == Result::Index) dtype = DType::Int64;
  if (kernel.result == Result::Widened && !is_floating(dtype)) dtype = widest(dtype);
  if (kernel.result == Result::Truth && dtype != DType::Bool)
    fail(ErrorKind::DType, call.kernel.name, ": x must be bool; got ", name(dtype), "; cast it with astype");
  call.out[0] = Array::abstract(reduced_shape(x.shape(), reduced, call.attrs[1].flag()), dtype);
}

bool all_trusted(const Array& out, double smallest) {
  const double* y = out.data<double>();
  bool ok = true;
  for (std::int64_t i = 0, n = out.numel(); i < n; ++i) ok &= trusted(y[i], smallest);
  return ok;
}

class PreparedReduce final : public Prepared {
 public:
  explicit PreparedReduce(const Call& call)
      : kernel_(impl(call)),
        reduced_(reduced_axes(call, call.in[0].rank())),
        parameter_(call.attrs.size() > 2 ? call.attrs[2].real() : 0),
        retries_(kernel_.safe.first && call.in[0].dtype() == DType::Float64),
        fast_(kernel_.fast[static_cast<int>(call.in[0].dtype())], call.in[0], reduced_, parameter_) {}

  void run(const Call& call) const override {
    const Array &x = call.in[0], &out = call.out[0];
    fast_.run(x, out);
    if (retries_ && !all_trusted(out, kernel_.smallest_trusted)) retry(x, out);
  }
  bool takes_feed() const override { return fast_.takes_feed() && !retries_; }
  void run_fed(const Call& call, const Feed& feed) const override { fast_.run_fed(feed, call.out[0]); }

 private:
  // Of those results alone that need it: what the others are does not depend on their neighbours.
  void retry(const Array& x, const Array& out) const {
    const Array safe = Array::empty(out.shape(), out.dtype());
    Reducer(kernel_.safe, x, reduced_, parameter_).run(x, safe);
    for (std::int64_t i = 0, n = out.numel(); i < n; ++i)
      if (double& y = out.data<double>()[i]; !trusted(y, kernel_.smallest_trusted)) y = safe.data<double>()[i];
  }

  const ReduceKernel& kernel_;
  Dims reduced_;
  double parameter_;
  bool retries_;
  Reducer fast_;
};

// Nanoseconds, measured: of a call, and of a result beside its items.
constexpr double kReduceCost = 30, kResultCost = 2;

double reduce_cost(const Call& call) {
  return kReduceCost + kResultCost * static_cast<double>(call.out[0].numel()) + streaming_cost(call);
}

bool adds(const Reduction& r) {
  return !r.second && (r.finish == Finish<float>::sum || r.finish == Finish<double>::sum);
}

std::unique_ptr<Expansion> expand_reduce(const Call& call) {
  const Array& x = call.in[0];
  const ReduceKernel& kernel = impl(call);
  if (static_cast<int>(x.dtype()) >= kComputedCount) return nullptr;
  const bool retries = kernel.safe.first && x.dtype() == DType::Float64;
  return FewItems::of(call, reduced_axes(call, x.rank()), call.attrs[1].flag(),
                      call.attrs.size() > 2 ? call.attrs[2].real() : 0, kernel.fast[static_cast<int>(x.dtype())],
                      retries ? &kernel.safe : nullptr, kernel.smallest_trusted,
                      adds(kernel.fast[static_cast<int>(x.dtype())]));
}

// ---- sum_to -------------------------------------------------------------------------------------------------

// The axes along which `shape` would be broadcast to x's shape.
Dims broadcast_axes(const Array& x, const Dims& shape) {
  Dims together = shape;
  if (!broadcast_into(together, x.shape()) || !(together == x.shape()))
    fail(ErrorKind::Shape, "sum_to: shape must broadcast to that of x; got x ", x.shape(), ", shape ", shape);
  Dims reduced = Dims::filled(x.rank(), 1);
  const int lead = x.rank() - shape.size();
  for (int i = 0; i < shape.size(); ++i) reduced[lead + i] = shape[i] != x.dim(lead + i);
  return reduced;
}

void infer_sum_to(Call& call) {
  const Array& x = call.in[0];
  const Dims& shape = call.attrs[0].dims();
  const bool same = shape == x.shape();
  if (!same) broadcast_axes(x, shape);
  if (same || (x.numel() > 0 && checked_numel(shape) == x.numel())) {  // nothing is added: at most axes of one item go
    Dims strides;
    for (int i = x.rank() - shape.size(); i < x.rank(); ++i) strides.push_back(x.strides()[i]);
    call.out[0] = Array::view(x, shape, strides, 0);
  } else {
    call.out[0] = Array::abstract(shape, x.dtype());
  }
}

const Reduction& of_dtype(const Call& call) {
  const auto& by_dtype = *static_cast<const std::array<Reduction, kComputedCount>*>(call.kernel.impl);
  return by_dtype[static_cast<int>(call.in[0].dtype())];
}

class PreparedSumTo final : public Prepared {
 public:
  explicit PreparedSumTo(const Call& call)
      : reducer_(of_dtype(call), call.in[0], broadcast_axes(call.in[0], call.attrs[0].dims()), 0) {}
  void run(const Call& call) const override { reducer_.run(call.in[0], call.out[0]); }
  bool takes_feed() const override { return reducer_.takes_feed(); }
  void run_fed(const Call& call, const Feed& feed) const override { reducer_.run_fed(feed, call.out[0]); }

 private:
  Reducer reducer_;
};

std::unique_ptr<Expansion> expand_sum_to(const Call& call) {
  const Array& x = call.in[0];
  if (static_cast<int>(x.dtype()) >= kComputedCount) return nullptr;
  return FewItems::of(call, broadcast_axes(x, call.attrs[0].dims()), true, 0, of_dtype(call), nullptr, 0,
                      adds(of_dtype(call)));
}

// ---- registration -------------------------------------------------------------------------------------------

using CenterFn = decltype(Reduction::center);
using FinishFn = decltype(Reduction::finish);

class Builder {
 public:
  explicit Builder(Registry& registry) : registry_(registry), table_(fold_table()) {}

  const FoldLoops* loops(Fold fold, DType dtype) const {
    for (const FoldTable* table : {&table_, &baseline::fold_table()}) {
      const FoldLoops& found = table->loops[static_cast<int>(fold)][static_cast<int>(dtype)];
      if (found.init) return &found;
    }
    return nullptr;
  }
  Reduction one(Fold fold, DType dtype, FinishFn finish) const {
    return {loops(fold, dtype), nullptr, nullptr, finish};
  }
  Reduction two(Fold first, CenterFn center, Fold second, DType dtype, FinishFn finish) const {
    return {loops(first, dtype), loops(second, dtype), center, finish};
  }

  // `make(tag, dtype)` gives the reduction of one dtype.
  template <class Make>
  ReduceKernel* all(Result result, bool nonempty, Make make) const {
    auto* kernel = floating(result, nonempty, make);
    for (DType t : {DType::Bool, DType::UInt8, DType::Int32, DType::Int64})
      kernel->fast[static_cast<int>(t)] = dispatch(t, [&](auto tag) { return make(tag, t); });
    return kernel;
  }
  template <class Make>
  ReduceKernel* floating(Result result, bool nonempty, Make make) const {
    auto* kernel = new ReduceKernel{result, nonempty, {}, {}, -std::numeric_limits<double>::infinity()};
    kernel->fast[static_cast<int>(DType::Float32)] = make(float{}, DType::Float32);
    kernel->fast[static_cast<int>(DType::Float64)] = make(double{}, DType::Float64);
    return kernel;
  }
  // `parameter`: the name of the number that `finish` gets, if it gets one.
  void add(const char* name, const ReduceKernel* kernel, Inputs inputs, const char* parameter = nullptr,
           bool orders = false) const {
    std::vector<AttrSpec> attributes = kReductionAttributes;
    if (parameter) attributes.push_back({parameter, AttrKind::Real});
    registry_.add({.name = name,
                   .n_in = 1,
                   .attributes = std::move(attributes),
                   .inputs = inputs,
                   .infer = infer_reduce,
                   .run = {run_once<PreparedReduce>},
                   .cost = reduce_cost,
                   .impl = kernel,
                   .prepare = prepare_call<PreparedReduce>,
                   .expand = expand_reduce,
                   .infers_any_dtype = true,
                   .orders = orders});
  }

 private:
  Registry& registry_;
  const FoldTable& table_;
};

}  // namespace

void register_reduce(Registry& registry) {
  const Builder build(registry);
  using D = Finish<double>;
  constexpr DType f64 = DType::Float64;

  const auto widened_sum = [&](auto tag, DType t) {
    using T = decltype(tag);
    using Out = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    return build.one(Fold::Sum, t, Finish<Out>::sum);
  };
  const auto widened_product = [&](auto tag, DType t) {
    using T = decltype(tag);
    using Out = std::conditional_t<std::is_floating_point_v<T>, T, std::int64_t>;
    return build.one(Fold::Product, t, Finish<Out>::product);
  };
  build.add("sum", build.all(Result::Widened, false, widened_sum), Inputs::AsIs);
  build.add("prod", build.all(Result::Widened, false, widened_product), Inputs::AsIs);

  const auto simple = [&](const char* name, Fold fold, Result result, bool nonempty) {
    build.add(name,
              build.all(result, nonempty,
                        [&](auto tag, DType t) {
                          using T = decltype(tag);
                          return build.one(fold, t, result == Result::Index ? Finish<T>::index : Finish<T>::value);
                        }),
              Inputs::AsIs, nullptr, true);
  };
  simple("max", Fold::Max, Result::Same, true);
  simple("min", Fold::Min, Result::Same, true);
  simple("argmax", Fold::ArgMax, Result::Index, true);
  simple("argmin", Fold::ArgMin, Result::Index, true);

  auto* any = new ReduceKernel{Result::Truth, false, {}, {}, 0};
  any->fast[0] = build.one(Fold::Max, DType::Bool, Finish<bool>::truth);  // of no items 0
  build.add("any", any, Inputs::AsIs);
  auto* all = new ReduceKernel{Result::Truth, false, {}, {}, 0};
  all->fast[0] = build.one(Fold::Min, DType::Bool, Finish<bool>::truth);  // of no items 255
  build.add("all", all, Inputs::AsIs);

  auto* mean = build.floating(Result::Same, false, [&](auto tag, DType t) {
    return build.one(Fold::Sum, t, Finish<decltype(tag)>::template mean<false>);
  });
  mean->safe = build.one(Fold::SafeSum, f64, D::mean<true>);
  build.add("mean", mean, Inputs::Floating);

  auto* var = build.floating(Result::Same, false, [&](auto tag, DType t) {
    using F = Finish<decltype(tag)>;
    return build.two(Fold::Sum, F::template center_mean<false>, Fold::Distances, t, F::template spread<false, false>);
  });
  var->safe = build.two(Fold::SafeSum, D::center_mean<true>, Fold::SafeDistances, f64, D::spread<false, true>);
  build.add("var", var, Inputs::Floating, "correction");
  auto* std_dev = build.floating(Result::Same, false, [&](auto tag, DType t) {
    using F = Finish<decltype(tag)>;
    return build.two(Fold::Sum, F::template center_mean<false>, Fold::Distances, t, F::template spread<true, false>);
  });
  std_dev->safe = build.two(Fold::SafeSum, D::center_mean<true>, Fold::SafeDistances, f64, D::spread<true, true>);
  build.add("std", std_dev, Inputs::Floating, "correction");

  auto* norm = build.floating(
      Result::Same, false, [&](auto tag, DType t) { return build.one(Fold::Squares, t, Finish<decltype(tag)>::norm); });
  norm->safe = build.two(Fold::MaxAbs, D::center_scale, Fold::SafeSquares, f64, D::safe_norm);
  norm->smallest_trusted = 0x1p-480;  // its square, and what that loses, are far above the subnormals
  build.add("norm", norm, Inputs::Floating);

  build.add("logsumexp",
            build.floating(Result::Same, false,
                           [&](auto tag, DType t) {
                             using F = Finish<decltype(tag)>;
                             return build.two(Fold::Max, F::center_max, Fold::Exponentials, t, F::logsumexp);
                           }),
            Inputs::Floating);

  auto* sum_to = new std::array<Reduction, kComputedCount>{};
  for (DType t : {DType::Int32, DType::Int64, DType::Float32, DType::Float64, DType::UInt8})
    (*sum_to)[static_cast<int>(t)] =
        dispatch(t, [&](auto tag) { return build.one(Fold::Sum, t, Finish<decltype(tag)>::sum); });
  registry.add({.name = "sum_to",
                .n_in = 1,
                .attributes = {{"shape", AttrKind::Dims}},
                .inputs = Inputs::Numeric,
                .infer = infer_sum_to,
                .run = {run_once<PreparedSumTo>},
                .cost = reduce_cost,
                .impl = sum_to,
                .prepare = prepare_call<PreparedSumTo>,
                .expand = expand_sum_to});

  register_scan(registry);
  register_recurrences(registry);
  register_running_extremes(registry);
  register_extremes(registry);
}

}  // namespace alice
