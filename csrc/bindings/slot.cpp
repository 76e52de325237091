#include "slot.h"

namespace alice {

TypeMakerBase::TypeMakerBase(const char* name, const char* doc, std::size_t size, std::size_t item, unsigned flags)
    : made_(std::make_unique<Tables>()), name_(name) {
  made_->name = std::string("alice_core._core.") + name;
  made_->spec = {made_->name.c_str(), static_cast<int>(size), static_cast<int>(item), flags, nullptr};
  made_->slots.push_back({Py_tp_doc, const_cast<char*>(doc)});
}

PyTypeObject* TypeMakerBase::add_to(py::module_& m) {
  Tables& t = *made_.release();  // the type refers to them
  t.getset.push_back({});
  t.methods.push_back({});
  t.members.push_back({});
  t.slots.push_back({Py_tp_getset, t.getset.data()});
  t.slots.push_back({Py_tp_methods, t.methods.data()});
  t.slots.push_back({Py_tp_members, t.members.data()});
  t.slots.push_back({0, nullptr});
  t.spec.slots = t.slots.data();
  py::object type = owned(PyType_FromSpec(&t.spec));
  m.add_object(name_, type);
  return reinterpret_cast<PyTypeObject*>(type.release().ptr());
}

void inherit_dealloc(PyTypeObject* type) { type->tp_dealloc = type->tp_base->tp_dealloc; }

namespace {

PyObject* made_complete(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  py::object made = owned(py::detail::pybind11_object_new(type, args, kwargs));
  if (type->tp_init(made.ptr(), args, kwargs) < 0) throw py::error_already_set();
  return made.release().ptr();  // pybind11 ignores a second __init__
}

}  // namespace

py::custom_type_setup complete_when_made() {
  return py::custom_type_setup([](PyHeapTypeObject* type) { type->ht_type.tp_new = slot<Py_tp_new, made_complete>(); });
}

}  // namespace alice
