// TapeLoop: a loop whose body, and condition if it has one, are tapes of single numbers. What is carried stays in
// registers from step to step; constants are loaded, and what depends on them alone is computed once.
#pragma once

#include "cpu_executor.h"
#include "scalar_tape.h"

namespace alice::program {

class TapeLoop {
 public:
  // Inputs of the condition: constants, then the carry. Of the body: constants, the carry, items.
  struct Counts {
    std::size_t asked, consts, carry;
  };
  // Null where one of them has no such tape. `condition` may be null. Both live longer than the loop.
  static std::unique_ptr<const TapeLoop> of(const CpuExecutor* condition, const CpuExecutor& body, Counts counts);

  // One run. The pointers are those to the inputs of the condition and of the body, and to the body's results.
  class Run {
   public:
    Run(const TapeLoop& loop, std::byte* const* asked, std::byte* const* in);
    bool goes_on();                                          // what the condition says
    void step(std::byte* const* in, std::byte* const* out);  // reads items, writes what is stacked
    void finish(std::byte* const* out) const;                // writes the carry

   private:
    const TapeLoop& loop_;
    const Array registers_;
    Register *const body_, *const condition_;  // the condition's are behind the body's
    std::vector<Array> of_body_, of_condition_;
  };

 private:
  using Move = ScalarTape::Move;
  using Copies = std::vector<ArithmeticStep>;  // out = a, whatever lies there
  TapeLoop(const ScalarTape* condition, const ScalarTape& body, Counts counts);
  void part_steps();
  void part(const std::vector<std::int32_t>& is_constant);
  static void copy(const Copies& copies, Register* to, const Register* from);

  const ScalarTape* condition_;
  const ScalarTape& body_;
  std::int32_t registers_;             // of the body, and spare ones
  std::vector<ArithmeticStep> steps_;  // of the body, where they are parted
  std::vector<ScalarTape::Group> once_, each_;
  std::vector<Move> asked_, constants_;  // loaded once
  std::vector<Move> carry_, first_;      // as results of the body; as its inputs
  std::vector<Move> items_, stacked_;    // of every step
  Copies set_aside_, carried_;           // behind a step: first what would be written over
  Copies shown_;                         // from the body to the condition
};

}  // namespace alice::program
