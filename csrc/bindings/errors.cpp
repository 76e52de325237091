// C++ errors become the exception classes of alice_core/errors.py.
#include <new>

#include "engine.h"

namespace alice {
namespace {

PyObject* exception_class(ErrorKind kind) {
  static PyObject* classes[7] = {};
  static const char* const names[7] = {"ShapeError", "DTypeError", "DeviceError", "GradientError",
                                       "TraceError", "IndexError", "ValueError"};
  PyObject*& cls = classes[static_cast<int>(kind)];
  if (!cls) {
    const bool builtin = kind == ErrorKind::Index || kind == ErrorKind::Value;
    py::module_ home = py::module_::import(builtin ? "builtins" : "alice_core.errors");
    cls = py::object(home.attr(names[static_cast<int>(kind)])).release().ptr();
  }
  return cls;
}

}  // namespace

PyObject* raise_python(ErrorKind kind, const std::string& message) {
  PyErr_SetString(exception_class(kind), message.c_str());
  return nullptr;
}

PyObject* translate_current_exception() {
  try {
    throw;
  } catch (const Error& e) {
    return raise_python(e.kind(), e.what());
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  }
  return nullptr;
}

void add_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      raise_python(e.kind(), e.what());
    }
  });
}

}  // namespace alice
