// Plan: what a program does, decided in advance and the same on every device: instructions in their order, and a place
// in memory for every value. It never changes, so that several may own it: executors, and programs that it is a part
// of.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "../core/locks.h"
#include "chain.h"
#include "graph.h"
#include "schedule.h"

namespace alice::program {

// Where a value lies: so many bytes from the beginning of a base, which a run provides.
struct Place {
  int base = 0;  // kFixed: `offset` is an address; kArena; then the inputs, then the results
  std::int64_t offset = 0;
  bool moves() const { return base > 0; }  // may be elsewhere in every run
  bool operator==(const Place&) const = default;
};
inline constexpr int kFixed = -1, kArena = 0;

// One kernel, or a chain, or a chain with a kernel before or behind it.
struct Instruction {
  std::vector<int> nodes;    // of the graph, in the order in which they run
  int kernel_node = -1;      // the one that is a kernel's call; -1: a chain alone
  std::vector<int> in, out;  // values in memory that it reads and writes
  std::optional<Chain> chain;
  bool update = false;            // changes captured values
  bool may_read_changed = false;  // an update that may find what it reads in what it changes
  double flops = 0, bytes = 0;
};

// Places for all values of a graph.
struct Layout {
  std::vector<Place> places;  // of every value in memory
  std::int64_t arena_bytes = 0;
};
Layout lay_out(const Graph& graph, const std::vector<Instruction>& instructions);

class Plan {
 public:
  // `graph` is simplified(); `can` says of each of its nodes what the device can do with it. Throws if memory for all
  // values could not be addressed.
  Plan(Graph graph, const std::vector<Ability>& can);

  const Graph& graph() const { return graph_; }
  const std::vector<Instruction>& instructions() const { return instructions_; }
  const Place& place(int value) const { return layout_.places[static_cast<std::size_t>(value)]; }
  std::int64_t arena_bytes() const { return layout_.arena_bytes; }
  double cost() const { return cost_; }             // estimated nanoseconds
  const Access& access() const { return access_; }  // captured memory

  // May a run that has begun so many instructions have written to this result?
  bool may_have_written(std::size_t result, std::size_t begun) const { return written_by_[result] < begun; }

 private:
  Instruction instruction_of(const Unit& unit, const std::vector<Ability>& can, const std::vector<int>& readers) const;
  bool may_read_changed(const Node& update) const;
  bool finds_copy(const Instruction& instruction) const;
  void estimate(Instruction& instruction);
  bool is_part(const Place& p, int whole) const;
  void note_writes();

  Graph graph_;
  std::vector<Instruction> instructions_;
  Layout layout_;
  double cost_ = 0;
  Access access_;
  std::vector<std::size_t> written_by_;  // by result: the first instruction that writes to it
};

}  // namespace alice::program
