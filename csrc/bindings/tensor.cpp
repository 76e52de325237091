// TensorBase: the part of a Tensor that must be quick. Everything a reader would call an API is in tensors.py. Here is
// how it lives, and how differentiation takes hold of it; the parts of tensor_parts.h are what Python sees besides.
// Hot: every call runs through here.
#include "tensor.h"

#include "context_numbers.h"
#include "elsewhere.h"
#include "equation.h"
#include "tensor_parts.h"

namespace alice {

PyTypeObject* tensor_type = nullptr;

namespace {

// ---- life -----------------------------------------------------------------------------------------------------------

// The memory counts the Tensors that show it.
void join_memory(TensorObject* t) {
  Storage* s = t->array.storage().get();
  if (!s) return;
  t->view = s->values++ > 0;
  t->version = version_of(t->array);
}
void leave_memory(TensorObject* t) {
  if (Storage* s = t->array.storage().get()) --s->values;
}

int traverse(TensorObject* t, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(t));
  Py_VISIT(t->producer);
  Py_VISIT(t->grad);
  return traverse_extension(t->extension, visit, arg);
}

// What is left is a leaf.
int clear(TensorObject* t) noexcept {
  Py_CLEAR(t->producer);
  Py_CLEAR(t->grad);
  if (TensorExtension* gone = std::exchange(t->extension, nullptr)) drop_extension(gone);
  return 0;
}

// Chains of equations see to themselves; those of Tensors (the gradient of a gradient …) are cut by CPython.
void dealloc(TensorObject* t) noexcept {
  PyObject_GC_UnTrack(t);
  const bool chained = t->grad || t->extension;
  Py_TRASHCAN_BEGIN_CONDITION(t, chained && Py_TYPE(t) == tensor_type);
  if (t->weakrefs) PyObject_ClearWeakRefs(as_object(t));
  clear(t);
  leave_memory(t);
  std::destroy_at(&t->array);
  std::destroy_at(&t->contexts);
  PyTypeObject* type = Py_TYPE(t);
  type->tp_free(t);
  Py_DECREF(type);
  Py_TRASHCAN_END
}

// The same array in other contexts.
py::object derived(TensorObject* t, EquationObject* producer, const Contexts& contexts) {
  py::object made = owned(make_tensor(t->array, producer, producer ? t->index : 0, contexts));
  TensorObject* out = as_tensor(made.ptr());
  if (t->view) out->version = t->version;
  out->trace = t->trace;
  if (t->extension || thread_state().interpreters) extend_derived(out, t);
  return made;
}

// ---- differentiation ------------------------------------------------------------------------------------------------

py::object watched(TensorObject* t, EquationObject* producer, const Contexts& contexts) {
  check_ours(t, "grad");
  return derived(t, producer, contexts);
}

// A leaf that shares the array: what a differentiation context watches.
py::object leaf(TensorObject* t, PyObject* context) { return watched(t, nullptr, context_or_none(context)); }

// The same value, followed by one more differentiation context.
py::object watch(TensorObject* t, PyObject* context) {
  return watched(t, t->producer, t->contexts | context_or_none(context));
}

// The same elements as a constant: nothing follows it, and it has no tangent.
py::object constant(TensorObject* t) {
  py::object out = derived(t, nullptr, {});
  if (TensorExtension* extension = as_tensor(out.ptr())->extension) forget_tangents(extension);
  return out;
}

}  // namespace

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
  if (const ThreadState& state = thread_state(); state.interpreters) [[unlikely]]
    state.interpreters.made(t);
  return o;
}

void set_array(TensorObject* t, Array array) {
  leave_memory(t);
  t->array = std::move(array);
  join_memory(t);
}

PyObject* same_value(TensorObject* t) { return derived(t, t->producer, t->contexts).release().ptr(); }

void refuse_stale(const TensorObject* t, const char* op) {
  fail(
      ErrorKind::Value, op, ": a view, shape ", t->array.shape(), ", ", name(t->array.dtype()),
      ", of a Tensor that was changed in place since has lost its value; take the view again after the change, or copy "
      "it before with ac.tensor(x)");
}

void add_tensor_type(py::module_& m) {
  TypeMaker<TensorObject> type(
      "TensorBase", "Native part of alice_core.Tensor.",
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION);
  type.slot<Py_tp_dealloc, dealloc>()
      .slot<Py_tp_traverse, traverse>()
      .slot<Py_tp_clear, clear>()
      .weakrefs_at(offsetof(TensorObject, weakrefs))
      .method<leaf>("_leaf", "A leaf of that context, or of none, on the same memory.")
      .method<constant>("_constant", "The same elements as a constant of all differentiation.")
      .method<watch>("_watch", "The same value, followed by one more differentiation context.");
  add_attributes(type);
  add_gradient(type);
  add_reading(type);
  add_operators(type);
  tensor_type = type.add_to(m);  // until Python names its subclass
}

}  // namespace alice
