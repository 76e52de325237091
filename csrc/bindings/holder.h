// A C++ value as a Python object: whole as soon as there is an object, and destroyed with it.
#pragma once

#include <memory>
#include <utility>

#include "slot.h"

namespace alice {

template <class T>
struct Holder {
  PyObject_HEAD
  T value;

  static inline PyTypeObject* type = nullptr;  // the result of TypeMaker::add_to

  static py::object make(T value) {
    static_assert(std::is_nothrow_move_constructible_v<T>, "an object without a value could not be freed");
    py::object o = owned(type->tp_alloc(type, 0));
    std::construct_at(&reinterpret_cast<Holder*>(o.ptr())->value, std::move(value));
    return o;
  }

  static T& value_of(py::handle h) {
    if (Py_TYPE(h.ptr()) != type)
      throw py::type_error(std::string("expected a ") + type->tp_name + "; got " + Py_TYPE(h.ptr())->tp_name);
    return reinterpret_cast<Holder*>(h.ptr())->value;
  }

  static void dealloc(Holder* self) noexcept {
    std::destroy_at(&self->value);
    PyTypeObject* type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
  }
};

}  // namespace alice
