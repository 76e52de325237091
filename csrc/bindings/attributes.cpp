// Static arguments from Python: None, flags, numbers, tuples of ints, dtypes. Every object becomes the attribute that
// it is, or is refused; nothing is read as what it is not. What an equation keeps, and rules read, are Python's own
// objects of these attributes: nobody can change them, and they are numbers whatever came.
// Hot: every call runs through here.
#include <string>

#include "body.h"
#include "convert.h"
#include "primitive.h"
#include "reading.h"

namespace alice {
namespace {

constexpr std::size_t kLongest = 40;  // letters of what came

// What came, in a few words: numbers and tuples of them as they are written, others by type and shape.
std::string shown(PyObject* o) {
  if (PyTuple_Check(o) || PyList_Check(o)) {
    const std::string text = py::repr(o);
    return text.size() <= kLongest ? text : Py_TYPE(o)->tp_name;
  }
  if (PyUnicode_Check(o)) return Py_TYPE(o)->tp_name;
  return py::str(py::module_::import("alice_core.checks").attr("shown")(borrowed(o)));
}

[[noreturn]] void refuse(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  PyErr_Clear();
  fail(ErrorKind::DType, kernel.name, ": ", spec.name, " must be ", describe(spec.kinds), "; got ", shown(o));
}

// What it raised itself, or that it is no number.
[[noreturn]] void refuse_failed(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (PyErr_ExceptionMatches(PyExc_TypeError)) refuse(kernel, spec, o);
  throw py::error_already_set();
}

[[noreturn]] void refuse_size(const Kernel& kernel, const AttrSpec& spec, const char* fits, PyObject* number) {
  PyErr_Clear();
  // Python writes no more than some thousands of digits.
  const std::string digits = std::string(py::str(py::module_::import("builtins").attr("hex")(borrowed(number))));
  fail(ErrorKind::Value, kernel.name, ": ", spec.name, " must fit ", fits, "; got ",
       digits.size() <= kLongest ? std::string(py::str(borrowed(number))) : digits.substr(0, kLongest) + "…");
}

std::int64_t integer_of(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(o));  // null: refused below
  if (!number) refuse_failed(kernel, spec, o);
  int overflow = 0;
  const std::int64_t v = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
  if (overflow) refuse_size(kernel, spec, "64 bits", number.ptr());
  return v;
}

bool is_huge(PyObject* o) {
  int overflow = 0;
  if (PyLong_Check(o)) PyLong_AsLongLongAndOverflow(o, &overflow);
  return overflow;
}

double real_of(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  const double real = PyFloat_AsDouble(o);
  if (real == -1.0 && PyErr_Occurred()) {
    if (PyLong_Check(o) && PyErr_ExceptionMatches(PyExc_OverflowError)) refuse_size(kernel, spec, "a float", o);
    refuse_failed(kernel, spec, o);
  }
  return real;
}

// The number in a Tensor, an array or a NumPy scalar, as Python has it; null for other objects. With axes, one element
// is no number.
py::object number_in(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (is_tensor(o)) {
    if (as_tensor(o)->array.rank() != 0) refuse(kernel, spec, o);
    return item(as_tensor(o), (std::string(kernel.name) + ": " + spec.name).c_str());
  }
  py::object number = numpy_number(o);
  if (!number && is_numpy_array(o)) refuse(kernel, spec, o);
  return number;
}

// Entries are asked one by one, and asking may change the list.
Dims dims_of(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  Dims d;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(o); ++i) {
    const auto entry = borrowed(PySequence_Fast_GET_ITEM(o, i));
    if (PyLong_CheckExact(entry.ptr())) {
      d.push_back(integer_of(kernel, spec, entry.ptr()));
      continue;
    }
    const py::object number = number_in(kernel, spec, entry.ptr());
    PyObject* plain = number ? number.ptr() : entry.ptr();
    if (PyBool_Check(plain)) refuse(kernel, spec, o);
    d.push_back(integer_of(kernel, spec, plain));
  }
  return d;
}

Attr number(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (PyBool_Check(o)) return Attr(o == Py_True);
  if (PyFloat_Check(o)) return Attr(PyFloat_AS_DOUBLE(o));
  const bool real = has(spec.kinds, AttrKind::Real);
  if (has(spec.kinds, AttrKind::Integer) ? PyIndex_Check(o) && !(real && is_huge(o)) : PyLong_Check(o) && !real)
    return Attr(integer_of(kernel, spec, o));
  if (!real) refuse(kernel, spec, o);
  return Attr(real_of(kernel, spec, o));
}

Attr parse(const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (o == Py_None) return Attr();
  if (PyLong_CheckExact(o) || PyBool_Check(o) || PyFloat_CheckExact(o)) return number(kernel, spec, o);
  if (has(spec.kinds, AttrKind::Bodies)) return Attr(bodies_of(o));
  if (PyTuple_Check(o) || PyList_Check(o)) {
    if (!has(spec.kinds, AttrKind::Dims)) refuse(kernel, spec, o);
    return Attr(dims_of(kernel, spec, o));
  }
  DType dtype;
  if (parse_dtype(o, &dtype)) return Attr(dtype);
  const py::object inside = number_in(kernel, spec, o);
  return number(kernel, spec, inside ? inside.ptr() : o);
}

// Made in place, what usually comes first: to move an attribute takes longer than to make it.
void append(std::vector<Attr>& attrs, const Kernel& kernel, const AttrSpec& spec, PyObject* o) {
  if (PyFloat_CheckExact(o) && has(spec.kinds, AttrKind::Real)) {
    attrs.emplace_back(PyFloat_AS_DOUBLE(o));
  } else if (PyLong_CheckExact(o) && has(spec.kinds, AttrKind::Integer) && !has(spec.kinds, AttrKind::Real)) {
    attrs.emplace_back(integer_of(kernel, spec, o));
  } else if (PyBool_Check(o) && has(spec.kinds, AttrKind::Flag)) {
    attrs.emplace_back(o == Py_True);
  } else if (o == Py_None && has(spec.kinds, AttrKind::None)) {
    attrs.emplace_back();
  } else {
    attrs.push_back(parse(kernel, spec, o));
    if (!spec.takes(attrs.back().kind())) refuse(kernel, spec, o);
  }
}

// Is the object the one that Python itself has for such an attribute?
bool is_plain(const Attr& attr, PyObject* o) {
  switch (attr.kind()) {
    case AttrKind::None:
    case AttrKind::Flag: return o == Py_None || PyBool_Check(o);
    case AttrKind::Integer: return PyLong_CheckExact(o);
    case AttrKind::Real: return PyFloat_CheckExact(o);
    case AttrKind::DType: return false;
    case AttrKind::Bodies: return true;
    case AttrKind::Dims: break;
  }
  if (!PyTuple_CheckExact(o)) return false;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i)
    if (!PyLong_CheckExact(PyTuple_GET_ITEM(o, i))) return false;
  return true;
}

py::object plain(const Attr& attr) {
  switch (attr.kind()) {
    case AttrKind::None: return py::none();
    case AttrKind::Flag: return py::bool_(attr.flag());
    case AttrKind::Integer: return py::int_(attr.integer());
    case AttrKind::Real: return py::float_(attr.real());
    case AttrKind::DType: return dtype_object(attr.dtype());
    case AttrKind::Bodies:  // always plain
    case AttrKind::Dims: break;
  }
  const Dims& d = attr.dims();
  return tuple_of(static_cast<std::size_t>(d.size()), [&](std::size_t i) { return py::int_(d[static_cast<int>(i)]); });
}

}  // namespace

py::dict kernel_signature(const std::string& name) {
  const Kernel* kernel = Registry::instance().find(name);
  if (!kernel) fail(ErrorKind::Value, "kernel_signature: there is no kernel of the name ", name);
  constexpr std::pair<AttrKind, const char*> kinds[] = {
      {AttrKind::None, "none"}, {AttrKind::Integer, "integer"}, {AttrKind::Real, "real"},    {AttrKind::Flag, "flag"},
      {AttrKind::Dims, "dims"}, {AttrKind::DType, "dtype"},     {AttrKind::Bodies, "bodies"}};
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
  for (const AttrSpec& spec : kernel.attributes) append(attrs, kernel, spec, *args++);
  return attrs;
}

std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* tuple) {
  const Py_ssize_t n = tuple ? PyTuple_GET_SIZE(tuple) : 0;
  if (n != kernel.n_attrs())
    fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_attrs(), " attributes; got ", n);
  return parse_attributes(kernel, n ? &PyTuple_GET_ITEM(tuple, 0) : nullptr);
}

py::tuple plain_attributes(const std::vector<Attr>& attrs, PyObject* const* args) {
  return tuple_of(attrs.size(),
                  [&](std::size_t i) { return is_plain(attrs[i], args[i]) ? borrowed(args[i]) : plain(attrs[i]); });
}

}  // namespace alice
