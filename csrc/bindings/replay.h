// One run of a compiled program: its operands are bound as the contract says, and what it leaves is handed out.
#pragma once

#include "arguments.h"
#include "lower.h"

namespace alice {

// The program of one signature, and the shape of what the function returned.
struct Traced {
  std::shared_ptr<CompiledProgram> made;
  py::object structure;      // of what the function returned, a TreeDef
  py::object others;         // a tuple: by leaf what is no Tensor, or None
  std::vector<int> outputs;  // by leaf: the number of the Tensor, or -1
  py::object marks;          // a tuple: by Tensor one whose equation refuses to be differentiated, or None; or None
  py::object call;           // what runs where somebody differentiates, a function of the leaves; or None
  bool single = false;       // the result is one Tensor

  bool runs_as_it_is() const { return !made->program; }
  // Is everything around as it was when the function was traced?
  bool holds(const Arguments& arguments) const;
  // An argument is one of the Tensors from outside this time, and the program would treat their gradients as two.
  bool is_split(const Arguments& arguments) const;
};

// New reference: what the function returns. Throws what kernels throw for values.
PyObject* replay(const Traced& traced, Arguments& arguments, bool profile);

}  // namespace alice
