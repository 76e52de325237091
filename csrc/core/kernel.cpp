#include "kernel.h"

#include <algorithm>
#include <memory>

namespace alice {

Registry& Registry::instance() {
  static Registry registry;
  return registry;
}

const Kernel& Registry::add(const Kernel& kernel) {
  if (find(kernel.name)) fail(ErrorKind::Value, "registry: kernel ", kernel.name, " is registered twice");
  kernels_.push_back(new Kernel(kernel));  // lives as long as the process
  if (kernel.copies) copy_ = kernels_.back();
  if (kernel.scaling == Scaling::ByFactor) scale_ = kernels_.back();
  return *kernels_.back();
}

const Kernel* Registry::find(std::string_view name) const {
  auto it = std::find_if(kernels_.begin(), kernels_.end(), [&](const Kernel* k) { return name == k->name; });
  return it == kernels_.end() ? nullptr : *it;
}

Loop Registry::both(Loop first, Loop second, int operand) const {
  for (const LoopPair& p : loop_pairs_)
    if (p.first == first && p.second == second && p.operand == operand) return p.both;
  return nullptr;
}

const Kernel* Registry::both(const Kernel& first, const Kernel& second) const {
  for (const KernelPair& p : kernel_pairs_)
    if (p.first == &first && p.second == &second) return p.both;
  return nullptr;
}

const PlacedSum* Registry::placed_sum(const Kernel& either) const {
  for (const PlacedSum& s : placed_sums_)
    if (s.place == &either || s.add == &either) return &s;
  return nullptr;
}

namespace {

[[gnu::noinline, noreturn]] void refuse_counts(const Call& call) {
  const Kernel& k = call.kernel;
  const auto number = [](int n) { return n < 0 ? std::string("any number of") : std::to_string(n); };
  fail(ErrorKind::Value, k.name, ": takes ", number(k.n_in), " arrays and ", k.n_attrs(), " attributes and gives ",
       number(k.n_out), " results; got ", call.in.size(), ", ", call.attrs.size(), " and ", call.out.size());
}

[[gnu::noinline, noreturn]] void refuse_result(const Call& call, const Dims& shape) {
  const bool negative = std::any_of(shape.begin(), shape.end(), [](std::int64_t d) { return d < 0; });
  fail(ErrorKind::Shape, call.kernel.name,
       negative ? ": dimensions must not be negative; got "
                : ": the result has too many elements to address; got shape ",
       shape);
}

}  // namespace

void infer(Call& call) {
  const Kernel& kernel = call.kernel;
  const auto count = [](std::size_t n, int wanted) { return wanted < 0 || n == static_cast<std::size_t>(wanted); };
  if (!count(call.in.size(), kernel.n_in) || (kernel.n_in < 0 && call.in.empty()) ||
      !count(call.out.size(), kernel.n_out) || !count(call.attrs.size(), kernel.n_attrs()) || !kernel.infer)
    refuse_counts(call);
  for (std::size_t i = 0; i < call.attrs.size(); ++i) {
    const AttrSpec& spec = kernel.attributes[i];
    if (!spec.takes(call.attrs[i].kind()))
      fail(ErrorKind::DType, kernel.name, ": ", spec.name, " must be ", describe(spec.kinds), "; got ", call.attrs[i]);
  }
  needs_widening(call) ? infer_widened(call) : kernel.infer(call);
  for (const Array& out : call.out)
    if (!is_addressable(out.shape())) refuse_result(call, out.shape());
}

void run_kernel(const Call& call) {
  needs_widening(call) ? run_widened(call) : call.kernel.run[static_cast<int>(Device::Cpu)](call);
}

std::unique_ptr<Prepared> prepare_kernel(const Call& call) {
  if (!call.kernel.prepare) return nullptr;
  return needs_widening(call) ? prepare_widened(call) : call.kernel.prepare(call);
}

bool has_work(const Call& call) {
  for (const Array& a : call.in)
    if (a.is_abstract()) return false;
  return call.kernel.run[static_cast<int>(Device::Cpu)] && (call.out.empty() || call.out[0].is_abstract());
}

void compute(Call& call) {
  for (Array& o : call.out) o = Array::empty(o.shape(), o.dtype());
  run_kernel(call);
}

void evaluate(Call& call) {
  infer(call);
  if (has_work(call)) compute(call);
}

Work work_of(const Call& call) {
  Work work;
  double elements = 0;
  const auto count = [&](const Array& a) {
    const auto n = static_cast<double>(a.numel());
    elements = std::max(elements, n);
    work.bytes += n * static_cast<double>(itemsize(a.dtype()));
  };
  for (const Array& a : call.in) count(a);
  for (const Array& a : call.out) count(a);
  work.flops = call.kernel.flops ? call.kernel.flops(call) : elements;
  return work;
}

double streaming_cost(const Call& call) {
  std::int64_t n = 0;
  for (const Array& a : call.in) n = std::max(n, a.numel());
  for (const Array& a : call.out) n = std::max(n, a.numel());
  return 0.25 * static_cast<double>(n);
}

}  // namespace alice
