#include "kernel.h"

#include <algorithm>
#include <memory>

namespace alice {

Registry& Registry::instance() {
  static Registry registry;
  return registry;
}

void Registry::add(const Kernel& kernel) {
  if (find(kernel.name)) fail(ErrorKind::Value, "registry: kernel ", kernel.name, " is registered twice");
  kernels_.push_back(new Kernel(kernel));  // lives as long as the process
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
    if (p.first == first.name && p.second == second.name) return find(p.both);
  return nullptr;
}

void evaluate(Call& call) {
  call.kernel.infer(call);
  for (const Array& a : call.in)
    if (a.is_abstract()) return;
  auto run = call.kernel.run[static_cast<int>(Device::Cpu)];
  if (!run || (!call.out.empty() && !call.out[0].is_abstract())) return;  // views: nothing to compute
  for (Array& o : call.out) o = Array::empty(o.shape(), o.dtype());
  run(call);
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
  // A product makes 2 k operations for each of its results; everything else is taken as one for each element.
  const std::string_view name = call.kernel.name;
  const bool product = name == "matmul" || name == "vecmat";
  work.flops = product ? 2.0 * static_cast<double>(call.out[0].numel()) * static_cast<double>(call.in[0].shape().back())
                       : elements;
  return work;
}

double streaming_cost(const Call& call) {
  std::int64_t n = 0;
  for (const Array& a : call.in) n = std::max(n, a.numel());
  for (const Array& a : call.out) n = std::max(n, a.numel());
  return 0.25 * static_cast<double>(n);
}

}  // namespace alice
