#include "primitive_attributes.h"

#include <string>

namespace alice {
namespace {

using RulesOf = PyObject* PrimitiveObject::*;

template <RulesOf rules>
py::object get_rules(PrimitiveObject* p) {
  return borrowed(p->*rules ? p->*rules : Py_None);
}

constexpr const char* name_of(RulesOf rules) {
  return rules == &PrimitiveObject::vjp_rules   ? "vjp_rules"
         : rules == &PrimitiveObject::vjp_joint ? "vjp_joint"
         : rules == &PrimitiveObject::jvp_rules ? "jvp_rules"
                                                : "jvp_joint";
}

// A deleted rule is none.
template <RulesOf rules>
void set_joint(PrimitiveObject* p, PyObject* value) {
  const bool none = !value || value == Py_None;
  if (!none && !PyCallable_Check(value))
    throw py::type_error(std::string(p->kernel->name) + ": " + name_of(rules) + " must be a function or None; got " +
                         Py_TYPE(value)->tp_name);
  Py_XSETREF(p->*rules, none ? nullptr : Py_NewRef(value));
}

template <RulesOf rules>
void set_rules(PrimitiveObject* p, PyObject* value) {
  py::object all;
  if (value && value != Py_None) {
    const std::string who = std::string(p->kernel->name) + ": " + name_of(rules);
    if (!PyTuple_Check(value) && !PyList_Check(value))
      throw py::type_error(who + " must be a tuple with one rule per input, or None; got " + Py_TYPE(value)->tp_name);
    all = owned(PySequence_Tuple(value));
    const Py_ssize_t n = PyTuple_GET_SIZE(all.ptr());
    if (p->kernel->n_in >= 0 && n != p->kernel->n_in)
      fail(ErrorKind::Value, who, " must have one rule per input; expected ", p->kernel->n_in, ", got ", n);
    for (Py_ssize_t i = 0; i < n; ++i) {
      PyObject* rule = PyTuple_GET_ITEM(all.ptr(), i);
      if (rule != Py_None && !PyCallable_Check(rule))
        throw py::type_error(who + " must be functions or None; got " + Py_TYPE(rule)->tp_name + " for input " +
                             std::to_string(i));
    }
  }
  Py_XSETREF(p->*rules, all.release().ptr());
}

void set_saves(PrimitiveObject* p, PyObject* const* args, Py_ssize_t n) {
  if (n != 3) throw py::type_error("_set_saves: expected a bit set of inputs, output?, differentiable?");
  const unsigned long long inputs = PyLong_AsUnsignedLongLong(args[0]);
  if (PyErr_Occurred()) throw py::error_already_set();
  const int output = PyObject_IsTrue(args[1]), differentiable = output < 0 ? -1 : PyObject_IsTrue(args[2]);
  if (differentiable < 0) throw py::error_already_set();
  p->saved_inputs = inputs;
  p->saves_output = output;
  p->differentiable = differentiable;
}

py::object get_name(PrimitiveObject* p) { return borrowed(p->name); }
int get_n_inputs(PrimitiveObject* p) { return p->kernel->n_in; }
int get_n_outputs(PrimitiveObject* p) { return p->kernel->n_out; }
bool get_differentiable(PrimitiveObject* p) { return p->differentiable; }

}  // namespace

void add_attributes(TypeMaker<PrimitiveObject>& type) {
  using P = PrimitiveObject;
  type.getter<get_name>("name", "Name of the primitive and of its kernel.")
      .getter<get_n_inputs>("n_inputs", "Number of array inputs, -1 for any number.")
      .getter<get_n_outputs>("n_outputs", "Number of results.")
      .getter<get_differentiable>("differentiable", "False if the result carries no gradient.")
      .property<get_rules<&P::vjp_rules>, set_rules<&P::vjp_rules>>("vjp_rules",
                                                                    "One VJP rule (or None) per input, or None.")
      .property<get_rules<&P::vjp_joint>, set_joint<&P::vjp_joint>>("vjp_joint",
                                                                    "One VJP rule for all inputs, or None.")
      .property<get_rules<&P::jvp_rules>, set_rules<&P::jvp_rules>>("jvp_rules",
                                                                    "One JVP rule (or None) per input, or None.")
      .property<get_rules<&P::jvp_joint>, set_joint<&P::jvp_joint>>("jvp_joint",
                                                                    "One JVP rule for all inputs, or None.")
      .method<set_saves>("_set_saves", "(bit set of inputs, output?, differentiable?)");
}

}  // namespace alice
