#include "origin.h"

#include "operators.h"
#include "primitive.h"
#include "recorder.h"

namespace alice {

// What was only read again, through `remat`, is itself: what an equation made, or a Tensor from outside of the trace,
// which has tangents of its own.
void set_origin(TensorObject* t, PyObject* origin, const EquationObject* itself) {
  bool read_again = false;
  while (EquationObject* eq = as_equation(origin)) {
    if (eq->primitive != operator_primitive(kRemat)) break;
    origin = root_of(eq, 0);
    read_again = true;
  }
  const ThreadState& state = thread_state();
  if (!(as_equation(origin) || (read_again && origin)) || origin == as_object(itself) || !recorder_of(state)) return;
  extended(t).origin = borrowed(origin);
  extended(t).origin_trace = as_equation(origin) ? as_equation(origin)->trace : tracing_depth(state);
}

PyObject* value_handle(PyObject* root, int index, const Array& array, const Contexts& contexts, std::uint8_t depth) {
  while (root && !is_equation(root)) {
    PyObject* origin = origin_of(as_tensor(root));
    if (!origin || as_tensor(root)->extension->origin_trace < depth) return Py_NewRef(root);
    index = as_tensor(root)->index;
    root = origin;
  }
  return make_tensor(array, as_equation(root), index, contexts);
}

PyObject* value_key(PyObject* source, int index) {
  while (!is_equation(source)) {
    PyObject* origin = origin_of(as_tensor(source));
    if (!origin) return PyLong_FromVoidPtr(source);
    index = as_tensor(source)->index;
    source = origin;
  }
  if (as_equation(source)->outputs.size() == 1) return Py_NewRef(source);
  return Py_BuildValue("(Oi)", source, index);
}

}  // namespace alice
