// What walks along a graph of equations share, forward and backward: names of values, and the order of execution.
#pragma once

#include <functional>

#include "engine.h"

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

// The equations that tracked values led through to the outputs, first executed first.
std::vector<EquationObject*> equations_before(const std::vector<TensorObject*>& outputs);

}  // namespace alice
