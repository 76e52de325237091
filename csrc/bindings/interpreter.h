// Interpreters see what a thread computes, besides reverse mode: a trace that is written down, a function that is being
// compiled, forward mode, checkpoints and checkers each are one. bind() knows them by this interface alone; usually
// there is none. What they need to remember of Tensors and equations is in extension.h.
#pragma once

#include <array>
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

// Those of one thread, at most one of a kind: what is open already waits until the inner one has ended. They see a call
// in this order.
class Interpreters {
 public:
  enum Kind { kSession, kChecker, kRecorder, kForward, kCheckpoint, kKinds };

  explicit operator bool() const { return count_ != 0; }
  bool other_than(Kind kind) const { return count_ > (all_[kind] ? 1 : 0); }
  Interpreter* operator[](Kind kind) const { return all_[kind]; }
  Interpreter* exchange(Kind kind, Interpreter* other);  // returns the one before; null: none

  // What all of them say; with none, what the base class does.
  void see(const BoundCall& call) const;
  void made(TensorObject* t) const;
  bool want_all() const { return want_all_; }
  bool are_abstract() const { return are_abstract_; }
  TensorObject* value(TensorObject* t) const { return count_ ? value_of(t) : t; }

 private:
  TensorObject* value_of(TensorObject* t) const;

  std::array<Interpreter*, kKinds> all_{};
  int count_ = 0;
  bool want_all_ = false, are_abstract_ = false;
};

}  // namespace alice
