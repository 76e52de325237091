// Writing at integer indices: gather_vjp adds a cotangent into zeros, scatter_set and its kin change a copy of an
// array.
//
// What is written to one place is written in the order of the indices, on one thread: repeated indices give the same
// bits for any number of threads, and of those that set a place the last one stays.
// Hot: every update runs through here.
#include "../core/chunks.h"
#include "../core/in_place.h"
#include "gather_plan.h"
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

enum class Mode : std::uint8_t { Set, Add, Multiply, Minimum, Maximum };

// Integers wrap around.
template <class T>
using Wide = std::conditional_t<std::is_floating_point_v<T>, T, std::uint64_t>;

template <class T>
T added(T a, T b) {
  return static_cast<T>(static_cast<Wide<T>>(a) + static_cast<Wide<T>>(b));
}
template <class T>
T multiplied(T a, T b) {
  return static_cast<T>(static_cast<Wide<T>>(a) * static_cast<Wide<T>>(b));
}
// NaN wins.
template <class T>
T smaller(T a, T b) {
  return b < a || b != b ? b : a;
}
template <class T>
T larger(T a, T b) {
  return a < b || b != b ? b : a;
}

// Calls f with the function that brings an item and an update together.
template <class T, class F>
void with_function(Mode mode, F&& f) {
  switch (mode) {
    case Mode::Set: return f([](T, T v) { return v; });
    case Mode::Add: return f([](T a, T b) { return added(a, b); });
    case Mode::Multiply: return f([](T a, T b) { return multiplied(a, b); });
    case Mode::Minimum: return f([](T a, T b) { return smaller(a, b); });
    case Mode::Maximum: return f([](T a, T b) { return larger(a, b); });
  }
}

// All updates v of outer positions in [o, o_end) and inner positions in [i_begin, i_end).
template <class T>
void write_rows(Mode mode, const Places& at, const T* v, T* out, std::int64_t o, std::int64_t o_end,
                std::int64_t i_begin, std::int64_t i_end) {
  const auto *outer = at.outer.data<std::int64_t>(), *index = at.index.data<std::int64_t>();
  const auto* inner = at.inner_is_run ? nullptr : at.inner.data<std::int64_t>();
  with_function<T>(mode, [&](auto f) {
    for (; o < o_end; ++o) {
      const T* from = v + o * at.n_index * at.n_inner;
      T* const to = out + outer[o];
      if (at.n_inner == 1) {
        for (std::int64_t k = 0; k < at.n_index; ++k) to[index[k]] = f(to[index[k]], from[k]);
        continue;
      }
      for (std::int64_t k = 0; k < at.n_index; ++k, from += at.n_inner) {
        T* const row = to + index[k];
        if (inner == nullptr) {
          for (std::int64_t i = i_begin; i < i_end; ++i) row[i] = f(row[i], from[i]);
        } else {
          for (std::int64_t i = i_begin; i < i_end; ++i) row[inner[i]] = f(row[inner[i]], from[i]);
        }
      }
    }
  });
}

template <class T>
void write_all(Mode mode, const Places& at, const T* v, T* out) {
  // Threads share no place of `out`: the cut goes through the outer positions, or through the inner ones.
  const std::int64_t work = at.n_outer * at.n_index * at.n_inner;
  if (work == 0) return;
  const std::int64_t wish = std::clamp<std::int64_t>(work / kChunkItems, 1, 64);
  const bool by_outer = at.n_outer >= wish;
  const std::int64_t n = by_outer ? at.n_outer : at.n_inner;
  std::int64_t block = (n + wish - 1) / wish;
  if (!by_outer) block = (block + 15) / 16 * 16;  // whole cache lines
  parallel_chunks(n, block, [&](std::int64_t begin, std::int64_t end) {
    if (by_outer) {
      write_rows(mode, at, v, out, begin, end, 0, at.n_inner);
    } else {
      write_rows(mode, at, v, out, 0, at.n_outer, begin, end);
    }
  });
}

// gather_vjp: inputs g, indices …; attrs shape of x, axes, out_axis.
GatherPlan plan_adjoint(const Call& call) {
  checked_numel(call.attrs[0].dims());
  return plan_gather(call.kernel.name, call.attrs[0].dims(), call.in.subspan(1), call.attrs[1].dims(),
                     call.attrs[2].integer());
}

void gather_vjp_infer(Call& call) {
  require_cotangent(call, plan_adjoint(call).result);
  call.out[0] = Array::abstract(call.attrs[0].dims(), call.in[0].dtype());
}

void gather_vjp_run(const Call& call) {
  const Array& out = call.out[0];
  const Places at = gather_places(call.kernel.name, plan_adjoint(call), out, call.in.subspan(1));
  zero_fill(out);
  const Array g = as_contiguous(call.in[0]);
  dispatch_floating(g.dtype(), [&](auto tag) {
    using T = decltype(tag);
    write_all(Mode::Add, at, g.data<T>(), out.data<T>());
  });
}

// scatter_set and its kin: inputs x, v, indices …; attrs axes, out_axis.
GatherPlan plan_scatter(const Call& call) {
  const char* op = call.kernel.name;
  if (call.in.size() < 2) fail(ErrorKind::Shape, op, ": x, v and index arrays are needed; got ", call.in.size());
  return plan_gather(op, call.in[0].shape(), call.in.subspan(2), call.attrs[0].dims(), call.attrs[1].integer());
}

void scatter_infer(Call& call) {
  const GatherPlan plan = plan_scatter(call);
  const Array &x = call.in[0], &v = call.in[1];
  const char* op = call.kernel.name;
  if (x.dtype() != v.dtype())
    fail(ErrorKind::DType, op, ": v must have the dtype of x; got x ", name(x.dtype()), ", v ", name(v.dtype()));
  if (!(v.shape() == plan.result)) fail(ErrorKind::Shape, op, ": v must have shape ", plan.result, "; got ", v.shape());
  call.out[0] = Array::abstract(x.shape(), x.dtype());
}

void scatter_run(const Call& call) {
  const Array& out = call.out[0];
  const Places at = gather_places(call.kernel.name, plan_scatter(call), out, call.in.subspan(2));
  if (!same_layout(out, call.in[0])) strided_copy(out, call.in[0]);
  const Array v = as_contiguous(call.in[1]);
  const Mode mode = *static_cast<const Mode*>(call.kernel.impl);
  dispatch(v.dtype(), [&](auto tag) {
    using T = decltype(tag);
    write_all(mode, at, v.data<T>(), out.data<T>());
  });
}

double cost(const Call& call) {  // a copy, and the items written one by one
  double items = 0.25 * static_cast<double>(call.out[0].numel());
  for (const Array& input : call.in) items += static_cast<double>(input.numel());
  return items;
}

}  // namespace

void register_scatter(Registry& registry) {
  const AttrSpec axes{"axes", AttrKind::Dims}, out_axis{"out_axis", AttrKind::Integer};
  registry.add({.name = "gather_vjp",
                .n_in = -1,
                .attributes = {{"shape", AttrKind::Dims}, axes, out_axis},
                .infer = gather_vjp_infer,
                .run = {gather_vjp_run},
                .cost = cost,
                .indices = 1});
  static const std::pair<const char*, Mode> kinds[] = {{"scatter_set", Mode::Set},
                                                       {"scatter_add", Mode::Add},
                                                       {"scatter_multiply", Mode::Multiply},
                                                       {"scatter_min", Mode::Minimum},
                                                       {"scatter_max", Mode::Maximum}};
  for (const auto& [name, mode] : kinds)
    registry.add({.name = name,
                  .n_in = -1,
                  .attributes = {axes, out_axis},
                  .infer = scatter_infer,
                  .run = {scatter_run},
                  .cost = cost,
                  .impl = &mode,
                  .overwriting = 0,
                  .orders = mode == Mode::Minimum || mode == Mode::Maximum,
                  .indices = 2});
}

}  // namespace alice
