// PrimitiveObject: a kernel that can be called with Tensors, and its derivative rules.
#pragma once

#include <cstdint>

#include "../core/kernel.h"
#include "errors.h"

namespace alice {

struct PrimitiveObject {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  const Kernel* kernel;
  PyObject* name;
  std::uint64_t saved_inputs;  // whose data the gradient rules read, see input_bit
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

// Of input i in a set of inputs. From 63 on, they share one.
inline std::uint64_t input_bit(std::size_t i) { return std::uint64_t{1} << (i < 63 ? i : 63); }
// Does the gradient rule read the data of input i?
inline bool reads_input(const PrimitiveObject* p, std::size_t i) { return p->saved_inputs & input_bit(i); }

// The rules of one primitive for so many inputs, in one direction: owned, one per input or one for all.
struct Rules {
  py::object each;   // a tuple; null if there is one for all, or none
  py::object joint;  // or null
};
enum class Direction { Backward, Forward };
Rules rules_of(const PrimitiveObject* p, Direction direction, std::size_t inputs);  // throws if they are fewer, or more

// Calls a primitive: converts and promotes the arguments, runs the kernel, records. Throws.
py::object bind(PrimitiveObject* primitive, PyObject* const* args, Py_ssize_t nargs);

void add_primitive_type(py::module_& m);

}  // namespace alice
