// Optimiser updates: one call for a whole list of parameters. The caller may pass the parameters themselves as
// outputs; then they change in place.
#include "../core/thread_pool.h"
#include "register.h"
#include "strided_copy.h"
#include "update_loops.h"

namespace alice {
namespace {

constexpr std::int64_t kChunkItems = 32 * 1024;

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
      fail(ErrorKind::DType, "sgd: parameters must be float32 or float64; got ", name(p.dtype()), " for parameter ", i);
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

// An operand whose items lie in row-major order: the array itself, or `buffer`, which the function fills or allocates.
const Array& readable(const Array& a, Array& buffer) { return a.is_contiguous() ? a : buffer = as_contiguous(a); }
const Array& writable(const Array& a, Array& buffer) {
  return a.is_contiguous() ? a : buffer = Array::empty(a.shape(), a.dtype());
}

void update_one(const SgdCall& sgd, std::int64_t i, const UpdateLoops& loops, const SgdHyper& hyper) {
  Array buffers[5];
  const Array none{};
  const bool has_v = sgd.has_velocity;
  const Array& p = readable(sgd.param(i), buffers[0]);
  const Array& g = readable(sgd.grad(i), buffers[1]);
  const Array& v = has_v ? readable(sgd.velocity(i), buffers[2]) : none;
  const Array& p_out = writable(sgd.new_param(i), buffers[3]);
  const Array& v_out = has_v ? writable(sgd.new_velocity(i), buffers[4]) : none;
  const int dtype = p.dtype() == DType::Float64;
  const SgdLoop loop = has_v ? loops.sgd_momentum[dtype] : loops.sgd[dtype];
  const std::int64_t n = p.numel(), item = static_cast<std::int64_t>(itemsize(p.dtype()));
  parallel_for((n + kChunkItems - 1) / kChunkItems, [&](std::int64_t chunk) {
    const std::int64_t begin = chunk * kChunkItems;
    auto at = [&](const Array& a) { return a.bytes() ? a.bytes() + begin * item : nullptr; };
    loop(std::min(kChunkItems, n - begin), at(p), at(g), at(v), at(p_out), at(v_out), hyper);
  });
  if (&p_out == &buffers[3]) strided_copy(sgd.new_param(i), p_out);
  if (&v_out == &buffers[4]) strided_copy(sgd.new_velocity(i), v_out);
}

void sgd_run(const Call& call) {
  const SgdCall sgd(call);
  const auto& loops = *static_cast<const UpdateLoops*>(call.kernel.impl);
  const Array packed = as_contiguous(sgd.hyper());
  const auto* h = packed.data<double>();
  const SgdHyper hyper{h[0], h[1], h[3], h[2] != 0};
  for (std::int64_t i = 0; i < sgd.n; ++i) update_one(sgd, i, loops, hyper);
}

double update_cost(const Call& call) {
  double items = 0;
  for (const Array& a : call.in) items += static_cast<double>(a.numel());
  return 0.25 * items;
}

}  // namespace

void register_update(Registry& registry, Isa isa) {
  const UpdateLoops* loops = &baseline::update_loops();
#if defined(__x86_64__)
  if (isa == Isa::Avx2) loops = &avx2::update_loops();
  if (isa == Isa::Avx512) loops = &avx512::update_loops();
#else
  static_cast<void>(isa);
#endif
  registry.add({"sgd", -1, -1, 2, Inputs::AsIs, sgd_infer, {sgd_run}, update_cost, loops});
}

}  // namespace alice
