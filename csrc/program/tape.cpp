#include "tape.h"

#include <algorithm>

#include "lane_tape.h"
#include "loops.h"
#include "scalar_tape.h"

namespace alice::program {
namespace {

// Nanoseconds, measured: of an instruction, a call of a kernel, one of those that say what they cost beside it and are
// prepared, and a loop among others.
constexpr double kInstructionCost = 25, kCallCost = 60, kPreparedCost = 5, kChainedCost = 12;

// Estimates are no better than this: what works has to seem clearly better to be replaced.
constexpr double kClearly = 0.9;

// What the instructions of a plan take beside their arithmetic.
double overhead_of(const Plan& plan) {
  double cost = 0;
  for (const Instruction& i : plan.instructions()) {
    cost += kInstructionCost;
    for (int n : i.nodes) {
      const Node& node = plan.graph().nodes()[static_cast<std::size_t>(n)];
      cost += n != i.kernel_node ? kChainedCost : node.kernel->expand ? kPreparedCost : kCallCost;
    }
  }
  return cost;
}

// What the kernels take that may be expanded: of all else the arithmetic is the same in a tape of scalars.
double expanded_cost(const Graph& graph) {
  double cost = 0;
  for (const Node& node : graph.nodes())
    if (node.kernel->expand && node.kernel->cost) {
      auto [in, out] = graph.described(node);
      cost += node.kernel->cost({*node.kernel, in, out, node.attrs});
    }
  return cost;
}

}  // namespace

std::unique_ptr<const Tape> Tape::of(const Plan& plan, const CpuKernels& kernels) {
  const auto exchanges = [](const Node& n) { return exchange_of(*n.kernel, n.attrs) != Exchange::None; };
  if (plan.graph().nodes().empty() || std::ranges::any_of(plan.graph().nodes(), exchanges)) return nullptr;
  const double overhead = overhead_of(plan);
  std::unique_ptr<const Tape> best =
      make_scalar_tape(plan, kernels, kClearly * (overhead + expanded_cost(plan.graph())));
  const double bound = best ? best->cost() : kClearly * (overhead + plan.cost());
  if (std::unique_ptr<const Tape> lanes = make_lane_tape(plan, kernels, bound)) best = std::move(lanes);
  return best;
}

}  // namespace alice::program
