// PrimitiveBase: a kernel that can be called with Tensors, as Python sees it. How it runs is in bind.cpp.
// Hot: every call runs through here.
#include "primitive.h"

#include <string_view>
#include <unordered_map>

#include "primitive_attributes.h"

namespace alice {
namespace {

PyTypeObject* primitive_type = nullptr;
PrimitiveObject* operators[kOperatorSlots] = {};
const char* const operator_names[kOperatorSlots] = {"add",
                                                    "subtract",
                                                    "multiply",
                                                    "divide",
                                                    "floor_divide",
                                                    "remainder",
                                                    "pow",
                                                    "matmul",
                                                    "negative",
                                                    "abs",
                                                    "equal",
                                                    "not_equal",
                                                    "less",
                                                    "less_equal",
                                                    "greater",
                                                    "greater_equal",
                                                    "logical_and",
                                                    "logical_or",
                                                    "logical_xor",
                                                    "logical_not",
                                                    "bitwise_and",
                                                    "bitwise_or",
                                                    "bitwise_xor",
                                                    "bitwise_invert",
                                                    "bitwise_left_shift",
                                                    "bitwise_right_shift",
                                                    "astype",
                                                    "remat",
                                                    "nonnegative"};

// ---- life -----------------------------------------------------------------------------------------------------------

py::object call(PyObject* self, PyObject* const* args, std::size_t nargsf, PyObject* names) {
  PrimitiveObject* p = as_primitive(self);
  if (names && PyTuple_GET_SIZE(names))
    throw py::type_error(std::string(p->kernel->name) + ": a primitive takes positional arguments only");
  return bind(p, args, PyVectorcall_NARGS(nargsf));
}

py::object refuse_call(PyObject* self, PyObject* const*, std::size_t, PyObject*) {
  throw py::type_error(std::string(as_primitive(self)->kernel->name) + ": this primitive cannot be called");
}

// Reads nothing of its operands and is not differentiable.
py::object made(PyTypeObject* type, const Kernel& kernel, const char* name) {
  py::object o = owned(type->tp_alloc(type, 0));
  PrimitiveObject* p = as_primitive(o.ptr());
  p->vectorcall = !kernel.has_results() ? vectorcall<refuse_call>() : vectorcall<call>();
  p->kernel = &kernel;
  p->name = owned(PyUnicode_InternFromString(name)).release().ptr();
  return o;
}

py::object make(PyTypeObject* type, PyObject* args, PyObject*) {
  const char* name;
  if (!PyArg_ParseTuple(args, "s", &name)) throw py::error_already_set();
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) fail(ErrorKind::Value, "Primitive: there is no kernel of the name ", name);
  if (!kernel->has_results()) fail(ErrorKind::Value, "Primitive: kernel ", name, " cannot be called with Tensors");
  py::object o = made(type, *kernel, name);
  PrimitiveObject* p = as_primitive(o.ptr());
  p->saved_inputs = ~std::uint64_t{0};
  p->saves_output = true;
  p->differentiable = true;
  for (int i = 0; i < kOperatorSlots; ++i)
    if (!operators[i] && std::string_view(operator_names[i]) == name) operators[i] = as_primitive(Py_NewRef(o.ptr()));
  return o;
}

int traverse(PrimitiveObject* p, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(p));
  Py_VISIT(p->vjp_rules);
  Py_VISIT(p->vjp_joint);
  Py_VISIT(p->jvp_rules);
  Py_VISIT(p->jvp_joint);
  return 0;
}

// What is left is a primitive without rules.
int clear(PrimitiveObject* p) noexcept {
  Py_CLEAR(p->vjp_rules);
  Py_CLEAR(p->vjp_joint);
  Py_CLEAR(p->jvp_rules);
  Py_CLEAR(p->jvp_joint);
  return 0;
}

void dealloc(PrimitiveObject* p) noexcept {
  PyObject_GC_UnTrack(p);
  clear(p);
  Py_CLEAR(p->name);
  PyTypeObject* type = Py_TYPE(p);
  type->tp_free(p);
  Py_DECREF(type);
}

// ---- rules ----------------------------------------------------------------------------------------------------------

Rules rules_of(const PrimitiveObject* p, PyObject* each, PyObject* joint, std::size_t inputs, const char* kind) {
  Rules rules;
  if (each) {
    rules.each = borrowed(each);
    if (const auto n = static_cast<std::size_t>(PyTuple_GET_SIZE(each)); n != inputs)
      fail(ErrorKind::Gradient, p->kernel->name, ": there must be one ", kind, " rule per input; expected ", inputs,
           ", got ", n);
  } else if (joint) {
    rules.joint = borrowed(joint);
  }
  return rules;
}

}  // namespace

Rules Rules::vjp(const PrimitiveObject* p, std::size_t inputs) {
  return rules_of(p, p->vjp_rules, p->vjp_joint, inputs, "VJP");
}

Rules Rules::jvp(const PrimitiveObject* p, std::size_t inputs) {
  return rules_of(p, p->jvp_rules, p->jvp_joint, inputs, "JVP");
}

PrimitiveObject* operator_primitive(int slot) { return operators[slot]; }

PrimitiveObject* update_primitive(const Kernel* kernel) {
  static std::unordered_map<const Kernel*, PrimitiveObject*> all;  // live as long as the process
  PrimitiveObject*& p = all[kernel];
  if (!p) p = as_primitive(made(primitive_type, *kernel, kernel->name).release().ptr());
  return p;
}

py::object make_primitive(py::handle type, const Kernel& kernel, const std::string& name) {
  auto* python_type = reinterpret_cast<PyTypeObject*>(type.ptr());
  if (!PyType_Check(type.ptr()) || !PyType_IsSubtype(python_type, primitive_type))
    throw py::type_error("make_joint: expected a subclass of PrimitiveBase");
  return made(python_type, kernel, name.c_str());
}

bool is_primitive(py::handle o) { return PyObject_TypeCheck(o.ptr(), primitive_type); }

void add_primitive_type(py::module_& m) {
  TypeMaker<PrimitiveObject> type(
      "PrimitiveBase", "A native kernel that can be called with Tensors.",
      Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_VECTORCALL);
  type.slot<Py_tp_new, make>()
      .slot<Py_tp_dealloc, dealloc>()
      .slot<Py_tp_traverse, traverse>()
      .slot<Py_tp_clear, clear>()
      .vectorcall_at(offsetof(PrimitiveObject, vectorcall));
  add_attributes(type);
  primitive_type = type.add_to(m);
}

}  // namespace alice
