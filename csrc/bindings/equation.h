// EquationObject: one call of a primitive, as reverse mode, the printed trace and the compiler see it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "../core/array.h"
#include "tensor.h"

namespace alice {

struct PrimitiveObject;    // primitive.h
struct EquationExtension;  // extension.h

// One input of an equation, as its gradient rules will see it.
struct Saved {
  PyObject* source;       // owned: the producing Equation, the leaf Tensor, or null for a constant
  Array array;            // without memory if no rule reads it
  Contexts contexts;      // that the value matters to
  std::uint32_t version;  // of the storage when it was saved
  std::int32_t index;     // which of its source's results it is
  bool tracked;           // one of its contexts followed the call; then there is a source
};

// One result of an equation.
struct Output {
  Array array;  // without memory if no rule reads it
  std::uint32_t version;
};

struct EquationObject {
  PyObject_VAR_HEAD PrimitiveObject* primitive;
  PyObject* attributes;  // tuple, or null for none
  std::uint64_t sequence;
  std::uint64_t mark;            // of the last walk that came here, see graph_walk.h
  Contexts contexts;             // that follow it
  bool released;                 // saved arrays were given back
  std::uint8_t trace;            // of the session that it was made in; 0 for none
  EquationExtension* extension;  // what interpreters remember of it; usually null
  // Both lie behind the equation, in the same piece of memory: graphs have equations by the million.
  std::span<Saved> inputs;
  std::span<Output> outputs;
};

extern PyTypeObject* equation_type;

inline bool is_equation(const PyObject* o) { return Py_TYPE(o) == equation_type; }
// Null if it is none.
inline EquationObject* as_equation(PyObject* o) {
  return o && is_equation(o) ? reinterpret_cast<EquationObject*>(o) : nullptr;
}
inline PyObject* as_object(const EquationObject* eq) {
  return reinterpret_cast<PyObject*>(const_cast<EquationObject*>(eq));
}

std::uint64_t equations_made();  // so far: the number that the next one gets
// The equation of one call. Its inputs are for the caller to fill in. New reference.
EquationObject* make_equation(PrimitiveObject* primitive, std::size_t inputs, PyObject* attributes,
                              const Contexts& contexts, std::span<const Array> outputs);

// What the gradient rules get to see. Both throw if the saved values are gone or were changed in place. `data` is the
// equation that has the data: `eq` itself, or one that did the same again (Repeats::twin).
py::tuple saved_inputs(EquationObject* eq, const EquationObject* data);
py::tuple saved_outputs(EquationObject* eq, const EquationObject* data);
void release_saved(EquationObject* eq);

// What interpreters remember of an equation (extension.cpp).
void release_recomputed(EquationExtension* extension);
// `made` is input or result number i of an equation again.
void extend_saved_input(TensorObject* made, const EquationObject* eq, const EquationObject* data, std::size_t i);
void extend_saved_output(TensorObject* made, const EquationObject* eq, const EquationObject* data, std::size_t i);

void add_equation_type(py::module_& m);

}  // namespace alice
