// Static arguments from Python: None, flags, numbers, tuples of ints, dtypes. What kinds a kernel takes is checked by
// infer(), for whoever calls it; here every object becomes the attribute that it is, or is refused.
// Hot: every call runs through here.
#include <string>

#include "convert.h"
#include "primitive.h"

namespace alice {
namespace {

[[noreturn]] void refuse(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  PyErr_Clear();
  fail(ErrorKind::DType, kernel.name, ": ", spec.name, " must be ", describe(spec.kinds), "; got ",
       Py_TYPE(o)->tp_name);
}

std::int64_t integer_of(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(o));  // null: refused below
  if (!number) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) refuse(kernel, spec, o);
    throw py::error_already_set();
  }
  int overflow = 0;
  const std::int64_t v = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow)
    fail(ErrorKind::Value, kernel.name, ": ", spec.name, " must fit 64 bits; got ", std::string(py::str(number)));
  return v;
}

// Entries are asked one by one, and asking may change the list.
Dims dims_of(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  Dims d;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    const auto entry = borrowed(PySequence_Fast_GET_ITEM(o, i));
    if (PyBool_Check(entry.ptr())) refuse(kernel, spec, entry.ptr());
    d.push_back(integer_of(kernel, spec, entry.ptr()));
  }
  return d;
}

bool is_numpy_bool(PyObject* o) {
  static PyTypeObject* type = reinterpret_cast<PyTypeObject*>(
      py::object(py::module_::import("numpy").attr("bool_")).release().ptr());  // NumPy stays loaded
  return Py_IS_TYPE(o, type);
}

Attr parse(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (o == Py_None) return Attr();
  if (PyBool_Check(o)) return Attr(o == Py_True);
  if (PyLong_Check(o)) return Attr(integer_of(kernel, spec, o));
  if (PyFloat_Check(o)) return Attr(PyFloat_AS_DOUBLE(o));
  if (PyTuple_Check(o) || PyList_Check(o)) return Attr(dims_of(kernel, spec, o));
  DType dtype;
  if (parse_dtype(o, &dtype)) return Attr(dtype);
  if (is_numpy_bool(o)) {
    const int truth = PyObject_IsTrue(o);
    if (truth < 0) throw py::error_already_set();
    return Attr(truth != 0);
  }
  if (has(spec.kinds, AttrKind::Integer) && PyIndex_Check(o)) return Attr(integer_of(kernel, spec, o));
  const double real = PyFloat_AsDouble(o);
  if (real == -1.0 && PyErr_Occurred()) {
    if (PyErr_ExceptionMatches(PyExc_TypeError)) refuse(kernel, spec, o);
    throw py::error_already_set();
  }
  return Attr(real);
}

}  // namespace

py::dict kernel_signature(const std::string& name) {
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) fail(ErrorKind::Value, "kernel_signature: there is no kernel of the name ", name);
  constexpr std::pair<AttrKind, const char*> kinds[] = {{AttrKind::None, "none"}, {AttrKind::Integer, "integer"},
                                                        {AttrKind::Real, "real"}, {AttrKind::Flag, "flag"},
                                                        {AttrKind::Dims, "dims"}, {AttrKind::DType, "dtype"}};
  py::list attributes;
  for (const AttrSpec& spec : kernel->attributes) {
    py::list names;
    for (const auto& [kind, text] : kinds)
      if (has(spec.kinds, kind)) names.append(text);
    attributes.append(py::make_tuple(spec.name, names));
  }
  py::dict d;
  d["n_in"] = kernel->n_in;
  d["n_out"] = kernel->n_out;
  d["attributes"] = attributes;
  return d;
}

std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* const* args) {
  std::vector<Attr> attrs;  // most ops have none
  attrs.reserve(kernel.attributes.size());
  for (const AttrSpec& spec : kernel.attributes) attrs.push_back(parse(kernel, spec, *args++));
  return attrs;
}

std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* tuple) {
  const Py_ssize_t n = tuple ? PyTuple_GET_SIZE(tuple) : 0;
  if (n != kernel.n_attrs())
    fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_attrs(), " attributes; got ", n);
  return parse_attributes(kernel, n ? &PyTuple_GET_ITEM(tuple, 0) : nullptr);
}

}  // namespace alice
