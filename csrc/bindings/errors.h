// C++ exceptions as Python errors, and back.
#pragma once

#include <pybind11/pybind11.h>  // first: it includes Python.h

#include <string>

#include "../core/error.h"

namespace alice {

namespace py = pybind11;

// Both leave a Python error set and return null.
PyObject* raise_python(ErrorKind kind, const std::string& message);
PyObject* translate_current_exception() noexcept;  // of the exception that is being handled

// A new reference that CPython's interface returned; throws the Python error that null stands for.
inline py::object owned(PyObject* reference) {
  if (!reference) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(reference);
}
inline py::object borrowed(PyObject* reference) { return py::reinterpret_borrow<py::object>(reference); }

// The tuple of n items, each a new reference; throws what making one of them throws.
template <class Item>
py::tuple tuple_of(std::size_t n, Item item) {
  py::object all = owned(PyTuple_New(static_cast<Py_ssize_t>(n)));
  for (std::size_t i = 0; i < n; ++i)
    PyTuple_SET_ITEM(all.ptr(), static_cast<Py_ssize_t>(i), py::object(item(i)).release().ptr());
  return py::reinterpret_steal<py::tuple>(all.release());
}

void add_errors(py::module_& m);

}  // namespace alice
