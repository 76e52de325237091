// Small: chooses the loops, which lie in update_loops.cpp.
// Optimiser updates: one call for a whole list of parameters. The caller may pass the parameters themselves as
// outputs; then they change in place.
#include <algorithm>
#include <vector>

#include "../core/chunks.h"
#include "prepared.h"
#include "register.h"
#include "update_rules.h"

namespace alice {
namespace {

// Inputs: the numbers that steer the rule (float64), n parameters, n gradients, then n arrays of each kind that the
// rule keeps: progress (float64), and what is remembered. Outputs: n parameters, then n of each of these kinds.
// Attrs: n, the flags.
struct UpdateCall {
  explicit UpdateCall(const Call& call)
      : rule(*static_cast<const UpdateRule*>(call.kernel.impl)), n(call.attrs[0].integer()), call(call) {
    for (std::size_t i = 1; i < call.attrs.size(); ++i) flags |= static_cast<int>(call.attrs[i].flag()) << (i - 1);
    for (int rest = flags; rest; rest &= rest - 1) ++memories;
    memories += rule.memories;
    counts = rule.progress > 0;
  }
  UpdateCall(const Call& call, std::int64_t n, int memories, bool counts)  // what is known of it
      : rule(*static_cast<const UpdateRule*>(call.kernel.impl)), n(n), call(call), memories(memories), counts(counts) {}

  std::int64_t kept() const { return memories + counts; }  // kinds that are both read and written
  const Array& hyper() const { return call.in[0]; }
  const Array& in(int kind, std::int64_t i) const { return call.in[static_cast<std::size_t>(1 + kind * n + i)]; }
  Array& out(int kind, std::int64_t i) const { return call.out[static_cast<std::size_t>(kind * n + i)]; }
  // Of what the loops read and write: parameter, gradient, memories; parameter, memories.
  const Array& read(int k, std::int64_t i) const { return in(k < 2 ? k : k + counts, i); }
  Array& written(int k, std::int64_t i) const { return out(k < 1 ? k : k + counts, i); }

  const UpdateRule& rule;
  std::int64_t n;
  const Call& call;
  int flags = 0, memories = 0;
  bool counts = false;
};

void update_infer(Call& call) {
  const UpdateCall u(call);
  const char* name = u.rule.name;
  const auto n_in = static_cast<std::int64_t>(call.in.size()), n_out = static_cast<std::int64_t>(call.out.size());
  if (u.n < 1 || u.n > n_in || n_in != 1 + (2 + u.kept()) * u.n || n_out != (1 + u.kept()) * u.n)
    fail(ErrorKind::Value, name, ": ", u.n, " parameters need as many gradients and ", u.kept(),
         " times as many arrays that are remembered; got ", n_in, " inputs and ", n_out, " outputs");
  const auto check_numbers = [&](const char* what, const Array& a, int count) {
    if (a.dtype() != DType::Float64 || !(a.shape() == Dims{count}))
      fail(ErrorKind::Shape, name, ": ", what, " must be ", count, " float64 numbers; got shape ", a.shape(),
           ", dtype ", alice::name(a.dtype()));
  };
  check_numbers("hyper", u.hyper(), u.rule.numbers);
  for (std::int64_t i = 0; i < u.n; ++i) {
    const Array& p = u.in(0, i);
    if (!is_floating(p.dtype()))
      fail(ErrorKind::DType, name, ": parameters must be floating; got ", alice::name(p.dtype()), " for parameter ", i);
    for (int k = 0; k < 2 + u.memories; ++k) {
      const Array& a = u.read(k, i);
      if (a.dtype() != p.dtype() || !(a.shape() == p.shape()))
        fail(a.dtype() != p.dtype() ? ErrorKind::DType : ErrorKind::Shape, name, ": the ",
             k == 1 ? "gradient" : "memory", " of parameter ", i, " must have its shape and dtype, ", p.shape(), " ",
             alice::name(p.dtype()), "; got ", a.shape(), " ", alice::name(a.dtype()));
    }
    for (int k = 0; k < 1 + u.memories; ++k) u.written(k, i) = p.shape_only();
    if (!u.counts) continue;
    check_numbers("the progress of a parameter", u.in(2, i), u.rule.progress);
    u.out(1, i) = u.in(2, i).shape_only();
  }
}

// Addresses of a run of items in all arrays of a parameter.
struct Operands {
  static constexpr int kMost = 2 + UpdateRule::kMemories;
  const void* in[kMost];
  void* out[kMost - 1];
};

class Update final : public Prepared {
 public:
  explicit Update(const Call& call) {
    const UpdateCall u(call);
    n_ = u.n;
    counts_ = u.counts;
    n_in_ = 2 + u.memories;
    hyper_step_ = u.hyper().strides()[0];
    items_.reserve(static_cast<std::size_t>(u.n));
    for (std::int64_t i = 0; i < u.n; ++i) {
      const Array& p = u.in(0, i);
      bool direct = true;
      for (int k = 0; k < n_in_; ++k) direct &= u.read(k, i).is_contiguous();
      for (int k = 0; k < n_in_ - 1; ++k) direct &= u.written(k, i).is_contiguous();
      items_.push_back({p.numel(), static_cast<std::int64_t>(itemsize(p.dtype())), direct,
                        u.rule.loops[u.flags][p.dtype() == DType::Float64]});
    }
  }

  void run(const Call& call) const override {
    const UpdateCall u(call, n_, n_in_ - 2, counts_);
    double hyper[UpdateRule::kNumbers], c[UpdateRule::kCoefficients];
    for (int i = 0; i < u.rule.numbers; ++i) hyper[i] = u.hyper().data<double>()[i * hyper_step_];
    double before[UpdateRule::kProgress] = {}, now[UpdateRule::kProgress] = {};
    for (std::int64_t i = 0; i < u.n; ++i) {
      if (u.counts ? advance(u, i, before) || i == 0 : i == 0) u.rule.coefficients(hyper, before, now, c);
      if (u.counts)
        for (int k = 0; k < u.rule.progress; ++k) u.out(1, i).data<double>()[k * u.out(1, i).strides()[0]] = now[k];
      const Item& item = items_[static_cast<std::size_t>(i)];
      item.direct ? update(u, i, item, c) : update_packed(u, i, item, c);
    }
  }

 private:
  struct Item {
    std::int64_t n, size;
    bool direct;  // all operands are contiguous
    UpdateLoop loop;
  };

  // Reads the progress of a parameter. Is it another one than that of the parameter before it?
  static bool advance(const UpdateCall& u, std::int64_t i, double* before) {
    const Array& a = u.in(2, i);
    bool other = false;
    for (int k = 0; k < u.rule.progress; ++k) {
      const double value = a.data<double>()[k * a.strides()[0]];
      other |= value != before[k];
      before[k] = value;
    }
    return other;
  }

  void update(const UpdateCall& u, std::int64_t i, const Item& item, const double* c) const {
    Operands all;
    for (int k = 0; k < n_in_; ++k) all.in[k] = u.read(k, i).bytes();
    for (int k = 0; k < n_in_ - 1; ++k) all.out[k] = u.written(k, i).bytes();
    run_loop(item, all, c);
  }

  void run_loop(const Item& item, const Operands& all, const double* c) const {
    if (item.n <= kChunkItems) return item.loop(item.n, all.in, all.out, c);
    parallel_chunks(item.n, kChunkItems, [&](std::int64_t begin, std::int64_t end) {
      Operands part;
      for (int k = 0; k < n_in_; ++k) part.in[k] = static_cast<const std::byte*>(all.in[k]) + begin * item.size;
      for (int k = 0; k < n_in_ - 1; ++k) part.out[k] = static_cast<std::byte*>(all.out[k]) + begin * item.size;
      item.loop(end - begin, part.in, part.out, c);
    });
  }

  [[gnu::noinline]] void update_packed(const UpdateCall& u, std::int64_t i, const Item& item, const double* c) const {
    Array in[Operands::kMost], out[Operands::kMost - 1];
    Operands all;
    for (int k = 0; k < n_in_; ++k) {
      in[k] = as_contiguous(u.read(k, i));
      all.in[k] = in[k].bytes();
    }
    for (int k = 0; k < n_in_ - 1; ++k) {
      out[k] = Array::empty(u.in(0, i).shape(), u.in(0, i).dtype());
      all.out[k] = out[k].bytes();
    }
    run_loop(item, all, c);
    for (int k = 0; k < n_in_ - 1; ++k) strided_copy(u.written(k, i), out[k]);
  }

  std::int64_t n_;
  bool counts_;
  int n_in_;
  std::int64_t hyper_step_;
  std::vector<Item> items_;
};

// Parameters like parameters, what is kept like it was.
int update_like(const Call& call, int result) {
  const auto n = static_cast<int>(call.attrs[0].integer());
  return result < n ? 1 + result : 1 + n + result;
}

double update_cost(const Call& call) {
  double items = 0;
  for (const Array& a : call.in) items += static_cast<double>(a.numel());
  return 0.25 * items;
}

}  // namespace

void register_update(Registry& registry) {
  for (const UpdateRule& rule : update_rules()) {
    std::vector<AttrSpec> attributes = {{"parameters", AttrKind::Integer}};
    for (const char* flag : rule.flags) attributes.push_back({flag, AttrKind::Flag});
    registry.add({.name = rule.name,
                  .n_in = -1,
                  .n_out = -1,
                  .attributes = attributes,
                  .infer = update_infer,
                  .run = {run_once<Update>},
                  .cost = update_cost,
                  .impl = &rule,
                  .prepare = prepare_call<Update>,
                  .like = update_like});
  }
}

}  // namespace alice
