// What the CPU makes of the nodes of a graph, asked once: loops for those that are run tile by tile, prepared calls for
// others.
#pragma once

#include <memory>
#include <vector>

#include "schedule.h"

namespace alice::program {

struct CpuKernels {
  explicit CpuKernels(const Graph& graph);
  std::vector<Ability> abilities() const;

  // By node.
  std::vector<Elementwise> loops;  // null for those that are something else
  std::vector<std::unique_ptr<Prepared>>
      prepared;  // null for elementwise nodes, and kernels that have nothing to prepare
};

}  // namespace alice::program
