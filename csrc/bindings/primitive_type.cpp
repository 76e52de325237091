// PrimitiveBase as CPython sees it: how it is made, called and freed.
// Hot: every call runs through here.
#include "primitive_type.h"

#include "operators.h"
#include "primitive_attributes.h"

namespace alice {
namespace {

PyTypeObject* primitive_type = nullptr;

py::object call(PyObject* self, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  PrimitiveObject* p = as_primitive(self);
  if (names && PyTuple_GET_SIZE(names))
    throw py::type_error(std::string(p->kernel->name) + ": a primitive takes positional arguments only");
  return bind(p, args, PyVectorcall_NARGS(nargsf));
}

py::object refuse_call(PyObject* self, PyObject* const*, std::size_t, PyObject*) {
  throw py::type_error(std::string(as_primitive(self)->kernel->name) + ": this primitive cannot be called");
}

py::object make(PyTypeObject* type, PyObject* args, PyObject*) {
  const char* name;
  if (!PyArg_ParseTuple(args, "s", &name)) throw py::error_already_set();
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) fail(ErrorKind::Value, "Primitive: there is no kernel of the name ", name);
  if (!kernel->has_results()) fail(ErrorKind::Value, "Primitive: kernel ", name, " cannot be called with Tensors");
  py::object o = make_primitive(reinterpret_cast<PyObject*>(type), *kernel, name);
  PrimitiveObject* p = as_primitive(o.ptr());
  p->saved_inputs = ~std::uint64_t{0};
  p->saves_output = true;
  p->differentiable = true;
  note_operator(p);
  return o;
}

void dealloc(PrimitiveObject* p) noexcept {
  PyObject_GC_UnTrack(p);
  for (PyObject* o : {p->name, p->vjp_rules, p->vjp_joint, p->jvp_rules, p->jvp_joint}) Py_XDECREF(o);
  PyTypeObject* type = Py_TYPE(p);
  type->tp_free(p);
  Py_DECREF(type);
}

}  // namespace

py::object make_primitive(py::handle type, const Kernel& kernel, const std::string& name) {
  auto* python_type = type ? reinterpret_cast<PyTypeObject*>(type.ptr()) : primitive_type;
  if (!PyType_Check(reinterpret_cast<PyObject*>(python_type)) || !PyType_IsSubtype(python_type, primitive_type))
    throw py::type_error("make_joint: expected a subclass of PrimitiveBase");
  py::object o = owned(python_type->tp_alloc(python_type, 0));
  PrimitiveObject* p = as_primitive(o.ptr());
  p->vectorcall = !kernel.has_results() ? vectorcall<refuse_call>() : vectorcall<call>();
  p->kernel = &kernel;
  p->name = owned(PyUnicode_InternFromString(name.c_str())).release().ptr();
  return o;
}

bool is_primitive(py::handle o) { return PyObject_TypeCheck(o.ptr(), primitive_type); }

void add_primitive_type(py::module_& m) {
  TypeMaker<PrimitiveObject> type(
      "PrimitiveBase", "A native kernel that can be called with Tensors.",
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL);
  type.slot<Py_tp_new, make>()
      .slot<Py_tp_dealloc, dealloc>()
      .owns<&PrimitiveObject::vjp_rules, &PrimitiveObject::vjp_joint, &PrimitiveObject::jvp_rules,
            &PrimitiveObject::jvp_joint>()
      .vectorcall_at(offsetof(PrimitiveObject, vectorcall));
  add_attributes(type);
  primitive_type = type.add_to(m);
}

}  // namespace alice
