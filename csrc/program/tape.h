// Tape: a plan of tiny values as a program of scalars. Where an instruction costs more than its arithmetic, every
// element of every value is a register of its own, and one interpreter runs through additions, products and so on.
// Slices, broadcasts, transposes and concatenations cost nothing then: they say which registers are meant.
//
// Bits are those of the instructions: the operations of IEEE arithmetic are the same in a register as in a vector, in
// the same order; all else is done by the very loops and kernels, on operands that are copied together.
#pragma once

#include <memory>
#include <vector>

#include "cpu_kernels.h"
#include "plan.h"

namespace alice::program {

class Tape {
 public:
  union Register {
    double d;
    float f;
    std::byte bytes[8];
  };
  // What a run of its own needs.
  struct Memory {
    std::vector<Register> registers;
    std::vector<Array> arrays;  // of the calls of kernels
  };

  // Null where instructions are as good: values are large, or arithmetic is not what takes time.
  static std::unique_ptr<const Tape> of(const Plan& plan, const CpuKernels& kernels);

  Memory make_memory() const;
  // What it consists of: operations of arithmetic, loops over some lanes, calls of kernels.
  struct Size {
    std::size_t operations, loops, calls;
  };
  Size size() const;
  // Writes no result before all is computed.
  void run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const;

 private:
  friend class TapeMaker;
  static constexpr std::size_t kLanes = 16;  // what loops take at a time
  enum class Op : std::uint8_t {
    // clang-format off
    AddD, SubtractD, MultiplyD, DivideD, StrongMultiplyD, StrongDivideD, NegativeD, SqrtD,
    AddF, SubtractF, MultiplyF, DivideF, StrongMultiplyF, StrongDivideF, NegativeF, SqrtF,
    // clang-format on
    Loop,  // number a of the loops
    Call,  // number a of the calls
  };
  struct Step {
    std::int32_t out, a, b;  // registers
  };
  // Steps of one kind that do not depend on each other: nothing is decided between them, none waits for another.
  struct Group {
    Op op;
    std::int32_t first, last;
  };
  static void run_arithmetic(Op op, const Step* first, const Step* last, Register* registers);
  static Register value_of(Op op, Register a, Register b);
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

  void run_lanes(const Lanes& lanes, Register* r) const;
  void run_call(const KernelCall& call, Memory& memory) const;

  std::vector<Register> start_;  // registers before the first step: the constants
  std::vector<Move> loads_, stores_;
  std::vector<Step> steps_;
  std::vector<Group> groups_;  // of the steps, in their order
  std::vector<Lanes> loops_;
  std::vector<std::int32_t> lists_;
  std::vector<KernelCall> calls_;
};

}  // namespace alice::program
