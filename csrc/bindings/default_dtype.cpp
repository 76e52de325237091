#include "default_dtype.h"

#include <utility>

namespace alice {
namespace {

bool was_set = false;  // anywhere, ever; under the interpreter lock. Until then nobody needs to look

PyObject* variable() {  // never released
  static PyObject* made = [] {
    PyObject* o = PyContextVar_New("default_dtype", nullptr);
    if (!o) throw py::error_already_set();
    return o;
  }();
  return made;
}

}  // namespace

DType default_dtype() {
  if (!was_set) return DType::Float32;
  PyObject* found;
  if (PyContextVar_Get(variable(), Py_None, &found) < 0) throw py::error_already_set();
  const py::object dtype = owned(found);
  return dtype.ptr() == dtype_object(DType::Float64).ptr() ? DType::Float64 : DType::Float32;
}

DType exchange_default_dtype(DType dtype) {
  const DType before = default_dtype();
  if (dtype == before) return before;
  was_set = true;
  const py::object token = owned(PyContextVar_Set(variable(), dtype_object(dtype).ptr()));
  return before;
}

}  // namespace alice
