// From what a session wrote down to a native program, and its contract with its surroundings.
#pragma once

#include <memory>
#include <vector>

#include "../program/cpu_executor.h"
#include "holder.h"
#include "session.h"
#include "variables.h"

namespace alice {

struct CompiledProgram {
  program::Contract contract;
  std::vector<py::object> outside;                // the Tensors of contract.outside
  std::vector<const TensorObject*> views;         // those of them that can lose their values
  std::unique_ptr<program::CpuExecutor> program;  // null: the function must run as it is
  std::vector<py::object> changed;                // those that it changes in place
  std::vector<bool> followed;                     // by result: a later backward() would go on to Tensors from outside
};

// Without a program if somebody differentiates through the function: it depends on a Tensor from outside that is being
// followed, or its results on an argument that requires a gradient.
std::shared_ptr<CompiledProgram> lower(const Session& session, const std::vector<TensorObject*>& inputs,
                                       const std::vector<TensorObject*>& outputs);

// A program as Python sees it.
using ProgramObject = Holder<std::shared_ptr<CompiledProgram>>;

}  // namespace alice
