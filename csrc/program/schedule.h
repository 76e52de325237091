// Schedule: which nodes run together, and in what order.
#pragma once

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

// What a device can do with a node.
struct Ability {
  bool elementwise = false;     // run it tile by tile among others
  bool takes_epilogue = false;  // let others work on parts of its result
  bool takes_feed = false;      // take its operand piece by piece
};

// `can`: by node; `readers`: of every value, as Graph::count_readers() gives them.
std::vector<Unit> schedule(const Graph& graph, const std::vector<Ability>& can, const std::vector<int>& readers);

}  // namespace alice::program
