// Where a trace takes values from: their names in it, and for a program the equation or leaf that has them.
#pragma once

#include "extension.h"
#include "session.h"

namespace alice {

// For a function that is being traced, what comes from outside is a leaf, however it was made.
inline bool is_outside(const TensorObject* t) { return t->trace < tracing_depth(thread_state()); }

// What an equation refers to as the source of an operand: the Equation that made it, or the leaf itself. Borrowed.
inline PyObject* operand_source(TensorObject* t) {
  return t->producer && !is_outside(t) ? as_object(t->producer) : as_object(t);
}

// What names the value of a Tensor: the Equation that made it, or the leaf whose value it has. Borrowed.
inline PyObject* root_of(TensorObject* t) {
  PyObject* source = operand_source(t);
  PyObject* origin = origin_of(t);
  return origin && (source == as_object(t->producer) || !t->producer) ? origin : source;
}

// The same for input i of an equation; null for an anonymous constant.
inline PyObject* root_of(const EquationObject* eq, std::size_t i) {
  const EquationExtension::Input* input = extension_of(eq, i);
  return input && input->origin ? input->origin.ptr() : eq->inputs[i].source;
}
inline std::int32_t root_index(const EquationObject* eq, std::size_t i) {
  const EquationExtension::Input* input = extension_of(eq, i);
  return input && input->origin ? input->origin_index : eq->inputs[i].index;
}

// While somebody records, a value that was computed again names the equation that did it; `itself` is the one that
// made it first.
void set_origin(TensorObject* t, PyObject* origin, const EquationObject* itself);

// A handle on the value of that root as it was before the session number `depth`, whose contexts follow it no more: a
// leaf, or a Tensor made of the description. New reference.
PyObject* value_handle(PyObject* root, int index, const Array& array, const Contexts& contexts, std::uint8_t depth);

// An object that names a value: the equation of a single result, the pair (equation, index) of several, the address
// of a leaf. New reference.
PyObject* value_key(PyObject* source, int index);

}  // namespace alice
