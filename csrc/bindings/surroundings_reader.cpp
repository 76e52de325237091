// Writes down the surroundings of a function: all that it reaches, as far as its code names it. Rare: once per trace.
#include <pybind11/numpy.h>

#include <unordered_map>
#include <unordered_set>

#include "convert.h"
#include "surroundings.h"

namespace alice {
namespace {

constexpr Py_ssize_t kLargest = 4096;      // items of a container that is looked through
constexpr std::size_t kMostNodes = 50000;  // then objects are taken as they are
constexpr py::ssize_t kFewBytes = 1024;    // of an array whose values are compared
constexpr int kDeepest = 100;

bool contains(const py::set& names, py::handle name) {
  const int found = PySet_Contains(names.ptr(), name.ptr());
  if (found < 0) throw py::error_already_set();
  return found;
}

// Lookups that CPython makes by itself, but for what makes an object.
bool is_special(py::handle name) {
  Py_ssize_t n;
  const char* const utf8 = PyUnicode_AsUTF8AndSize(name.ptr(), &n);
  if (!utf8) throw py::error_already_set();
  const std::string_view text(utf8, static_cast<std::size_t>(n));
  return n > 4 && text.starts_with("__") && text.ends_with("__") && text != "__init__" && text != "__new__";
}

bool is_private(py::handle name) {
  return PyUnicode_GET_LENGTH(name.ptr()) > 0 && PyUnicode_READ_CHAR(name.ptr(), 0) == '_';
}

bool all_plain(py::handle set) {
  for (py::handle item : set)
    if (!is_plain(item.ptr())) return false;
  return true;
}

py::object attribute(PyObject* o, const char* name) { return py::getattr(py::handle(o), name, py::none()); }

// Code that users do not write: the standard library's, NumPy's, ours, and that of installed packages.
class Origins {
 public:
  static bool is_ours(const std::string& module) { return module == "alice_core" || module.starts_with("alice_core."); }
  static bool is_foreign(const std::string& module) {
    static auto& all = *new std::unordered_map<std::string, bool>;  // outlives the interpreter
    const auto known = all.find(module);
    if (known != all.end()) return known->second;
    return all[module] = look(module);
  }
  static std::string module_of(PyObject* function_or_class) {
    const py::object name = PyFunction_Check(function_or_class)
                                ? borrowed(PyDict_GetItemString(PyFunction_GET_GLOBALS(function_or_class), "__name__"))
                                : attribute(function_or_class, "__module__");
    return name && py::isinstance<py::str>(name) ? py::cast<std::string>(name) : std::string();
  }

 private:
  static bool look(const std::string& module) {
    const std::string root = module.substr(0, module.find('.'));
    if (root == "alice_core" || root == "numpy") return true;
    if (root == "__main__") return false;
    const py::module_ sys = py::module_::import("sys");
    if (py::cast<bool>(sys.attr("stdlib_module_names").attr("__contains__")(root))) return true;
    const py::object loaded = sys.attr("modules").attr("get")(module);
    const py::object file = loaded.is_none() ? py::none() : attribute(loaded.ptr(), "__file__");
    if (!py::isinstance<py::str>(file)) return false;
    const auto path = py::cast<std::string>(file);
    return path.find("site-packages") != std::string::npos || path.find("dist-packages") != std::string::npos;
  }
};

}  // namespace

class SurroundingsReader {
 public:
  using Kind = Surroundings::Kind;
  using Access = Surroundings::Access;
  using Node = Surroundings::Node;

  SurroundingsReader(const std::vector<py::object>& captured, Surroundings& out) : out_(out) {
    for (const py::object& t : captured) captured_.insert(t.ptr());
  }

  void read(PyObject* function, const std::vector<PyObject*>& objects) {
    for (const char* name : {"forward", "training"}) names_.add(py::str(name));  // what Module itself reads
    if (PyFunction_Check(function)) scan(PyFunction_GET_CODE(function), true);
    // What is reached names more, and what is named is reached.
    std::size_t before;
    do {
      before = names_.size();
      out_ = {};
      out_.nodes_.reserve(64);
      visited_.clear();
      pass_.clear();
      root(function, Access::kFunction, 0);
      for (std::size_t i = 0; i < objects.size(); ++i) root(objects[i], Access::kArgument, static_cast<Py_ssize_t>(i));
    } while (before != names_.size());
  }

 private:
  void root(PyObject* o, Access access, Py_ssize_t place) {
    if (access == Access::kArgument && (is_plain(o) || PyType_Check(o))) return;  // the signature compares those
    add(o, access, place, {}, -1);
  }

  std::size_t node(Kind kind, Access access, Py_ssize_t place, py::handle key, std::int32_t parent) {
    Node n;
    n.kind = kind;
    n.access = access;
    n.place = place;
    n.key = py::reinterpret_borrow<py::object>(key);
    n.parent = parent;
    ++(parent < 0 ? out_.roots_ : out_.nodes_[static_cast<std::size_t>(parent)].children);
    out_.nodes_.push_back(std::move(n));
    return out_.nodes_.size() - 1;
  }
  Node& at(std::size_t i) { return out_.nodes_[i]; }
  static std::int32_t as_parent(std::size_t i) { return static_cast<std::int32_t>(i); }

  void exactly(std::size_t i, PyObject* o) {
    at(i).kind = Kind::kExactly;
    hold(i, o);
  }
  void hold(std::size_t i, PyObject* o) {  // weakly where that is possible: it may know of the function
    at(i).weak = PyType_SUPPORTS_WEAKREFS(Py_TYPE(o));
    at(i).object = at(i).weak ? owned(PyWeakref_NewRef(o, nullptr)) : borrowed(o);
  }

  void add(PyObject* o, Access access, Py_ssize_t place, py::handle key, std::int32_t parent) {
    const std::size_t i = node(Kind::kMissing, access, place, key, parent);
    if (!o) return;
    if (is_plain(o)) {
      at(i).kind = Kind::kPlain;
      at(i).object = borrowed(o);
      return;
    }
    if (is_tensor(o)) return tensor(i, o);
    if (const auto seen = visited_.find(o); seen != visited_.end()) {
      Node& first = at(seen->second);
      if (first.seen < 0) first.seen = out_.places_++;
      at(i).kind = Kind::kSeen;
      at(i).size = first.seen;
      return;
    }
    visited_.emplace(o, i);
    if (depth_ >= kDeepest || out_.nodes_.size() > kMostNodes) return exactly(i, o);
    ++depth_;
    container(i, o);
    // A subclass of a container is an instance besides.
    if ((PyList_Check(o) || PyTuple_Check(o) || PyDict_Check(o)) && (Py_TYPE(o)->tp_flags & Py_TPFLAGS_HEAPTYPE))
      instance(node(Kind::kMissing, access, place, key, parent), o);
    --depth_;
  }

  void tensor(std::size_t i, PyObject* o) {
    if (captured_.contains(o)) {
      at(i).kind = Kind::kExactly;
      at(i).object = borrowed(o);
      return;
    }
    const Array& a = as_tensor(o)->array;
    at(i).kind = Kind::kTensor;
    at(i).object = owned(make_tensor(Array::abstract(a.shape(), a.dtype())));
  }

  void container(std::size_t i, PyObject* o) {
    static PyObject* const partial = py::object(py::module_::import("functools").attr("partial")).release().ptr();
    static PyObject* const compiled =
        py::object(py::module_::import("alice_core._core").attr("CompiledBase")).release().ptr();
    PyTypeObject* const type = Py_TYPE(o);
    if (is_numpy_array(o)) return array(i, o);
    if (PyList_Check(o) || PyTuple_Check(o)) return items(i, o);
    if (PyDict_Check(o)) return dict(i, o);
    if ((PySet_CheckExact(o) || PyFrozenSet_CheckExact(o)) && PySet_GET_SIZE(o) <= kLargest && all_plain(o)) {
      at(i).kind = Kind::kSet;
      at(i).object = owned(PySet_CheckExact(o) ? PySet_New(o) : PyFrozenSet_New(o));
      return;
    }
    if (PyFunction_Check(o)) return function(i, o);
    if (PyMethod_Check(o)) return parts(i, o, {"__self__", "__func__"});
    if (reinterpret_cast<PyObject*>(type) == partial) return parts(i, o, {"func", "args", "keywords"});
    if (PyType_IsSubtype(type, reinterpret_cast<PyTypeObject*>(compiled))) return parts(i, o, {"_function"});
    if (PyObject_TypeCheck(o, &PyProperty_Type)) return parts(i, o, {"fget"});
    if (type == &PyClassMethod_Type || type == &PyStaticMethod_Type) return parts(i, o, {"__func__"});
    if (PyModule_Check(o)) return namespace_(i, o);
    if (PyType_Check(o)) return class_(i, o);
    instance(i, o);
  }

  void sized(std::size_t i, Kind kind, PyObject* o, Py_ssize_t size) {
    at(i).kind = kind;
    at(i).object = borrowed(reinterpret_cast<PyObject*>(Py_TYPE(o)));
    at(i).size = size;
    if (kind != Kind::kParts && !PyTuple_CheckExact(o)) at(i).itself = o;
  }

  void array(std::size_t i, PyObject* o) {
    const auto a = py::reinterpret_borrow<py::array>(o);
    if (a.nbytes() > kFewBytes || !(a.flags() & py::array::c_style) || a.dtype().kind() == 'O') return exactly(i, o);
    at(i).kind = Kind::kBytes;
    at(i).object = a.attr("copy")();
  }

  void items(std::size_t i, PyObject* o) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    sized(i, n > kLargest ? Kind::kLarge : Kind::kItems, o, n);
    for (Py_ssize_t k = 0; n <= kLargest && k < n; ++k)
      add(PySequence_Fast_GET_ITEM(o, k), Access::kItem, k, {}, as_parent(i));
  }

  void dict(std::size_t i, PyObject* o) {
    const Py_ssize_t n = PyDict_GET_SIZE(o);
    sized(i, n > kLargest ? Kind::kLarge : Kind::kDict, o, n);
    if (n > kLargest) return;
    Py_ssize_t place = 0;
    if (PyODict_Check(o)) {
      for (py::handle key : py::reinterpret_steal<py::list>(owned(PySequence_List(o)).release()))
        add(PyDict_GetItemWithError(o, key.ptr()), Access::kValue, place++, key, as_parent(i));
      return;
    }
    PyObject *key, *value;
    for (Py_ssize_t at = 0; PyDict_Next(o, &at, &key, &value);) add(value, Access::kValue, place++, key, as_parent(i));
  }

  void parts(std::size_t i, PyObject* o, std::initializer_list<const char*> names) {
    sized(i, Kind::kParts, o, 0);
    for (const char* name : names) add_part(i, o, owned(PyUnicode_InternFromString(name)));
  }

  void add_part(std::size_t i, PyObject* o, const py::object& name) {
    const py::object part = Surroundings::part_of(o, name.ptr());
    add(part.ptr(), Access::kPart, 0, name, as_parent(i));
  }

  // ---- code -------------------------------------------------------------------------------------------------------

  // All names in the code and in the functions that it defines.
  void scan(py::handle code, bool by_user, py::list* all = nullptr) {
    const bool again = codes_.contains(code.ptr());
    if (again && !all) return;
    if (!again) codes_.emplace(code.ptr(), borrowed(code.ptr()));
    for (py::handle name : py::tuple(code.attr("co_names"))) {
      names_.add(name);
      if (all) all->append(name);
      all_names_ = all_names_ || (by_user && contains(dynamic_names(), name));
    }
    for (py::handle constant : py::tuple(code.attr("co_consts")))
      if (PyCode_Check(constant.ptr())) scan(constant, by_user, all);
  }
  // Who calls these may read any attribute.
  static const py::set& dynamic_names() {
    static const py::set& names = *[] {  // outlives the interpreter
      auto* made = new py::set;
      for (const char* name : {"getattr", "hasattr", "vars", "__dict__", "attrgetter", "parameters", "named_parameters",
                               "modules", "state_dict"})
        made->add(py::str(name));
      return made;
    }();
    return names;
  }
  bool is_named(py::handle name) const { return all_names_ || contains(names_, name); }

  void function(std::size_t i, PyObject* f) {
    const std::string module = Origins::module_of(f);
    const bool is_root = at(i).access == Access::kFunction && !Origins::is_ours(module);
    const bool by_user = is_root || !Origins::is_foreign(module);
    at(i).kind = Kind::kFunction;
    at(i).object = borrowed(PyFunction_GET_CODE(f));
    const py::object code = at(i).object;
    if (PyObject* const closure = PyFunction_GET_CLOSURE(f)) {
      const py::tuple free = code.attr("co_freevars");
      for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(closure); ++k)
        add(PyCell_GET(PyTuple_GET_ITEM(closure, k)), Access::kCell, k, free[static_cast<std::size_t>(k)],
            as_parent(i));
    }
    if (PyObject* const defaults = PyFunction_GET_DEFAULTS(f)) add(defaults, Access::kDefaults, 0, {}, as_parent(i));
    if (PyObject* const defaults = PyFunction_GET_KW_DEFAULTS(f))
      add(defaults, Access::kKwDefaults, 0, {}, as_parent(i));
    if (!by_user) return;
    py::list all;
    scan(code, true, &all);
    Values globals;
    std::vector<py::object> absent;  // a global of that name would hide the built-in one
    for (py::handle name : py::set(all)) {
      PyObject* const value = PyDict_GetItemWithError(PyFunction_GET_GLOBALS(f), name.ptr());
      if (!value && PyErr_Occurred()) throw py::error_already_set();
      if (value && !(PyModule_Check(value) && is_foreign_module(value)))
        globals.emplace_back(borrowed(name.ptr()), value);
      if (!value && PyDict_Contains(PyEval_GetBuiltins(), name.ptr()) == 1) absent.push_back(borrowed(name.ptr()));
    }
    add_all(globals, absent, Access::kGlobal, i);
  }

  using Values = std::vector<std::pair<py::object, PyObject*>>;

  // All children of a node that a dict holds: first those that can change inside. `absent` are not there.
  void add_all(const Values& values, const std::vector<py::object>& absent, Access access, std::size_t i) {
    for (const auto& [name, value] : values)
      if (!is_simple(value)) add(value, access, 0, name, as_parent(i));
    const std::uint32_t before = at(i).children;
    for (const auto& [name, value] : values)
      if (is_simple(value)) add(value, access, 0, name, as_parent(i));
    for (const py::object& name : absent) node(Kind::kMissing, access, 0, name, as_parent(i));
    at(i).simple = at(i).children - before;
  }
  static bool is_simple(PyObject* o) { return is_tensor(o) || is_plain(o); }

  bool is_foreign_module(PyObject* module) {
    const char* const name = PyModule_GetName(module);
    if (!name) PyErr_Clear();
    return !name || Origins::is_foreign(name);
  }

  // ---- instances and classes ----------------------------------------------------------------------------------------

  // What a class and its bases define, as instances see it.
  struct Class {
    struct Method {
      py::object name, code;
      bool special;
    };
    bool ours, followed;      // whose methods may read more
    bool users = false;       // a class of the user's
    bool ours_reads = false;  // a base of ours, other than Module, may read any attribute
    std::vector<Method> foreign_methods;
    std::vector<py::object> data;  // names of what is no method
  };

  Class& class_of(PyTypeObject* type) {
    static auto& ours = *new std::unordered_map<PyTypeObject*, Class>;  // which stay as they are as long as the process
    if (const auto known = ours.find(type); known != ours.end()) return known->second;
    if (const auto known = classes_.find(type); known != classes_.end()) return known->second;
    Class made = look(type);
    return (made.ours ? ours : classes_).emplace(type, std::move(made)).first->second;
  }

  static Class look(PyTypeObject* type) {
    static PyObject* const flatten = PyUnicode_InternFromString("__tree_flatten__");
    Class made;
    const std::string module = Origins::module_of(reinterpret_cast<PyObject*>(type));
    made.ours = Origins::is_ours(module);
    made.users = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) && type->tp_dict && !Origins::is_foreign(module);
    made.followed = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) &&
                    (made.ours || !Origins::is_foreign(module) || _PyType_Lookup(type, flatten));
    if (!made.followed) return made;
    for (py::handle base : py::handle(type->tp_mro)) {
      auto* t = reinterpret_cast<PyTypeObject*>(base.ptr());
      if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE) || !t->tp_dict) continue;
      const std::string home = Origins::module_of(base.ptr());
      const bool foreign = Origins::is_foreign(home), theirs = Origins::is_ours(home);
      made.ours_reads = made.ours_reads || (theirs && home != "alice_core.nn.module");
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(t->tp_dict)) {
        PyObject* const v = value.ptr();
        if (theirs && (is_special(name) || is_private(name))) continue;
        if (PyFunction_Check(v)) {
          if (foreign && !theirs)
            made.foreign_methods.push_back({borrowed(name.ptr()), borrowed(PyFunction_GET_CODE(v)), is_special(name)});
        } else if (!Py_TYPE(v)->tp_descr_get && !is_special(name)) {
          made.data.push_back(borrowed(name.ptr()));
        }
      }
    }
    return made;
  }

  void instance(std::size_t i, PyObject* o) {
    static PyObject* const passing = PyUnicode_InternFromString("_passing");
    PyObject* const made = PyObject_GenericGetDict(o, nullptr);
    if (!made) {
      PyErr_Clear();
      return class_of(Py_TYPE(o)).followed ? slots(i, o) : exactly(i, o);
    }
    const py::dict attributes = py::reinterpret_steal<py::dict>(made);
    sized(i, Kind::kInstance, o, static_cast<Py_ssize_t>(attributes.size()));
    const py::object outputs = borrowed(PyDict_GetItem(made, passing));  // what calls of a module leave by the way
    const bool ours = class_of(Py_TYPE(o)).ours;
    const bool all = ours || class_of(Py_TYPE(o)).ours_reads || kind_of_node(o) == NodeKind::kRegistered;
    Values values;
    for (auto [name, value] : attributes) {
      if (!PyUnicode_Check(name.ptr()) || !(all || is_named(name)) || name.is(py::handle(passing))) continue;
      if (outputs && PySet_Check(outputs.ptr()) && PySet_Contains(outputs.ptr(), name.ptr()) == 1) continue;
      if (ours && is_private(name) && keeps(value.ptr())) continue;
      values.emplace_back(borrowed(name.ptr()), value.ptr());
    }
    std::vector<py::object> absent;
    members(i, Py_TYPE(o), made, &absent);
    add_all(values, absent, Access::kAttribute, i);
  }

  // Objects of our classes keep such private things as long as they live.
  static bool keeps(PyObject* o) { return is_tensor(o) || PyList_CheckExact(o) || PyDict_CheckExact(o); }

  // An instance without a dict: a dataclass of slots, say.
  void slots(std::size_t i, PyObject* o) {
    sized(i, Kind::kParts, o, 0);
    PyObject* const mro = Py_TYPE(o)->tp_mro;
    for (py::handle type : py::handle(mro)) {
      auto* t = reinterpret_cast<PyTypeObject*>(type.ptr());
      if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE) || !t->tp_dict) continue;
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(t->tp_dict))
        if (Py_TYPE(value.ptr()) == &PyMemberDescr_Type && is_named(name)) add_part(i, o, borrowed(name.ptr()));
    }
    members(i, Py_TYPE(o), nullptr, nullptr);
  }

  void class_(std::size_t i, PyObject* o) {
    exactly(i, o);
    if (!class_of(reinterpret_cast<PyTypeObject*>(o)).followed) return;
    names_.add(py::str("__init__"));
    at(i).kind = Kind::kParts;
    at(i).object = borrowed(reinterpret_cast<PyObject*>(Py_TYPE(o)));
    at(i).itself = o;
    at(i).weak = false;
    bases(i, reinterpret_cast<PyTypeObject*>(o));
  }

  // What instances look up in their classes: methods that may be called, and data that they do not have themselves.
  void members(std::size_t i, PyTypeObject* type, PyObject* attributes, std::vector<py::object>* absent) {
    const Class& known = class_of(type);
    for (const Class::Method& m : known.foreign_methods)
      if (m.special || is_named(m.name)) scan(m.code, false);
    for (const py::object& name : known.data) {
      if (!attributes || !(known.ours_reads || is_named(name)) || PyDict_Contains(attributes, name.ptr()) == 1)
        continue;
      absent->push_back(name);
    }
    bases(i, type);
  }

  // The classes of users that a class consists of, itself included: all of them, since super() reaches what others
  // hide.
  void bases(std::size_t i, PyTypeObject* type) {
    PyObject* const mro = type->tp_mro;
    std::vector<Py_ssize_t> fresh;
    for (Py_ssize_t k = 0; k < PyTuple_GET_SIZE(mro); ++k) {
      auto* t = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(mro, k));
      if (class_of(t).users && pass_.insert(t).second) fresh.push_back(k);
    }
    if (fresh.empty()) return;
    py::set defined;  // by any of them: another one could hide it
    for (py::handle base : py::handle(mro)) {
      auto* t = reinterpret_cast<PyTypeObject*>(base.ptr());
      if (!(t->tp_flags & Py_TPFLAGS_HEAPTYPE) || !t->tp_dict) continue;
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(t->tp_dict))
        if (PyUnicode_Check(name.ptr()) && !is_special(name) && is_named(name)) defined.add(name);
    }
    for (const Py_ssize_t k : fresh) {
      PyObject* const base = PyTuple_GET_ITEM(mro, k);
      PyObject* const own = reinterpret_cast<PyTypeObject*>(base)->tp_dict;
      const std::size_t j = node(Kind::kClass, Access::kBase, k, {}, as_parent(i));
      hold(j, base);
      Values values;
      for (auto [name, value] : py::reinterpret_borrow<py::dict>(own)) {
        if (!PyUnicode_Check(name.ptr()) || !(is_special(name) ? may_run(value.ptr()) : is_named(name))) continue;
        if (Py_TYPE(value.ptr()) == &PyMemberDescr_Type || Py_TYPE(value.ptr()) == &PyGetSetDescr_Type) continue;
        values.emplace_back(borrowed(name.ptr()), value.ptr());
      }
      std::vector<py::object> absent;
      for (py::handle name : defined)
        if (PyDict_Contains(own, name.ptr()) == 0) absent.push_back(borrowed(name.ptr()));
      add_all(values, absent, Access::kAttribute, j);
    }
  }
  static bool may_run(PyObject* o) {
    return PyFunction_Check(o) || PyObject_TypeCheck(o, &PyProperty_Type) ||
           PyObject_TypeCheck(o, &PyClassMethod_Type) || PyObject_TypeCheck(o, &PyStaticMethod_Type);
  }

  // A module of the user's: its data and its own functions.
  void namespace_(std::size_t i, PyObject* o) {
    exactly(i, o);
    if (is_foreign_module(o)) return;
    at(i).kind = Kind::kNamespace;
    Values values;
    for (auto [name, value] : py::reinterpret_borrow<py::dict>(PyModule_GetDict(o))) {
      PyObject* const v = value.ptr();
      if (!PyUnicode_Check(name.ptr()) || !is_named(name) || is_special(name)) continue;
      if (PyModule_Check(v) ? is_foreign_module(v)
                            : (PyFunction_Check(v) || PyType_Check(v)) && Origins::is_foreign(Origins::module_of(v)))
        continue;
      values.emplace_back(borrowed(name.ptr()), v);
    }
    add_all(values, {}, Access::kAttribute, i);
  }

  Surroundings& out_;
  std::unordered_set<PyObject*> captured_;
  std::unordered_map<PyObject*, std::size_t> visited_;
  std::unordered_map<PyObject*, py::object> codes_;
  std::unordered_map<PyTypeObject*, Class> classes_;
  std::unordered_set<PyTypeObject*> pass_;  // whose methods were looked at in this pass
  py::set names_;
  bool all_names_ = false;
  int depth_ = 0;
};

Surroundings Surroundings::of(PyObject* function, const std::vector<PyObject*>& objects,
                              const std::vector<py::object>& captured) {
  Surroundings out;
  SurroundingsReader(captured, out).read(function, objects);
  return out;
}

}  // namespace alice
