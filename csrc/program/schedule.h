// Schedule: which nodes run together, and in what order.
#pragma once

#include <memory>
#include <vector>

#include "graph.h"

namespace alice::program {

// Nodes that are one instruction: a single one, or a chain of elementwise ones over one result shape, perhaps with a
// node before them that tells when parts of its result are final (a matrix product), or one behind them that takes its
// operand piece by piece (a reduction).
struct Unit {
  std::vector<int> nodes;
  bool fused = false;  // elementwise nodes, run tile by tile
  bool head = false;   // the first node is no elementwise one
  bool tail = false;   // nor is the last
};

using PreparedNodes = std::vector<std::unique_ptr<Prepared>>;  // by node; null for elementwise nodes and others

// Elementwise nodes: the loop of each; a null loop for other nodes.
std::vector<Elementwise> elementwise_nodes(const Graph& graph);

// `readers`: of every value, as Graph::count_readers() gives them.
std::vector<Unit> schedule(const Graph& graph, const std::vector<Elementwise>& loops, const PreparedNodes& prepared,
                           const std::vector<int>& readers);

}  // namespace alice::program
