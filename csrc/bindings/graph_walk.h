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

// A derivative rule, which is Python. The caller owns it.
inline py::object call(py::handle rule, const std::vector<PyObject*>& args) {
  return owned(into_python([&] { return PyObject_Vectorcall(rule.ptr(), args.data(), args.size(), nullptr); }));
}

// The static arguments of an equation, behind what a rule has got already.
inline void append_attributes(std::vector<PyObject*>& args, const EquationObject* eq) {
  for (Py_ssize_t i = 0; eq->attributes && i < PyTuple_GET_SIZE(eq->attributes); ++i)
    args.push_back(PyTuple_GET_ITEM(eq->attributes, i));
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
