// Interpreters see what a thread computes, besides reverse mode: a trace that is written down, a function that is being
// compiled, forward mode, checkpoints and checkers each are one. bind() knows them by this interface alone; usually
// there is none. What they need to remember of Tensors and equations is in extension.h.
#pragma once

#include <vector>

#include "../core/kernel.h"
#include "errors.h"

namespace alice {

struct TensorObject;     // tensor.h
struct EquationObject;   // equation.h
struct PrimitiveObject;  // primitive.h

// One call of a primitive, when it is over.
struct BoundCall {
  PrimitiveObject* primitive;
  const std::vector<TensorObject*>& operands;
  const std::vector<Array>& read;  // by the kernel, see Interpreter::value
  const std::vector<Attr>& attrs;
  py::object attributes;     // the same, a tuple; or null for none
  EquationObject* equation;  // or null: neither reverse mode nor an interpreter wants one
  py::object result;         // a Tensor, or a tuple of them
};

class Interpreter {
 public:
  virtual void see(const BoundCall& call) = 0;
  // Shall every call become an equation? If not, only those do that reverse mode follows.
  virtual bool wants_all() const { return false; }
  // Is nothing computed but shapes and dtypes?
  virtual bool is_abstract() const { return false; }
  // Where an op that is given `t` takes the elements from; borrowed. For differentiation its operand is `t`.
  virtual TensorObject* value(TensorObject* t) { return t; }
  // A new Tensor.
  virtual void made(TensorObject*) {}

 protected:
  ~Interpreter() = default;
};

}  // namespace alice
