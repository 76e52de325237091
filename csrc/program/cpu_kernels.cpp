#include "cpu_kernels.h"

namespace alice::program {
namespace {

constexpr std::size_t kMaxOperands = 4;  // of an elementwise node

bool may_be_elementwise(const Graph& graph, const Node& n) {
  return n.kernel->elementwise && !n.update && n.in.size() <= kMaxOperands && graph.value(n.out[0]).array.numel() > 0;
}

}  // namespace

CpuKernels::CpuKernels(const Graph& graph) : loops(graph.nodes().size()), prepared(graph.nodes().size()) {
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& n = graph.nodes()[i];
    const bool elementwise = may_be_elementwise(graph, n);
    if (!elementwise && !n.kernel->prepare) continue;
    auto [in, out] = graph.described(n);
    const Call call{*n.kernel, in, out, n.attrs};
    if (elementwise) loops[i] = n.kernel->elementwise(call);
    if (!loops[i].loop && n.kernel->prepare) prepared[i] = prepare_kernel(call);
  }
}

std::vector<Ability> CpuKernels::abilities() const {
  std::vector<Ability> can(loops.size());
  for (std::size_t i = 0; i < can.size(); ++i)
    can[i] = {loops[i].loop != nullptr, prepared[i] && prepared[i]->takes_epilogue(),
              prepared[i] && prepared[i]->takes_feed()};
  return can;
}

}  // namespace alice::program
