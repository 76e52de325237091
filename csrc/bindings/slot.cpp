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

}  // namespace alice
