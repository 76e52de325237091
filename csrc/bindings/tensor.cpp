// How Tensors are made: of what a call has computed, or of another one with its value. How CPython sees them is in
// tensor_type.cpp.
// Hot: every call runs through here.
#include "tensor.h"

#include "elsewhere.h"
#include "equation.h"
#include "views.h"

namespace alice {

PyObject* make_tensor(Array array, EquationObject* producer, int index, const Contexts& contexts) {
  PyObject* o = tensor_type->tp_alloc(tensor_type, 0);
  if (!o) throw py::error_already_set();
  TensorObject* t = as_tensor(o);
  new (&t->array) Array(std::move(array));
  join_memory(t);
  t->producer = producer;
  Py_XINCREF(as_object(producer));
  t->index = index;
  new (&t->contexts) Contexts(contexts);
  py::object made = owned(o);  // who is told may find no memory to remember it
  if (const ThreadState& state = thread_state(); state.interpreters) [[unlikely]]
    state.interpreters.made(t);
  return made.release().ptr();
}

namespace {

// The same array in other contexts.
py::object derived(TensorObject* t, EquationObject* producer, const Contexts& contexts) {
  py::object made = owned(make_tensor(t->array, producer, producer ? t->index : 0, contexts));
  TensorObject* out = as_tensor(made.ptr());
  if (t->view) out->version = t->version;
  out->trace = t->trace;
  if (t->extension || thread_state().interpreters) extend_derived(out, t);
  return made;
}

}  // namespace

PyObject* same_value(TensorObject* t) { return derived(t, t->producer, t->contexts).release().ptr(); }

py::object watched(TensorObject* t, EquationObject* producer, const Contexts& contexts) {
  check_ours(t, "grad");
  return derived(t, producer, contexts);
}

py::object constant(TensorObject* t) {
  py::object out = derived(t, nullptr, {});
  if (TensorExtension* extension = as_tensor(out.ptr())->extension) forget_tangents(extension);
  return out;
}

}  // namespace alice
