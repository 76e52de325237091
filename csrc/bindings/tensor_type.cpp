// TensorBase as CPython sees it: how it is freed, and what its parts add. Everything a reader would call an API is in
// tensors.py.
// Hot: every call runs through here.
#include "context_numbers.h"
#include "extension.h"
#include "tensor_parts.h"
#include "views.h"

namespace alice {

PyTypeObject* tensor_type = nullptr;

namespace {

int traverse(TensorObject* t, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(t));
  Py_VISIT(t->producer);
  Py_VISIT(t->grad);
  return t->extension ? t->extension->traverse(visit, arg) : 0;
}

// What is left is a leaf.
int clear(TensorObject* t) noexcept {
  Py_CLEAR(t->producer);
  Py_CLEAR(t->grad);
  delete std::exchange(t->extension, nullptr);
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

py::object leaf(TensorObject* t, PyObject* context) { return watched(t, nullptr, context_or_none(context)); }
py::object watch(TensorObject* t, PyObject* context) {
  return watched(t, t->producer, t->contexts | context_or_none(context));
}

}  // namespace

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
