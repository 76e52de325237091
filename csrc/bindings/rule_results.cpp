// Hot: every derivative runs through here.
#include "rule_results.h"

namespace alice {

void check_derivative(const PrimitiveObject* p, Direction direction, py::handle made, const Array& like,
                      std::size_t i) {
  const bool backward = direction == Direction::Backward;
  const char* const rule = backward ? "VJP" : "JVP";
  const char* const whose = backward ? "input" : "result";
  if (!is_tensor(made.ptr()))
    fail(ErrorKind::Gradient, p->kernel->name, ": the ", rule, " rule must return Tensors; got ",
         Py_TYPE(made.ptr())->tp_name, " for ", whose, " ", i);
  const Array& got = as_tensor(made.ptr())->array;
  if (!(got.shape() == like.shape()) || got.dtype() != like.dtype())
    fail(ErrorKind::Gradient, p->kernel->name, ": the ", rule, " rule must return ",
         backward ? "cotangents" : "tangents", " of the ", whose, "s' shapes and dtypes; expected ", like.shape(), " ",
         name(like.dtype()), " for ", whose, " ", i, ", got ", got.shape(), " ", name(got.dtype()));
}

}  // namespace alice
