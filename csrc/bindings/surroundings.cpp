// Hot: hold() is called before every replay.
#include "surroundings.h"

#include <pybind11/numpy.h>

#include <algorithm>
#include <cstring>

#include "convert.h"

namespace alice {
namespace {

// The attributes of an instance. It keeps them, so the reference need not be kept.
PyObject* dict_of(PyObject* o) {
  PyObject* dict = PyObject_GenericGetDict(o, nullptr);
  if (!dict) throw py::error_already_set();
  Py_DECREF(dict);
  return dict;
}

// Another one after every change of a dict; 0 where CPython does not count them.
std::uint64_t version_of(PyObject* dict) {
#if PY_VERSION_HEX < 0x030E0000 && !defined(Py_GIL_DISABLED)
  _Pragma("GCC diagnostic push")
      _Pragma("GCC diagnostic ignored \"-Wdeprecated-declarations\"") return reinterpret_cast<PyDictObject*>(dict)
          ->ma_version_tag;
  _Pragma("GCC diagnostic pop")
#else
  static_cast<void>(dict);
  return 0;
#endif
}

PyObject* found(PyObject* dict, PyObject* key) {
  PyObject* value = PyDict_GetItemWithError(dict, key);
  if (!value && PyErr_Occurred()) throw py::error_already_set();
  return value;
}

bool same_bytes(PyObject* array, PyObject* copy) {
  if (!is_numpy_array(array)) return false;
  const auto a = py::reinterpret_borrow<py::array>(array), b = py::reinterpret_borrow<py::array>(copy);
  if (!a.dtype().is(b.dtype()) || a.ndim() != b.ndim() || !std::equal(a.shape(), a.shape() + a.ndim(), b.shape()))
    return false;
  if (!(a.flags() & py::array::c_style)) return false;  // as the copy is
  return std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.nbytes())) == 0;
}

bool same_layout(PyObject* o, PyObject* like) {
  if (!is_tensor(o)) return false;
  const Array &a = as_tensor(o)->array, &b = as_tensor(like)->array;
  return a.dtype() == b.dtype() && a.shape() == b.shape();
}

}  // namespace

// Where children are looked for.
struct Surroundings::Holder {
  PyObject* object;
  PyObject* dict = nullptr;  // of its attributes, items or globals
  bool unchanged = false;    // the dict is as it was when all children were the same
};

class Surroundings::Check {
 public:
  Check(const Surroundings& s, PyObject* function, const std::vector<PyObject*>& objects)
      : s_(s), function_(function), objects_(objects) {
    if (s.places_ > kFew) many_.resize(static_cast<std::size_t>(s.places_));
  }

  bool all() {
    for (std::uint32_t i = 0; i < s_.roots_; ++i)
      if (!one({nullptr})) return false;
    return true;
  }
  std::int32_t differs() const { return static_cast<std::int32_t>(at_) - 1; }

 private:
  // The next node, in its holder.
  bool one(const Holder& holder) {
    const Node& node = s_.nodes_[at_++];
    if (node.access == Access::kPart) {
      const py::object part = part_of(holder.object, node.key.ptr());  // which its holder keeps
      return same(node, part.ptr());
    }
    if (!holder.unchanged || !is_in_dict(node)) node.last = get(holder, node);
    return same(node, node.last);
  }

  bool same(const Node& node, PyObject* o) {
    if (!o) return node.kind == Kind::kMissing;
    if (node.seen >= 0) (many_.empty() ? few_ : many_.data())[node.seen] = o;
    switch (node.kind) {
      case Kind::kMissing: return false;
      case Kind::kPlain: return same_data(o, node.object.ptr());
      case Kind::kExactly: return is_it(node, o);
      case Kind::kTensor: return same_layout(o, node.object.ptr());
      case Kind::kBytes: return same_bytes(o, node.object.ptr());
      case Kind::kSeen: return (many_.empty() ? few_ : many_.data())[node.size] == o;
      case Kind::kSet: return Py_TYPE(o) == Py_TYPE(node.object.ptr()) && same_set(o, node.object.ptr());
      case Kind::kLarge: return is_of(o, node) && size_of(o) == node.size;
      case Kind::kItems: return is_of(o, node) && size_of(o) == node.size && items(node, o);
      case Kind::kDict: return is_of(o, node) && size_of(o) == node.size && values(node, o);
      case Kind::kFunction:
        return PyFunction_Check(o) && PyFunction_GET_CODE(o) == node.object.ptr() &&
               versioned(node, o, PyFunction_GET_GLOBALS(o));
      case Kind::kParts: return is_of(o, node) && children(node, {o});
      case Kind::kClass:
        return is_it(node, o) && (!node.children || versioned(node, o, reinterpret_cast<PyTypeObject*>(o)->tp_dict));
      case Kind::kNamespace: return is_it(node, o) && versioned(node, o, PyModule_GetDict(o));
      case Kind::kInstance: {
        if (!is_of(o, node)) return false;
        PyObject* const dict = dict_of(o);
        return PyDict_GET_SIZE(dict) == node.size && versioned(node, o, dict);
      }
    }
    return false;
  }

  bool children(const Node& node, const Holder& holder) {
    for (std::uint32_t i = 0; i < node.children; ++i)
      if (!one(holder)) return false;
    return true;
  }

  bool versioned(const Node& node, PyObject* o, PyObject* dict) {
    const std::uint64_t version = version_of(dict);
    const bool unchanged = version != 0 && version == node.version;
    for (std::uint32_t i = node.simple; i < node.children; ++i)
      if (!one({o, dict, unchanged})) return false;
    if (unchanged) {
      at_ += node.simple;
      return true;
    }
    for (std::uint32_t i = 0; i < node.simple; ++i)
      if (!one({o, dict})) return false;
    node.version = version;
    return true;
  }

  // Of a list or tuple: often one of Tensors.
  bool items(const Node& node, PyObject* o) {
    PyObject** const items = PySequence_Fast_ITEMS(o);
    for (std::uint32_t i = 0; i < node.children; ++i) {
      const Node& child = s_.nodes_[at_++];
      PyObject* const item = items[child.place];
      const bool is_known = child.kind == Kind::kExactly && child.seen < 0 && child.object.ptr() == item;
      if (!is_known && !same(child, item)) return false;
    }
    return true;
  }

  // Of a dict, in its order.
  bool values(const Node& node, PyObject* o) {
    const py::object keys = PyODict_Check(o) ? owned(PySequence_List(o)) : py::object();
    Py_ssize_t at = 0, place = -1;
    PyObject *key = nullptr, *value = nullptr;
    for (std::uint32_t i = 0; i < node.children; ++i) {
      const Node& child = s_.nodes_[at_++];
      if (child.place != place) {
        place = child.place;
        if (!keys && !PyDict_Next(o, &at, &key, &value)) return false;
        if (keys) value = found(o, key = PyList_GET_ITEM(keys.ptr(), place));
        if (!same_data(key, child.key.ptr())) return false;
      }
      if (!same(child, value)) return false;
    }
    return true;
  }

  static bool is_in_dict(const Node& node) {
    return node.access == Access::kAttribute || node.access == Access::kGlobal;
  }

  // Borrowed from its holder; null if there is nothing.
  PyObject* get(const Holder& h, const Node& node) const {
    switch (node.access) {
      case Access::kFunction: return function_;
      case Access::kArgument: return objects_[static_cast<std::size_t>(node.place)];
      case Access::kCell: return PyCell_GET(PyTuple_GET_ITEM(PyFunction_GET_CLOSURE(h.object), node.place));
      case Access::kDefaults: return PyFunction_GET_DEFAULTS(h.object);
      case Access::kKwDefaults: return PyFunction_GET_KW_DEFAULTS(h.object);
      case Access::kBase: {
        PyObject* const type = PyType_Check(h.object) ? h.object : reinterpret_cast<PyObject*>(Py_TYPE(h.object));
        PyObject* const mro = reinterpret_cast<PyTypeObject*>(type)->tp_mro;
        return node.place < PyTuple_GET_SIZE(mro) ? PyTuple_GET_ITEM(mro, node.place) : nullptr;
      }
      case Access::kAttribute:
      case Access::kGlobal: return found(h.dict, node.key.ptr());
      case Access::kValue:
      case Access::kItem:
      case Access::kPart: break;  // values(), items() and one()
    }
    return nullptr;
  }

  static bool is_of(PyObject* o, const Node& node) {
    return reinterpret_cast<PyObject*>(Py_TYPE(o)) == node.object.ptr() && (!node.itself || node.itself == o);
  }
  static bool is_it(const Node& node, PyObject* o) {
    if (!node.weak) return node.object.ptr() == o;
    return o != Py_None && PyWeakref_GET_OBJECT(node.object.ptr()) == o;  // None stands for what is gone
  }
  static Py_ssize_t size_of(PyObject* o) { return PyDict_Check(o) ? PyDict_GET_SIZE(o) : PySequence_Fast_GET_SIZE(o); }
  static bool same_set(PyObject* a, PyObject* b) {  // of plain values
    if (PySet_GET_SIZE(a) != PySet_GET_SIZE(b)) return false;
    const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
    if (equal < 0) throw py::error_already_set();
    return equal;
  }

  static constexpr std::int32_t kFew = 32;
  const Surroundings& s_;
  PyObject* function_;
  const std::vector<PyObject*>& objects_;
  std::size_t at_ = 0;
  PyObject* few_[kFew];
  std::vector<PyObject*> many_;
};

py::object Surroundings::part_of(PyObject* o, PyObject* name) {
  PyObject* const descriptor = _PyType_Lookup(Py_TYPE(o), name);
  if (!descriptor || (Py_TYPE(descriptor) != &PyMemberDescr_Type && Py_TYPE(descriptor) != &PyGetSetDescr_Type))
    return {};
  PyObject* const part = Py_TYPE(descriptor)->tp_descr_get(descriptor, o, reinterpret_cast<PyObject*>(Py_TYPE(o)));
  if (!part) PyErr_Clear();
  return py::reinterpret_steal<py::object>(part);
}

bool Surroundings::hold(PyObject* function, const std::vector<PyObject*>& objects) const {
  Check check(*this, function, objects);
  if (check.all()) return true;
  differs_ = check.differs();
  return false;
}

std::string Surroundings::changed() const {
  if (differs_ < 0) return {};
  std::vector<const Node*> path;
  for (std::int32_t i = differs_; i >= 0; i = nodes_[static_cast<std::size_t>(i)].parent)
    path.insert(path.begin(), &nodes_[static_cast<std::size_t>(i)]);
  std::string text;
  for (const Node* node : path) {
    const bool keyed = bool(node->key);
    switch (node->access) {
      case Access::kFunction: break;
      case Access::kArgument: text += "an argument"; break;
      case Access::kDefaults:
      case Access::kKwDefaults: text += "a default of an argument"; break;
      case Access::kBase: break;
      case Access::kItem: text += '[' + std::to_string(node->place) + ']'; break;
      case Access::kValue: text += '[' + std::string(py::repr(node->key)) + ']'; break;
      case Access::kCell:
      case Access::kGlobal: text = keyed ? py::cast<std::string>(node->key) : "a variable"; break;
      default: text += '.' + py::cast<std::string>(node->key);
    }
  }
  return text.empty() ? "the function" : text;
}

int Surroundings::traverse(visitproc visit, void* arg) const {
  for (const Node& node : nodes_) {
    Py_VISIT(node.key.ptr());
    Py_VISIT(node.object.ptr());
  }
  return 0;
}

}  // namespace alice
