// ScalarTape: every register is one number. Steps of one kind come one after the other, so that between them nothing is
// decided and none waits for another.
#pragma once

#include "steps.h"
#include "tape.h"

namespace alice::program {

class ScalarTape final : public Tape {
 public:
  Memory make_memory() const override;
  Size size() const override;
  // Writes no result before all is computed.
  void run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const override;

 private:
  friend class ScalarTapeMaker;
  friend class TapeLoop;                     // runs it over and over
  static constexpr std::size_t kLanes = 16;  // what loops take at a time
  // Steps of one kind. Of a loop or a call, `a` is its number.
  struct Group {
    ArithmeticLoop run;  // null for loops and calls
    Op op;
    const ArithmeticStep *first, *last;
  };
  // Between memory and a register.
  struct Move {
    std::int32_t base;  // number of the input or result; -1: `offset` is an address
    std::int32_t reg;
    std::int64_t offset;
    std::uint8_t item;
  };
  // A loop over some lanes, of which each has its registers.
  struct Lanes {
    Elementwise work;
    const Expansion* items;  // if it is this that runs: its items have all one size
    std::uint8_t n_in, n, out_item, in_item[4];
    std::size_t first;  // among `lists`: n registers of each operand, then n of the result
  };
  struct Element {
    std::int64_t offset;  // bytes
    std::int32_t reg;
  };
  struct Operand {
    Array layout;
    std::int64_t begin, bytes;  // of the memory that it spans, as seen from its first element
    std::vector<Element> elements;
  };
  struct KernelCall {
    const Kernel* kernel;
    const Prepared* prepared;
    const std::vector<Attr>* attrs;
    std::size_t n_in;
    std::vector<Operand> operands;  // inputs, then results
    std::size_t first;              // among the memory's arrays
  };

  static void load(const std::vector<Move>& moves, std::byte* const* inputs, Register* r);
  static void store(const std::vector<Move>& moves, const Register* r, std::byte* const* results);
  std::vector<Array> make_arrays() const;  // for the calls of kernels
  void compute(const std::vector<Group>& groups, std::vector<Array>& arrays, Register* r) const;
  void run_lanes(const Lanes& lanes, Register* r) const;
  void run_items(const Lanes& lanes, Register* r) const;
  void run_call(const KernelCall& call, std::vector<Array>& all, Register* r) const;

  std::vector<Register> start_;       // registers before the first step: the constants
  std::vector<Move> loads_, stores_;  // the largest items first
  std::vector<ArithmeticStep> steps_;
  std::vector<Group> groups_;  // of the steps, in their order
  std::vector<Lanes> loops_;
  std::vector<std::int32_t> lists_;
  std::vector<std::unique_ptr<Expansion>> expansions_;  // that are loops
  std::vector<KernelCall> calls_;
};

// Null unless it would take less than `bound` nanoseconds.
std::unique_ptr<const Tape> make_scalar_tape(const Plan& plan, const CpuKernels& kernels, double bound);

}  // namespace alice::program
