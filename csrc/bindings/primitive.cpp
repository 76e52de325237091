// Hot: every call runs through here.
#include "primitive.h"

namespace alice {

Rules rules_of(const PrimitiveObject* p, Direction direction, std::size_t inputs) {
  const bool backward = direction == Direction::Backward;
  PyObject* each = backward ? p->vjp_rules : p->jvp_rules;
  PyObject* joint = backward ? p->vjp_joint : p->jvp_joint;
  if (!each) return {{}, joint ? borrowed(joint) : py::object()};
  if (const auto n = static_cast<std::size_t>(PyTuple_GET_SIZE(each)); n != inputs)
    fail(ErrorKind::Gradient, p->kernel->name, ": there must be one ", backward ? "VJP" : "JVP",
         " rule per input; expected ", inputs, ", got ", n);
  return {borrowed(each), {}};
}

}  // namespace alice
