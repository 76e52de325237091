// Program: the plan of a graph and its replay. Instructions run one after the other over one block of memory, the
// arena, that was laid out in advance: nothing is allocated, no shape is looked at again.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "../core/tiles.h"
#include "schedule.h"

namespace alice::program {

// Where an operand lies: so many bytes from the beginning of a base, which a run provides.
struct Place {
  int base = 0;  // kFixed: `offset` is an address; kArena; then the inputs, then the results
  std::int64_t offset = 0;
};
inline constexpr int kFixed = -1, kArena = 0;

// A chain of elementwise nodes, and how its values map to the graph's.
struct Chain {
  explicit Chain(const Dims& shape) : tiles(shape) {}

  Tiles tiles;
  std::vector<int> values;        // by number of the tiles' values: the graph's value in memory, or -1
  std::vector<int> may_take;      // likewise: for a result, an input whose memory it may take over, or -1
  bool head = false;              // works on what the kernel leaves
  bool tail = false;              // makes what the kernel takes
  int piece = -1;                 // at the tail: the number of the value that the kernel takes
  std::int64_t columns = 1;       // at the head: last axis of the kernel's result
  std::size_t first_pointer = 0;  // its values among the context's pointers
};

// One kernel, or a chain, or a chain with a kernel before or behind it.
struct Instruction {
  std::vector<int> nodes;    // of the graph, in the order in which they run
  std::vector<int> in, out;  // values in memory that it reads and writes
  const Kernel* kernel = nullptr;
  std::unique_ptr<Prepared> prepared;  // of the kernel, if it has something to prepare
  std::span<const Attr> attrs;
  std::size_t first_array = 0;  // the kernel's operands among the context's arrays: inputs, then results
  std::size_t n_in = 0, n_out = 0;
  std::unique_ptr<Chain> chain;

  double flops = 0, bytes = 0;
  mutable std::atomic<std::int64_t> nanoseconds{0}, runs{0};  // while profiling
};

class Program {
 public:
  explicit Program(Graph graph);
  ~Program() { delete first_idle_.load(); }

  // `inputs` and `results` point to contiguous memory, in the order in which the graph got them. Throws what kernels
  // throw for values (labels out of range). Threads may run one program at the same time; those
  // that change what others read wait for each other.
  // `reached` tells, after an exception too, how many instructions were begun.
  void run(std::byte* const* inputs, std::byte* const* results, bool profile, std::size_t& reached) const;

  // Marks the captured memory as changed that a run has changed which came so far.
  void mark_changes(std::size_t reached) const;
  // May such a run have written to this result?
  bool may_have_written(std::size_t result, std::size_t reached) const { return written_by_[result] < reached; }

  const Graph& graph() const { return graph_; }
  const std::vector<std::unique_ptr<Instruction>>& instructions() const { return instructions_; }
  std::int64_t arena_bytes() const { return arena_bytes_; }
  double cost() const { return cost_; }  // estimated nanoseconds

 private:
  // What a run of its own needs: the arena, and the operands that point into it.
  struct Context {
    Array arena;
    std::vector<Array> arrays;
    std::vector<std::byte*> pointers;
  };
  struct Slot {
    Array array;
    Place place;
  };
  void plan(const Unit& unit, const std::vector<Elementwise>& loops, PreparedNodes& prepared,
            const std::vector<int>& readers);
  std::unique_ptr<Chain> plan_chain(const Unit& unit, const std::vector<Elementwise>& loops,
                                    const std::vector<int>& readers, Instruction& instruction);
  void estimate(Instruction& instruction);
  void lay_out();
  void note_writes();
  void collect_operands();
  std::unique_ptr<Context> take_context() const;
  void give_back(std::unique_ptr<Context> context) const;
  void execute(const Instruction& instruction, Context& context) const;

  Graph graph_;
  std::vector<std::unique_ptr<Instruction>> instructions_;
  std::vector<Place> places_;  // of every value in memory
  std::int64_t arena_bytes_ = 0;
  double cost_ = 0;
  bool changes_outside_ = false, reads_outside_ = false;

  std::vector<std::pair<std::size_t, StorageRef>> updates_;   // by which instruction, of what
  std::vector<std::size_t> written_by_;                       // by result: the first instruction that does
  std::vector<Slot> arrays_;                                  // operands of all kernels
  std::vector<Place> pointers_;                               // of all chains
  std::vector<std::size_t> moving_arrays_, moving_pointers_;  // those that are elsewhere in every run

  // Contexts that nobody uses: the first changes hands without a lock, since there is seldom another.
  mutable std::atomic<Context*> first_idle_{nullptr};
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Context>> idle_;
};

}  // namespace alice::program
