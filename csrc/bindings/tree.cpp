#include "tree.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <unordered_map>

#include "convert.h"
#include "treedef.h"

namespace alice {
namespace {

// How objects of a registered type are taken apart and made. Types are never forgotten, as classes seldom are.
struct Registered {
  py::object flatten, unflatten;
};
std::unordered_map<PyTypeObject*, Registered>& registry() {
  static auto* types = new std::unordered_map<PyTypeObject*, Registered>;  // outlives the interpreter's exit
  return *types;
}

bool defines(PyTypeObject* type, PyObject* name) { return _PyType_Lookup(type, name) != nullptr; }

PyObject* interned(const char* name) {
  PyObject* s = PyUnicode_InternFromString(name);
  if (!s) throw py::error_already_set();
  return s;
}

}  // namespace

NodeKind kind_of_node(PyObject* o) {
  PyTypeObject* const type = Py_TYPE(o);
  if (is_tensor(o) || type == &PyFloat_Type || type == &PyLong_Type || type == &PyUnicode_Type) return NodeKind::kLeaf;
  if (type == &PyTuple_Type) return NodeKind::kTuple;
  if (type == &PyList_Type) return NodeKind::kList;
  if (type == &PyDict_Type) return NodeKind::kDict;
  if (o == Py_None) return NodeKind::kNone;
  if (type == &PyBool_Type || is_numpy_array(o)) return NodeKind::kLeaf;
  if (!registry().empty() && registry().contains(type)) return NodeKind::kRegistered;
  static PyObject* const flatten = interned("__tree_flatten__");
  if (defines(type, flatten)) return NodeKind::kModule;
  static PyObject* const fields = interned("_fields");
  if (PyTuple_Check(o)) return defines(type, fields) ? NodeKind::kNamedTuple : NodeKind::kSequence;
  if (PyList_Check(o)) return NodeKind::kSequence;
  if (PyDict_Check(o)) return NodeKind::kOtherDict;
  static PyObject* const dataclass_fields = interned("__dataclass_fields__");
  return defines(type, dataclass_fields) ? NodeKind::kDataclass : NodeKind::kLeaf;
}

namespace {

class Recursion {
 public:
  Recursion() {
    if (Py_EnterRecursiveCall(" in a comparison of structures")) throw py::error_already_set();
  }
  Recursion(const Recursion&) = delete;
  Recursion& operator=(const Recursion&) = delete;
  ~Recursion() { Py_LeaveRecursiveCall(); }
};

}  // namespace

bool same_data(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  if (PyTuple_CheckExact(a) || PyList_CheckExact(a)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(a);
    if (n != PySequence_Fast_GET_SIZE(b)) return false;
    const Recursion deeper;
    for (Py_ssize_t i = 0; i < n; ++i)
      if (!same_data(PySequence_Fast_GET_ITEM(a, i), PySequence_Fast_GET_ITEM(b, i))) return false;
    return true;
  }
  if (PyDict_CheckExact(a)) {
    if (PyDict_GET_SIZE(a) != PyDict_GET_SIZE(b)) return false;
    const Recursion deeper;
    bool same = true;
    Py_ssize_t at = 0, other = 0;
    PyObject *key, *value, *other_key, *other_value;
    while (same && PyDict_Next(a, &at, &key, &value) && PyDict_Next(b, &other, &other_key, &other_value))
      same = same_data(key, other_key) && same_data(value, other_value);
    return same;
  }
  if (PyFloat_CheckExact(a)) {  // 0.0 is not -0.0, and NaN is NaN
    const double x = PyFloat_AS_DOUBLE(a), y = PyFloat_AS_DOUBLE(b);
    return x == y ? std::signbit(x) == std::signbit(y) : std::isnan(x) && std::isnan(y);
  }
  if (is_treedef(a)) return treedef_of(a) == treedef_of(b);
  DType dtype;
  if (!PyUnicode_CheckExact(a) && !PyBytes_CheckExact(a) && !PyLong_CheckExact(a) && !parse_dtype(a, &dtype))
    return false;
  const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) throw py::error_already_set();
  return equal;
}

bool is_plain(PyObject* o, int depth) {
  if (PyTuple_CheckExact(o)) {
    if (depth >= trees::kDeepest) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(o); ++i)
      if (!is_plain(PyTuple_GET_ITEM(o, i), depth + 1)) return false;
    return true;
  }
  if (is_tensor(o) || PyList_CheckExact(o) || PyDict_CheckExact(o) || PyFunction_Check(o)) return false;  // quickly
  DType dtype;
  return o == Py_None || PyBool_Check(o) || PyLong_CheckExact(o) || PyFloat_CheckExact(o) || PyUnicode_CheckExact(o) ||
         PyBytes_CheckExact(o) || parse_dtype(o, &dtype);
}

void fail_too_deep(const char* op) {
  fail(ErrorKind::Value, op, ": structures may be nested ", trees::kDeepest,
       " deep; got one that is deeper, or contains itself");
}

namespace trees {

void fail_changed(const char* op, const char* what) {
  fail(ErrorKind::Value, op, ": a ", what, " changed while it was read");
}

Fields fields_of(PyObject* o) {
  static PyObject* const known = interned("__dataclass_fields__");
  static PyObject* const field_type = interned("_field_type");
  static PyObject* const metadata = interned("metadata");
  static PyObject* const is_static = interned("static");
  // Class variables and what only __init__ takes are listed too, with another type.
  static PyObject* const a_field = py::object(py::module_::import("dataclasses").attr("_FIELD")).release().ptr();
  // A copy: reading the fields may run code of users.
  const py::dict all = py::reinterpret_steal<py::dict>(
      owned(PyDict_Copy(owned(PyObject_GetAttr(reinterpret_cast<PyObject*>(Py_TYPE(o)), known)).ptr())).release());
  Fields out;
  py::list rest;
  for (auto [name, field] : all) {
    if (!owned(PyObject_GetAttr(field.ptr(), field_type)).is(py::handle(a_field))) continue;
    const py::object value = owned(PyObject_GetAttr(o, name.ptr()));
    const py::object notes = owned(PyObject_GetAttr(field.ptr(), metadata));
    if (PyObject_Length(notes.ptr()) > 0 && notes.attr("get")(py::handle(is_static)).cast<bool>()) {
      rest.append(name);
      rest.append(value);
    } else {
      out.children.emplace_back(borrowed(name.ptr()), value);
    }
  }
  // What __init__ or others have added is kept, but nobody could tell which of it depends on the fields.
  if (PyObject* const dict = PyObject_GenericGetDict(o, nullptr)) {
    for (auto [name, value] : py::dict(py::reinterpret_steal<py::dict>(dict).attr("copy")())) {
      if (all.contains(name)) continue;
      if (is_tensor(value.ptr()) || is_numpy_array(value.ptr()))
        fail(ErrorKind::DType, "tree: the attribute ", std::string(py::str(name)), " of the dataclass ",
             Py_TYPE(o)->tp_name, " holds an array and is no field; make it one: field(init=False)");
      rest.append(name);
      rest.append(value);
    }
  } else {
    PyErr_Clear();
  }
  out.rest = py::tuple(rest);
  return out;
}

Flattened flatten(PyObject* o, NodeKind kind) {
  const bool module = kind == NodeKind::kModule;
  const py::object made =
      module ? py::handle(o).attr("__tree_flatten__")() : py::object(registry().at(Py_TYPE(o)).flatten)(py::handle(o));
  const Py_ssize_t expected = module ? 3 : 2;
  if (!PyTuple_Check(made.ptr()) || PyTuple_GET_SIZE(made.ptr()) != expected)
    fail(ErrorKind::Value, "tree: flatten of ", Py_TYPE(o)->tp_name, " must return a tuple (children, rest); got ",
         Py_TYPE(made.ptr())->tp_name);
  const py::tuple parts = py::reinterpret_borrow<py::tuple>(made);
  if (!PyList_Check(parts[0].ptr()) && !PyTuple_Check(parts[0].ptr()))
    fail(ErrorKind::Value, "tree: flatten of ", Py_TYPE(o)->tp_name,
         " must return its children as a list or tuple; got ", Py_TYPE(parts[0].ptr())->tp_name);
  return {parts[0], parts[1], module ? py::object(parts[2]) : py::none()};
}

}  // namespace trees

// ---- making nodes -----------------------------------------------------------------------------------------------

py::list NodeMaker::children(std::size_t n) {
  py::list items;
  for (std::size_t i = 0; i < n; ++i) items.append(child());
  return items;
}

py::object NodeMaker::make(NodeKind kind, std::size_t n) {
  switch (kind) {
    case NodeKind::kNone: return py::none();
    case NodeKind::kList: return children(n);
    case NodeKind::kTuple: return py::tuple(children(n));
    case NodeKind::kNamedTuple: {
      const py::object type = object();
      return type.attr("_make")(children(n));
    }
    case NodeKind::kSequence: {
      const py::object type = object();
      return type(children(n));
    }
    case NodeKind::kDict: {
      py::dict made;
      for (std::size_t i = 0; i < n; ++i) {
        const py::object key = object();
        made[key] = child();
      }
      return made;
    }
    case NodeKind::kOtherDict: {
      object();  // its type
      py::object made = py::module_::import("copy").attr("copy")(carried());
      for (std::size_t i = 0; i < n; ++i) {
        const py::object key = object();
        made[key] = child();
      }
      return made;
    }
    case NodeKind::kDataclass: {
      // Past __init__, which may do anything: a frozen one too.
      const py::handle base(reinterpret_cast<PyObject*>(&PyBaseObject_Type));
      const py::object type = object(), make = base.attr("__new__"), set = base.attr("__setattr__");
      const py::tuple rest = object();
      const py::object made = make(type);
      for (std::size_t i = 0; i + 1 < rest.size(); i += 2) set(made, rest[i], rest[i + 1]);
      for (std::size_t i = 0; i < n; ++i) {
        const py::object name = object();
        set(made, name, child());
      }
      return made;
    }
    case NodeKind::kModule: {
      const py::object type = object(), rest = object(), others = carried();
      return type.attr("__tree_unflatten__")(children(n), rest, others);
    }
    default: {
      const py::object type = object(), rest = object();
      carried();
      const py::object unflatten = registry().at(reinterpret_cast<PyTypeObject*>(type.ptr())).unflatten;
      return unflatten(rest, children(n));
    }
  }
}

void register_tree_type(py::object type, py::object flatten, py::object unflatten) {
  auto* t = reinterpret_cast<PyTypeObject*>(type.ptr());
  if (!PyType_Check(type.ptr())) fail(ErrorKind::DType, "tree.register: expected a class; got ", Py_TYPE(t)->tp_name);
  PyTypeObject* const known[] = {&PyBool_Type,  &PyLong_Type, &PyFloat_Type,    &PyUnicode_Type, &PyList_Type,
                                 &PyTuple_Type, &PyDict_Type, Py_TYPE(Py_None), tensor_type};
  if (std::find(std::begin(known), std::end(known), t) != std::end(known))
    fail(ErrorKind::Value, "tree.register: ", t->tp_name, " is a node or a leaf already; derive a class from it");
  if (!registry().try_emplace(t, Registered{std::move(flatten), std::move(unflatten)}).second)
    fail(ErrorKind::Value, "tree.register: ", t->tp_name, " is registered already");
  type.inc_ref();
}

}  // namespace alice
