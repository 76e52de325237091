// LaneTape: the program works on many examples side by side, and none of them sees another. A register holds one
// element of each example of a block, a lane for each; a step works on all lanes, by loops over vectors. Registers are
// reused when nobody reads them any more, so that those of a block stay in the nearest cache.
#pragma once

#include "steps.h"
#include "tape.h"

namespace alice::program {

class LaneTape final : public Tape {
 public:
  Memory make_memory() const override;
  Size size() const override;
  void run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const override;

 private:
  friend class LaneTapeMaker;
  // Between memory and a register. Of one number for all examples the stride is 0.
  struct Move {
    std::int32_t base;  // number of the input or result; -1: `offset` is an address
    std::int32_t reg;   // in units of 8 bytes, as of all steps
    std::int64_t offset, stride;
    std::uint8_t item;
  };
  struct Constant {
    std::int32_t reg;
    std::uint8_t item;
    Register value;
  };
  struct Loop {
    Elementwise work;
    const Expansion* items;  // if it is this that runs
    std::int32_t n_in, out;
    std::size_t first;  // of its operands, among `operands`
  };
  struct Group {         // steps of one kind
    ArithmeticLoop run;  // null for loops
    std::int32_t first, last;
  };
  void run_block(std::byte* registers, std::int64_t begin, std::byte* const* inputs, std::byte* const* results) const;

  std::int64_t examples_ = 0, lanes_ = 0;  // of all blocks, and of one
  std::int64_t blocks_per_chunk_ = 0;      // what a thread takes at a time
  std::int64_t slot_ = 0, bytes_ = 0;      // of a register, and of all: first those of the constants
  std::vector<Constant> constants_;
  std::vector<Move> loads_, stores_;
  std::vector<ArithmeticStep> steps_;
  std::vector<Loop> loops_;
  std::vector<std::int32_t> operands_;
  std::vector<std::unique_ptr<Expansion>> expansions_;
  std::vector<Group> groups_;
};

// Null unless it would take less than `bound` nanoseconds.
std::unique_ptr<const Tape> make_lane_tape(const Plan& plan, const CpuKernels& kernels, double bound);

}  // namespace alice::program
