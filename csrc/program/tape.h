// Tape: a plan of tiny values as a program of scalars, which an interpreter runs in place of the instructions. Every
// element of every value is a register of its own: slices, broadcasts, transposes and concatenations cost nothing, they
// say which registers are meant. Where the values are those of many examples side by side, a register holds an element
// of each of them (lane_tape.h); else it is one number (scalar_tape.h).
//
// Bits are those of the instructions: the operations of IEEE arithmetic are the same in a register as in a vector, in
// the same order; all else is done by the very loops and kernels.
#pragma once

#include <memory>
#include <vector>

#include "cpu_kernels.h"
#include "plan.h"

namespace alice::program {

class Tape {
 public:
  // What a run of its own needs.
  struct Memory {
    Array registers;
    std::vector<Array> arrays;  // of the calls of kernels
  };
  // What it consists of: operations of arithmetic, loops, calls of kernels; and how many examples lie side by side.
  struct Size {
    std::size_t operations, loops, calls, lanes;
  };

  // Null where instructions are as good: values are large, or arithmetic is not what takes time.
  static std::unique_ptr<const Tape> of(const Plan& plan, const CpuKernels& kernels);
  virtual ~Tape() = default;

  double cost() const { return cost_; }  // estimated nanoseconds
  virtual Memory make_memory() const = 0;
  virtual Size size() const = 0;
  virtual void run(Memory& memory, std::byte* const* inputs, std::byte* const* results) const = 0;

 protected:
  double cost_ = 0;
};

}  // namespace alice::program
