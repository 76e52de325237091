// The types that CPython calls straight into C++. What it calls may throw, and speaks C++: it takes its own object by
// the object's type, and returns Python objects or plain values. Types are made here alone, and no function gets into
// one except through a guard, so that no exception can leave through CPython's frames. A guard costs nothing where
// nothing is thrown.
//
// Arguments are borrowed references of the caller, which holds them for the length of the call. What a function reads
// out of an argument (the item of a list, an attribute) it owns before Python code may run again.
#pragma once

#include "errors.h"  // first: it includes Python.h

#include <structmember.h>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace alice {

namespace guards {

// An argument of CPython's as what the function calls it.
struct Argument {
  PyObject* object;
  template <class T>
  operator T*() const noexcept {
    return reinterpret_cast<T*>(object);
  }
};
inline Argument argument(PyObject* o) noexcept { return {o}; }
template <class T>
T argument(T other) noexcept {
  return other;
}

// A result as CPython wants it, and what stands for an error.
template <class R, class T>
R result(T&& value) {
  using Value = std::remove_cvref_t<T>;
  if constexpr (!std::is_same_v<R, PyObject*>)
    return static_cast<R>(value);
  else if constexpr (std::is_base_of_v<py::handle, Value>)
    return py::object(std::forward<T>(value)).release().ptr();
  else if constexpr (std::is_same_v<Value, bool>)
    return PyBool_FromLong(value);
  else if constexpr (std::is_integral_v<Value>)
    return std::is_signed_v<Value> ? PyLong_FromLongLong(static_cast<long long>(value))
                                   : PyLong_FromUnsignedLongLong(static_cast<unsigned long long>(value));
  else if constexpr (std::is_same_v<Value, const char*>)
    return PyUnicode_FromString(value);
  else
    return value;
}
template <class R>
constexpr R failure() {
  if constexpr (std::is_pointer_v<R>)
    return nullptr;
  else
    return static_cast<R>(-1);
}
template <class R>
R nothing() {
  if constexpr (std::is_same_v<R, PyObject*>)
    return Py_NewRef(Py_None);
  else
    return R{};
}

template <class R, auto fn, class... A>
R guarded(A... a) noexcept {
  using Made = decltype(fn(argument(a)...));
  if constexpr (std::is_void_v<R>) {  // CPython has no way to hear of an error
    static_assert(noexcept(fn(argument(a)...)), "what frees objects must be noexcept");
    fn(argument(a)...);
  } else {
    try {
      if constexpr (std::is_void_v<Made>) {
        fn(argument(a)...);
        return nothing<R>();
      } else {
        return result<R>(fn(argument(a)...));
      }
    } catch (...) {
      translate_current_exception();
      return failure<R>();
    }
  }
}

// What the garbage collector asks of objects that own the references in these members, and no others.
template <class T, auto... members>
struct Owner {
  static int traverse(PyObject* self, visitproc visit, void* arg) noexcept {
    Py_VISIT(Py_TYPE(self));
    for (PyObject* o : {reinterpret_cast<T*>(self)->*members...}) Py_VISIT(o);
    return 0;
  }
  static int clear(PyObject* self) noexcept {
    for (PyObject* T::* member : {members...}) Py_CLEAR(reinterpret_cast<T*>(self)->*member);
    return 0;
  }
};

// As a function pointer of CPython's type C.
template <auto fn, class C>
struct As;
template <auto fn, class R, class... A>
struct As<fn, R (*)(A...)> {
  static R call(A... a) noexcept { return guarded<R, fn>(a...); }
};

template <auto get>
PyObject* getter(PyObject* self, void*) noexcept {
  return guarded<PyObject*, get>(self);
}
template <auto set>
int setter(PyObject* self, PyObject* value, void*) noexcept {  // null: the attribute is deleted
  return guarded<int, set>(self, value);
}

// How a method is called follows from what it takes.
template <auto fn, class F = decltype(fn)>
struct Method;
template <auto fn, class R, class S>
struct Method<fn, R (*)(S)> {
  static constexpr int flags = METH_NOARGS;
  static PyObject* call(PyObject* self, PyObject*) noexcept { return guarded<PyObject*, fn>(self); }
};
template <auto fn, class R, class S>
struct Method<fn, R (*)(S, PyObject*)> {
  static constexpr int flags = METH_O;
  static PyObject* call(PyObject* self, PyObject* a) noexcept { return guarded<PyObject*, fn>(self, a); }
};
template <auto fn, class R, class S>
struct Method<fn, R (*)(S, PyObject* const*, Py_ssize_t)> {
  static constexpr int flags = METH_FASTCALL;
  static PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t n) noexcept {
    return guarded<PyObject*, fn>(self, args, n);
  }
};
template <auto fn, class R, class S>
struct Method<fn, R (*)(S, PyObject* const*, Py_ssize_t, PyObject*)> {
  static constexpr int flags = METH_FASTCALL | METH_KEYWORDS;
  static PyObject* call(PyObject* self, PyObject* const* args, Py_ssize_t n, PyObject* names) noexcept {
    return guarded<PyObject*, fn>(self, args, n, names);
  }
};

// What CPython calls through the slot of that number.
template <int id>
constexpr auto signature() {
  if constexpr (id == Py_tp_dealloc)
    return destructor{};
  else if constexpr (id == Py_tp_traverse)
    return traverseproc{};
  else if constexpr (id == Py_tp_clear)
    return inquiry{};
  else if constexpr (id == Py_tp_new)
    return newfunc{};
  else if constexpr (id == Py_tp_richcompare)
    return richcmpfunc{};
  else if constexpr (id == Py_tp_hash)
    return hashfunc{};
  else if constexpr (id == Py_tp_repr || id == Py_tp_str)
    return reprfunc{};
  else if constexpr (id == Py_tp_descr_get)
    return descrgetfunc{};
  else if constexpr (id == Py_bf_getbuffer)
    return getbufferproc{};
  else if constexpr (id == Py_nb_power)
    return ternaryfunc{};
  else if constexpr (id == Py_nb_positive || id == Py_nb_negative || id == Py_nb_absolute || id == Py_nb_invert)
    return unaryfunc{};
  else {
    static_assert(id == Py_nb_add || id == Py_nb_divmod || id == Py_nb_subtract || id == Py_nb_multiply ||
                      id == Py_nb_true_divide || id == Py_nb_floor_divide || id == Py_nb_remainder ||
                      id == Py_nb_matrix_multiply || id == Py_nb_and || id == Py_nb_or || id == Py_nb_xor ||
                      id == Py_nb_lshift || id == Py_nb_rshift,
                  "say here what CPython calls through this slot");
    return binaryfunc{};
  }
}

}  // namespace guards

template <int id, auto fn>
constexpr auto slot() {
  using C = decltype(guards::signature<id>());
  using F = decltype(fn);
  static_assert(id != Py_tp_traverse || std::is_nothrow_invocable_v<F, guards::Argument, visitproc, void*>,
                "the garbage collector expects no error");
  static_assert(id != Py_tp_clear || std::is_nothrow_invocable_v<F, guards::Argument>,
                "the garbage collector expects no error");
  return &guards::As<fn, C>::call;
}
template <auto fn>
constexpr vectorcallfunc vectorcall() {
  return &guards::As<fn, vectorcallfunc>::call;
}

// A Python function that calls fn(self, …), as a method of that name would.
template <auto fn>
py::object function_of(const char* name, py::handle self) {
  using M = guards::Method<fn>;
  static PyMethodDef method{name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&M::call)), M::flags, nullptr};
  return owned(PyCFunction_New(&method, self.ptr()));
}

// Makes a type: TypeMaker<TensorObject>("TensorBase", "…", flags).slot<Py_tp_hash, hash>().add_to(m).
class TypeMakerBase {
 public:
  PyTypeObject* add_to(py::module_& m);  // lives as long as the process

 protected:
  TypeMakerBase(const char* name, const char* doc, std::size_t size, std::size_t item, unsigned flags);
  void add(int id, void* f) { made_->slots.push_back({id, f}); }
  void add(const PyGetSetDef& g) { made_->getset.push_back(g); }
  void add(const PyMethodDef& f) { made_->methods.push_back(f); }
  void add(const PyMemberDef& f) { made_->members.push_back(f); }

 private:
  struct Tables {
    std::string name;
    std::vector<PyType_Slot> slots;
    std::vector<PyGetSetDef> getset;
    std::vector<PyMethodDef> methods;
    std::vector<PyMemberDef> members;
    PyType_Spec spec;
  };
  std::unique_ptr<Tables> made_;
  const char* name_;
};

template <class Object>
class TypeMaker : public TypeMakerBase {
 public:
  TypeMaker(const char* name, const char* doc, unsigned flags, std::size_t item = 0)
      : TypeMakerBase(name, doc, sizeof(Object), item, flags) {}

  template <int id, auto fn>
  TypeMaker& slot() {
    add(id, reinterpret_cast<void*>(alice::slot<id, fn>()));
    return *this;
  }
  template <auto... members>
  TypeMaker& owns() {
    add(Py_tp_traverse, reinterpret_cast<void*>(&guards::Owner<Object, members...>::traverse));
    add(Py_tp_clear, reinterpret_cast<void*>(&guards::Owner<Object, members...>::clear));
    return *this;
  }
  template <auto get>
  TypeMaker& getter(const char* name, const char* doc) {
    add(PyGetSetDef{name, guards::getter<get>, nullptr, doc, nullptr});
    return *this;
  }
  template <auto get, auto set>
  TypeMaker& property(const char* name, const char* doc) {
    add(PyGetSetDef{name, guards::getter<get>, guards::setter<set>, doc, nullptr});
    return *this;
  }
  template <auto fn>
  TypeMaker& method(const char* name, const char* doc = nullptr) {
    using M = guards::Method<fn>;
    add(PyMethodDef{name, reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(&M::call)), M::flags, doc});
    return *this;
  }
  // Instances are called through the function pointer at that place, see vectorcall().
  TypeMaker& vectorcall_at(std::size_t offset) {
    add(PyMemberDef{"__vectorcalloffset__", T_PYSSIZET, static_cast<Py_ssize_t>(offset), READONLY, nullptr});
    add(Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call));
    return *this;
  }
  TypeMaker& weakrefs_at(std::size_t offset) {
    add(PyMemberDef{"__weaklistoffset__", T_PYSSIZET, static_cast<Py_ssize_t>(offset), READONLY, nullptr});
    return *this;
  }
};

// A Python subclass without attributes of its own ends as its native base does, not in Python's longer way.
void inherit_dealloc(PyTypeObject* type);

}  // namespace alice
