// Who writes equations down, and who looks at results.
#pragma once

#include "interpreter.h"
#include "thread_state.h"

namespace alice {

// Appends every equation to a list: a trace.
class Recorder final : public Interpreter {
 public:
  py::object equations;  // a list, or null while nobody records

  void see(const BoundCall& call) override;
  bool wants_all() const override { return true; }
  void append(EquationObject* equation);
};

// Shows every executed call to a Python function, which raises if it does not like the results.
class Checker final : public Interpreter {
 public:
  py::object function;  // or null

  void see(const BoundCall& call) override;
};

inline Recorder* recorder_of(const ThreadState& state) {
  return static_cast<Recorder*>(state.interpreters[Interpreters::kRecorder]);
}
inline bool has_checker(const ThreadState& state) { return state.interpreters[Interpreters::kChecker]; }

// Both return what was there before; null: nobody.
py::object exchange_recorder(ThreadState& state, py::object list);
py::object exchange_checker(ThreadState& state, py::object function);

// The elements of `t` leave: what the function does with them is not in its equations, so a trace names the Tensor.
void note_read(TensorObject* t);

void add_recorder(py::module_& m);

}  // namespace alice
