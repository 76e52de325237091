#include "errors.h"

#include <new>

#include "../core/interrupt.h"

namespace alice {
namespace {

// The classes of alice_core/errors.py.
PyObject* exception_class(ErrorKind kind) {
  static PyObject* classes[8] = {};
  static const char* const names[8] = {"ShapeError", "DTypeError",  "DeviceError", "GradientError",
                                       "TraceError", "LinAlgError", "IndexError",  "ValueError"};
  PyObject*& cls = classes[static_cast<int>(kind)];
  if (!cls) {
    const bool builtin = kind == ErrorKind::Index || kind == ErrorKind::Value;
    py::module_ home = py::module_::import(builtin ? "builtins" : "alice_core.errors");
    cls = py::object(home.attr(names[static_cast<int>(kind)])).release().ptr();
  }
  return cls;
}

// What the handler of the signal raises, which waits to be called.
void raise_interrupt(const Interrupted& e) {
  if (PyErr_CheckSignals() == 0) PyErr_SetString(PyExc_KeyboardInterrupt, e.what());
}

void translate() {
  try {
    throw;
  } catch (const Error& e) {
    raise_python(e.kind(), e.what());
  } catch (const Interrupted& e) {
    raise_interrupt(e);
  } catch (py::error_already_set& e) {
    e.restore();
  } catch (const py::builtin_exception& e) {
    e.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& e) {
    PyErr_SetString(PyExc_RuntimeError, e.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "alice_core: an exception of unknown type");
  }
}

}  // namespace

PyObject* raise_python(ErrorKind kind, const std::string& message) {
  PyErr_SetString(exception_class(kind), message.c_str());
  return nullptr;
}

PyObject* translate_current_exception() noexcept {
  try {
    translate();
  } catch (py::error_already_set& e) {  // the error cannot even be named: this one stands for it
    e.restore();
  } catch (...) {
    PyErr_NoMemory();
  }
  return nullptr;
}

void add_errors(py::module_&) {
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const Error& e) {
      raise_python(e.kind(), e.what());
    } catch (const Interrupted& e) {
      raise_interrupt(e);
    }
  });
}

}  // namespace alice
