// What walks along a graph of equations share, forward and backward: names of values, the order of execution, and how
// rules are called.
#pragma once

#include <functional>

#include "engine.h"
#include "gil.h"

namespace alice {

// A value: result `index` of an equation, or a leaf Tensor.
struct Value {
  const void* source;
  std::int32_t index;
  bool operator==(const Value&) const = default;
};
struct ValueHash {
  std::size_t operator()(const Value& v) const {
    return std::hash<const void*>{}(v.source) * 31 + static_cast<std::size_t>(v.index);
  }
};
inline Value value_of(TensorObject* t) { return t->producer ? Value{t->producer, t->index} : Value{t, 0}; }
inline Value value_of(const Saved& s) { return {s.source, s.index}; }

// Null if it is none.
inline EquationObject* as_equation(PyObject* o) {
  return o && Py_TYPE(o) == equation_type ? reinterpret_cast<EquationObject*>(o) : nullptr;
}

// A derivative rule, which is Python.
inline py::object call(PyObject* rule, const std::vector<PyObject*>& args) {
  PyObject* result = into_python([&] { return PyObject_Vectorcall(rule, args.data(), args.size(), nullptr); });
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

// Marks equations: those that a walk came to, and of these the ones that it keeps. What another walk has marked since,
// in a rule that takes a gradient, is lost: marks are for loops that call no Python.
class Walk {
 public:
  Walk();
  bool enter(EquationObject* eq) const {  // for the first time?
    const bool first = eq->mark != entered_;
    eq->mark = entered_;
    return first;
  }
  void keep(EquationObject* eq) const { eq->mark = entered_ + 1; }
  bool keeps(const EquationObject* eq) const { return eq->mark == entered_ + 1; }

 private:
  std::uint64_t entered_;
};

// The equations that tracked values led through to the outputs, first executed first.
std::vector<EquationObject*> equations_before(const std::vector<TensorObject*>& outputs, const Walk& walk);

}  // namespace alice
