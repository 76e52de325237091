// TensorObject: an array, where it came from, and who differentiates it.
#pragma once

#include <cstdint>

#include "../core/array.h"
#include "errors.h"
#include "thread_state.h"

namespace alice {

struct EquationObject;  // equation.h

struct TensorObject {
  PyObject_HEAD
  Array array;
  EquationObject* producer;  // null: a leaf, or a value nobody records
  std::int32_t index;        // which of the producer's results
  std::uint32_t levels;      // the differentiation contexts that this value depends on, one bit each; see contexts_of()
  std::uint64_t born;        // contexts_begun() when it was made
  bool requires_grad;        // a leaf whose .grad backward() fills
  bool weak;                 // stands for a Python number of a traced call: takes the dtype of the Tensors beside it
  std::uint8_t width;        // of a weak integer: bytes of the narrowest dtype that holds it; 0 if not known
  std::uint8_t from_trace;   // made in so many nested sessions
  std::uint8_t thread;       // number of the thread that made it
  bool view;                 // another Tensor showed the memory before this one
  std::uint32_t version;     // of the memory then
  PyObject* origin;          // of a leaf made while recording, or of a value computed again: the Equation or leaf that
                             // a program takes the value from; or null
  std::uint8_t origin_from;  // in so many nested sessions it got the origin
  PyObject* grad;            // Tensor or null
  PyObject* tangents;        // by forward context, see forward.cpp; null for none
  PyObject* weakrefs;
};

extern PyTypeObject* tensor_type;  // alice_core.Tensor, a Python subclass of TensorBase

inline bool is_tensor(PyObject* o) { return Py_TYPE(o) == tensor_type || PyObject_TypeCheck(o, tensor_type); }
inline TensorObject* as_tensor(PyObject* o) { return reinterpret_cast<TensorObject*>(o); }
inline TensorObject* checked_tensor(py::handle h, const char* who) {
  if (!is_tensor(h.ptr())) throw py::type_error(std::string(who) + ": expected Tensors");
  return as_tensor(h.ptr());
}
inline PyObject* as_object(const TensorObject* t) { return reinterpret_cast<PyObject*>(const_cast<TensorObject*>(t)); }

// The contexts that this value depends on, of those that are open.
inline std::uint32_t contexts_of(const TensorObject* t, const ThreadState& state = thread_state()) {
  return begun_by(t->born, t->levels, state);
}
// And of those, the ones that follow what is computed now.
inline std::uint32_t followers_of(const TensorObject* t, const ThreadState& state = thread_state()) {
  return contexts_of(t, state) & state.active;
}

// The version of the memory as this thread sees it: a traced function has not changed anything yet, but goes on as if
// it had. 0 without memory.
std::uint32_t version_of(const Array& a);

// Tensors are values, and only the one that a memory belongs to can be changed in place. Others that show it, its
// views, then have lost their values.
inline bool is_stale(const TensorObject* t) { return t->view && version_of(t->array) != t->version; }
[[noreturn]] void refuse_stale(const TensorObject* t, const char* op);
inline void check_current(const TensorObject* t, const char* op) {
  if (is_stale(t)) refuse_stale(t, op);
}

// All of these return new references.
PyObject* make_tensor(Array array, EquationObject* producer = nullptr, int index = 0, std::uint32_t levels = 0);
PyObject* same_value(TensorObject* t);    // another handle on the same value
PyObject* strengthened(TensorObject* t);  // a number of a traced call as a Tensor like any other

// Throws if the elements may not be read: there are none, or they would become constants of a program (TraceError), or
// they have changed.
void check_readable(const TensorObject* t, const char* op);

// The one element as a Python number. Throws if it may not be read, or would lose a derivative.
py::object item(TensorObject* t, const char* op);

// For a function that is being compiled, what comes from outside is a leaf, however it was made.
inline bool is_outside(const TensorObject* t) { return t->from_trace < thread_state().tracing; }

// What an equation refers to as the source of an operand: the Equation that made it, or the leaf itself. Borrowed.
inline PyObject* operand_source(TensorObject* t) {
  return t->producer && !is_outside(t) ? reinterpret_cast<PyObject*>(t->producer) : as_object(t);
}

// Which of its source's results an operand is. A leaf is its only one, whatever it stands for in a program.
inline std::int32_t index_in_source(TensorObject* t) { return t->producer ? t->index : 0; }

// What names the value of a Tensor: the Equation that made it, or the leaf whose value it has. Borrowed.
inline PyObject* root_of(TensorObject* t) {
  PyObject* source = operand_source(t);
  return t->origin && (source == reinterpret_cast<PyObject*>(t->producer) || !t->producer) ? t->origin : source;
}

// Result number i of a call, which is a Tensor or a tuple of them.
inline TensorObject* result_at(py::handle result, std::size_t i) {
  return as_tensor(PyTuple_Check(result.ptr()) ? PyTuple_GET_ITEM(result.ptr(), static_cast<Py_ssize_t>(i))
                                               : result.ptr());
}

void add_tensor_type(py::module_& m);

}  // namespace alice
