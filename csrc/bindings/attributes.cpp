// Static arguments from Python.
#include "convert.h"
#include "primitive.h"

namespace alice {
namespace {

std::int64_t integer_of(PyObject* o) {
  const py::object number = owned(PyNumber_Index(o));
  const long long v = PyLong_AsLongLong(number.ptr());
  if (v == -1 && PyErr_Occurred()) throw py::error_already_set();
  return v;
}

// None, a number, a tuple of ints or a dtype.
Attr parse(const char* op, PyObject* o) {
  if (o == Py_None) return Attr();
  if (PyLong_Check(o)) return Attr(integer_of(o));  // bool too
  if (PyFloat_Check(o)) return Attr(PyFloat_AS_DOUBLE(o));
  if (PyTuple_Check(o) || PyList_Check(o)) {
    Dims d;
    for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i)  // asking an entry may change the list
      d.push_back(integer_of(borrowed(PySequence_Fast_GET_ITEM(o, i)).ptr()));
    return Attr(d);
  }
  DType dtype;
  if (parse_dtype(o, &dtype)) return Attr(static_cast<std::int64_t>(dtype));
  if (PyIndex_Check(o)) return Attr(integer_of(o));
  const double real = PyFloat_AsDouble(o);
  if (real == -1.0 && PyErr_Occurred()) {
    PyErr_Clear();
    fail(ErrorKind::DType, op, ": expected a number, a tuple of ints, a dtype or None as attribute; got ",
         Py_TYPE(o)->tp_name);
  }
  return Attr(real);
}

}  // namespace

std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* const* args) {
  std::vector<Attr> attrs;  // most ops have none
  attrs.reserve(static_cast<std::size_t>(kernel.n_attrs));
  for (int i = 0; i < kernel.n_attrs; ++i) attrs.push_back(parse(kernel.name, args[i]));
  return attrs;
}

std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* tuple) {
  const Py_ssize_t n = tuple ? PyTuple_GET_SIZE(tuple) : 0;
  if (n != kernel.n_attrs) fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_attrs, " attributes; got ", n);
  return parse_attributes(kernel, n ? &PyTuple_GET_ITEM(tuple, 0) : nullptr);
}

}  // namespace alice
