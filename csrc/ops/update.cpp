// Optimiser updates: one call for a whole list of parameters. The caller may pass the parameters themselves as
// outputs; then they change in place.
#include <vector>

#include "../core/chunks.h"
#include "prepared.h"
#include "register.h"
#include "update_loops.h"

namespace alice {
namespace {

// Inputs hyper (float64: lr, momentum, nesterov, weight_decay), n parameters, n gradients, and n velocities if there
// is momentum. Outputs n parameters, then the n velocities. Attrs: n, has_velocity.
struct SgdCall {
  explicit SgdCall(const Call& call)
      : n(call.attrs[0].integer()), has_velocity(call.attrs[1].flag()), in(call.in), out(call.out) {}

  const Array& hyper() const { return in[0]; }
  const Array& param(std::int64_t i) const { return in[static_cast<std::size_t>(1 + i)]; }
  const Array& grad(std::int64_t i) const { return in[static_cast<std::size_t>(1 + n + i)]; }
  const Array& velocity(std::int64_t i) const { return in[static_cast<std::size_t>(1 + 2 * n + i)]; }
  Array& new_param(std::int64_t i) const { return out[static_cast<std::size_t>(i)]; }
  Array& new_velocity(std::int64_t i) const { return out[static_cast<std::size_t>(n + i)]; }

  std::int64_t n;
  bool has_velocity;
  std::span<const Array> in;
  std::span<Array> out;
};

void sgd_infer(Call& call) {
  const SgdCall sgd(call);
  const auto n_in = static_cast<std::int64_t>(call.in.size()), n_out = static_cast<std::int64_t>(call.out.size());
  const std::int64_t kinds = sgd.has_velocity ? 3 : 2;
  if (sgd.n < 1 || sgd.n > n_in || n_in != 1 + kinds * sgd.n || n_out != (kinds - 1) * sgd.n)
    fail(ErrorKind::Value, "sgd: ", sgd.n, " parameters", sgd.has_velocity ? " with" : " without",
         " velocity need as many gradients and velocities; got ", n_in, " inputs and ", n_out, " outputs");
  if (sgd.hyper().dtype() != DType::Float64 || !(sgd.hyper().shape() == Dims{4}))
    fail(ErrorKind::Shape, "sgd: hyper must be 4 float64 numbers; got shape ", sgd.hyper().shape(), ", dtype ",
         name(sgd.hyper().dtype()));
  for (std::int64_t i = 0; i < sgd.n; ++i) {
    const Array& p = sgd.param(i);
    if (!is_floating(p.dtype()))
      fail(ErrorKind::DType, "sgd: parameters must be floating; got ", name(p.dtype()), " for parameter ", i);
    auto check = [&](const char* what, const Array& a) {
      if (a.dtype() != p.dtype() || !(a.shape() == p.shape()))
        fail(a.dtype() != p.dtype() ? ErrorKind::DType : ErrorKind::Shape, "sgd: the ", what, " of parameter ", i,
             " must have its shape and dtype, ", p.shape(), " ", name(p.dtype()), "; got ", a.shape(), " ",
             name(a.dtype()));
    };
    check("gradient", sgd.grad(i));
    if (sgd.has_velocity) check("velocity", sgd.velocity(i));
    sgd.new_param(i) = p.shape_only();
    if (sgd.has_velocity) sgd.new_velocity(i) = p.shape_only();
  }
}

class Sgd final : public Prepared {
 public:
  explicit Sgd(const Call& call) : n_(call.attrs[0].integer()), has_velocity_(call.attrs[1].flag()) {
    const SgdCall sgd(call);
    const auto& loops = *static_cast<const UpdateLoops*>(call.kernel.impl);
    hyper_step_ = sgd.hyper().strides()[0];
    items_.reserve(static_cast<std::size_t>(n_));
    for (std::int64_t i = 0; i < n_; ++i) {
      const Array& p = sgd.param(i);
      const int dtype = p.dtype() == DType::Float64;
      bool direct = p.is_contiguous() && sgd.grad(i).is_contiguous() && sgd.new_param(i).is_contiguous();
      if (has_velocity_) direct &= sgd.velocity(i).is_contiguous() && sgd.new_velocity(i).is_contiguous();
      items_.push_back({p.numel(), static_cast<std::int64_t>(itemsize(p.dtype())), direct,
                        has_velocity_ ? loops.sgd_momentum[dtype] : loops.sgd[dtype]});
    }
  }

  void run(const Call& call) const override {
    const SgdCall sgd(call);
    const auto* h = sgd.hyper().data<double>();
    const SgdHyper hyper{h[0], h[hyper_step_], h[3 * hyper_step_], h[2 * hyper_step_] != 0};
    for (std::int64_t i = 0; i < n_; ++i) {
      const Item& item = items_[static_cast<std::size_t>(i)];
      const Array none{};
      const Array &v = has_velocity_ ? sgd.velocity(i) : none, &v_out = has_velocity_ ? sgd.new_velocity(i) : none;
      if (item.direct) {
        update(item, hyper, sgd.param(i), sgd.grad(i), v, sgd.new_param(i), v_out);
      } else {
        update_packed(item, hyper, sgd.param(i), sgd.grad(i), v, sgd.new_param(i), v_out);
      }
    }
  }

 private:
  struct Item {
    std::int64_t n, size;
    bool direct;  // all operands are contiguous
    SgdLoop loop;
  };

  static void update(const Item& item, const SgdHyper& hyper, const Array& p, const Array& g, const Array& v,
                     const Array& p_out, const Array& v_out) {
    parallel_chunks(item.n, kChunkItems, [&](std::int64_t begin, std::int64_t end) {
      const auto at = [&](const Array& a) { return a.bytes() ? a.bytes() + begin * item.size : nullptr; };
      item.loop(end - begin, at(p), at(g), at(v), at(p_out), at(v_out), hyper);
    });
  }

  [[gnu::noinline]] static void update_packed(const Item& item, const SgdHyper& hyper, const Array& p, const Array& g,
                                              const Array& v, const Array& p_out, const Array& v_out) {
    const bool has_v = v.bytes() != nullptr;
    const Array new_p = Array::empty(p.shape(), p.dtype());
    const Array new_v = has_v ? Array::empty(p.shape(), p.dtype()) : Array();
    update(item, hyper, as_contiguous(p), as_contiguous(g), has_v ? as_contiguous(v) : v, new_p, new_v);
    strided_copy(p_out, new_p);
    if (has_v) strided_copy(v_out, new_v);
  }

  std::int64_t n_;
  bool has_velocity_;
  std::int64_t hyper_step_;
  std::vector<Item> items_;
};

// Parameters like parameters, velocities like velocities.
int sgd_like(const Call& call, int result) {
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
  const UpdateLoops* loops = &update_loops();
  registry.add({.name = "sgd",
                .n_in = -1,
                .n_out = -1,
                .attributes = {{"parameters", AttrKind::Integer}, {"has_velocity", AttrKind::Flag}},
                .infer = sgd_infer,
                .run = {run_once<Sgd>},
                .cost = update_cost,
                .impl = loops,
                .prepare = prepare_call<Sgd>,
                .like = sgd_like});
}

}  // namespace alice
