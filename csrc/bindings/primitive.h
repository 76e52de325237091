// PrimitiveObject: a kernel that can be called with Tensors, and its derivative rules.
#pragma once

#include <cstdint>
#include <string>

#include "../core/kernel.h"
#include "errors.h"

namespace alice {

struct PrimitiveObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  const Kernel* kernel;
  PyObject* name;
  std::uint64_t saved_inputs;  // bit i: the gradient rule reads the data of input i
  bool saves_output;
  bool differentiable;
  // Python may replace them while they run: whoever calls one owns it.
  PyObject* vjp_rules;  // tuple of one rule (or None) per input, or null
  PyObject* vjp_joint;  // one rule for all inputs, or null
  PyObject* jvp_rules;  // likewise
  PyObject* jvp_joint;
};

inline PrimitiveObject* as_primitive(PyObject* o) { return reinterpret_cast<PrimitiveObject*>(o); }
inline PyObject* as_object(const PrimitiveObject* p) {
  return reinterpret_cast<PyObject*>(const_cast<PrimitiveObject*>(p));
}
bool is_primitive(py::handle o);

// Does the gradient rule read the data of input i? From 63 on, inputs share a bit.
inline bool reads_input(const PrimitiveObject* p, std::size_t i) { return (p->saved_inputs >> (i < 63 ? i : 63)) & 1; }

// The rules of one primitive for its `inputs` inputs, in one direction: owned, one per input or one for all. Throws if
// there are fewer rules than inputs, or more.
struct Rules {
  py::object each;   // a tuple; null if there is one for all, or none
  py::object joint;  // or null

  static Rules vjp(const PrimitiveObject* p, std::size_t inputs);
  static Rules jvp(const PrimitiveObject* p, std::size_t inputs);
};

// Of that Python type, a subclass of PrimitiveBase; null: of PrimitiveBase. Its rules read nothing of its operands, and
// it is not differentiable.
py::object make_primitive(py::handle type, const Kernel& kernel, const std::string& name);

// Calls a primitive: converts and promotes the arguments, runs the kernel, records. Throws.
py::object bind(PrimitiveObject* primitive, PyObject* const* args, Py_ssize_t nargs);

void add_primitive_type(py::module_& m);

}  // namespace alice
