// From what a session wrote down to a native program, and what the program needs to know about its surroundings.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "../program/cpu_executor.h"
#include "session.h"

namespace alice {

// A leaf whose .grad a program reads or leaves: a Tensor from outside, or an argument.
struct GradientSlot {
  py::object leaf;       // null for an argument
  int argument = -1;     // its number among the Tensors of the call
  bool present = false;  // reads: there is a gradient, not None
  int result = -1;       // writes: number of the program's result; -1 for None
};

struct CompiledProgram {
  std::unique_ptr<program::CpuExecutor> program;
  std::vector<py::object> changed;                    // captured Tensors that the program changes in place
  std::vector<std::pair<py::object, bool>> captured;  // floating Tensors from outside: did they require a gradient?
  std::vector<GradientSlot> reads;  // what was there before: every one is a condition, those present are inputs
  std::vector<GradientSlot> writes;
  std::vector<Array> outputs;  // their shapes and dtypes
  std::vector<bool> weak;      // outputs that are Python numbers
};

// Null if somebody differentiates through the function: it depends on a Tensor from outside that is being followed, or
// its results on an argument that requires a gradient. Then it must run as it is.
std::shared_ptr<CompiledProgram> lower(const Session& session, const std::vector<TensorObject*>& inputs,
                                       const std::vector<TensorObject*>& outputs);

}  // namespace alice
