// Chain: elementwise nodes over one shape that run together, tile by tile, so that what lies between them never reaches
// memory.
#pragma once

#include <vector>

#include "schedule.h"

namespace alice::program {

struct Chain {
  enum class Role : std::uint8_t {
    Input,     // read from memory
    Constant,  // one element
    Result,    // written to memory
    Buffer,    // between two steps
  };
  struct Value {
    Role role;
    DType dtype;
    int value = -1;     // the graph's; -1 for buffers, which serve several
    int may_take = -1;  // of a result: an input whose memory it may take over, a value of the graph
    bool in_memory() const { return role == Role::Input || role == Role::Result; }
  };
  struct Step {
    int node;
    std::vector<int> in;  // numbers of values
    int out;
  };

  Dims shape;
  std::vector<Value> values;
  std::vector<Step> steps;
  bool head = false;         // works on what the kernel leaves
  bool tail = false;         // makes what the kernel takes
  int piece = -1;            // at the tail: the number of the value that the kernel takes
  std::int64_t columns = 1;  // at the head: last axis of the kernel's result

  // The input whose memory a value of the graph may take over, or -1.
  int may_take(int value) const;
};

// `unit` is fused; `can` and `readers` are what the schedule was made with.
Chain make_chain(const Graph& graph, const Unit& unit, const std::vector<Ability>& can,
                 const std::vector<int>& readers);

}  // namespace alice::program
