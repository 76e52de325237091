// TensorObject: an array, where it came from, and who differentiates it.
#pragma once

#include <cstdint>

#include "../core/array.h"
#include "errors.h"
#include "thread_state.h"

namespace alice {

struct EquationObject;   // equation.h
struct TensorExtension;  // extension.h

struct TensorObject {
  PyObject_HEAD
  Array array;
  EquationObject* producer;  // null: a leaf, or a value nobody records
  std::int32_t index;        // which of the producer's results
  Contexts contexts;         // the differentiations that this value matters to
  bool requires_grad;        // a leaf whose .grad backward() fills
  std::uint8_t trace;        // of the session that it was made in: so many are one in the other; 0 for none
  bool view;                 // another Tensor showed the memory before this one
  std::uint32_t version;     // of the memory then
  PyObject* grad;            // Tensor or null
  PyObject* weakrefs;
  TensorExtension* extension;  // what interpreters remember of it; usually null
};

extern PyTypeObject* tensor_type;  // alice_core.Tensor, a Python subclass of TensorBase

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyObject_TypeCheck(o, tensor_type); }
inline TensorObject* as_tensor(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }
inline TensorObject* checked_tensor(py::handle h, const char* who) {
  if (!is_tensor(h.ptr())) throw py::type_error(std::string(who) + ": expected Tensors");
  return as_tensor(h.ptr());
}
inline PyObject* as_object(const TensorObject* t) { return reinterpret_cast<PyObject*>(const_cast<TensorObject*>(t)); }

// The contexts that follow what is computed from this value now.
inline Contexts followers_of(const TensorObject* t, const ThreadState& state = thread_state()) {
  return t->contexts & state.active;
}

// Both return new references.
PyObject* make_tensor(Array array, EquationObject* producer = nullptr, int index = 0, const Contexts& contexts = {});
PyObject* same_value(TensorObject* t);  // another handle on the same value
// What a context watches: the same value in these contexts, as a result of `producer` or, without one, a leaf.
py::object watched(TensorObject* t, EquationObject* producer, const Contexts& contexts);
py::object constant(TensorObject* t);  // the same elements: nothing follows it, and it has no tangent

// What interpreters remember of a Tensor (extension.cpp).
void forget_tangents(TensorExtension* extension);
void extend_derived(TensorObject* made, TensorObject* t);  // `made` is `t` in other contexts

void add_tensor_type(py::module_& m);

}  // namespace alice
