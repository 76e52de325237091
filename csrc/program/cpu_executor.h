// CpuExecutor: replays a plan. Instructions run one after the other over one block of memory, the arena, that was laid
// out in advance: nothing is allocated, no shape is looked at again.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "../core/tiles.h"
#include "cpu_kernels.h"
#include "plan.h"
#include "tape.h"

namespace alice::program {

class CpuExecutor {
 public:
  explicit CpuExecutor(std::shared_ptr<const Plan> plan);
  CpuExecutor(const CpuExecutor&) = delete;
  CpuExecutor& operator=(const CpuExecutor&) = delete;
  ~CpuExecutor();

  // Simplifies the graph, plans it, and gets ready to run the plan.
  static std::unique_ptr<CpuExecutor> of(Graph graph);

  // `inputs` and `results` point to contiguous memory, in the order in which the graph got them. Throws what kernels
  // throw for values (labels out of range). Any number of threads may run one program at the same time. The caller
  // holds locks (core/locks.h) of plan().access() and of the inputs; what is changed in place is marked as changed.
  // `reached` counts the instructions that were begun, for who must know what a run that threw has done.
  void run(std::byte* const* inputs, std::byte* const* results, bool profile, std::size_t* reached) const;

  class Repeated;  // runs it many times in a row

  const Tape* tape() const { return tape_.get(); }  // that runs in place of the instructions; null for none

  const Plan& plan() const { return *plan_; }
  const std::shared_ptr<const Plan>& shared_plan() const { return plan_; }

  // Of an instruction, by number: while profiling.
  struct Timing {
    std::atomic<std::int64_t> nanoseconds{0}, runs{0};
  };
  const Timing& timing(std::size_t instruction) const { return timings_[instruction]; }

 private:
  CpuExecutor(std::shared_ptr<const Plan> plan, CpuKernels kernels);

  // An instruction in terms of loops and calls.
  struct Step {
    const Instruction* instruction;
    const Kernel* kernel = nullptr;
    std::unique_ptr<Prepared> prepared;  // of the kernel, if it has something to prepare
    std::span<const Attr> attrs;
    std::size_t first_array = 0;  // the kernel's operands among the context's arrays: inputs, then results
    std::size_t n_in = 0, n_out = 0;
    std::unique_ptr<const Tiles> tiles;  // of the chain
    std::size_t first_pointer = 0;       // the chain's values among the context's pointers
  };
  // What a run of its own needs: the arena, and the operands that point into it.
  struct Context {
    Array arena;
    std::vector<Array> arrays;
    std::vector<std::byte*> pointers;
    Tape::Memory tape;
  };
  struct Slot {
    int value;
    Place place;
  };
  void add_kernel(const Instruction& instruction, CpuKernels& kernels, Step& step);
  void add_chain(const Chain& chain, const CpuKernels& kernels, Step& step);
  std::unique_ptr<Context> make_context() const;
  void move(Context& context, std::byte* const* inputs, std::byte* const* results) const;
  void execute_all(Context& context, std::size_t* reached) const;
  void execute(const Step& step, Context& context) const;
  void update(const Step& step, const Call& call) const;

  std::shared_ptr<const Plan> plan_;
  std::vector<Step> steps_;
  std::vector<Slot> arrays_;                                  // operands of all kernels
  std::vector<Place> pointers_;                               // of all chains
  std::vector<std::size_t> moving_arrays_, moving_pointers_;  // those that are elsewhere in every run
  std::unique_ptr<Timing[]> timings_;
  std::unique_ptr<const Tape> tape_;  // runs in place of the steps; null where that would not pay

  // Contexts that nobody uses; without a lock, which the child of a fork might find taken. Seldom is there a second.
  mutable std::array<std::atomic<Context*>, 16> idle_{};

  // A context for one user: an idle one, or else a new one.
  class Borrowed {
   public:
    explicit Borrowed(const CpuExecutor& owner);
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    ~Borrowed();
    Context& operator*() const { return *context_; }

   private:
    const CpuExecutor& owner_;
    std::unique_ptr<Context> context_;
  };
};

class CpuExecutor::Repeated {
 public:
  explicit Repeated(const CpuExecutor& executor) : executor_(executor), context_(executor) {}
  void operator()(std::byte* const* inputs, std::byte* const* results);

 private:
  const CpuExecutor& executor_;
  Borrowed context_;
};

}  // namespace alice::program
