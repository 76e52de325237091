#include "treedef.h"

#include <pybind11/stl.h>

#include <new>
#include <sstream>

#include "slot.h"

namespace alice {
namespace {

struct TreeDefObject {
  PyObject_HEAD
  TreeDef value;
};
PyTypeObject* treedef_type = nullptr;

}  // namespace

bool is_treedef(PyObject* o) { return Py_TYPE(o) == treedef_type; }
const TreeDef& treedef_of(PyObject* o) { return reinterpret_cast<TreeDefObject*>(o)->value; }

namespace {

std::uint64_t word(NodeKind kind, std::size_t n) { return static_cast<std::uint64_t>(kind) | n << 8; }

// A dict of that type without values, which would be kept alive.
py::object template_of(PyObject* dict) {
  py::object copy = py::module_::import("copy").attr("copy")(py::handle(dict));
  for (py::handle key : py::list(copy)) copy[key] = py::none();
  return copy;
}

}  // namespace

// Goes along what a TreeDef has written down.
class TreeReader {
 public:
  explicit TreeReader(const TreeDef& tree) : tree_(tree) {}

  struct Node {
    NodeKind kind;
    std::size_t n;
  };
  Node next() {
    const std::uint64_t w = tree_.words_[word_++];
    return {static_cast<NodeKind>(w & 0xff), static_cast<std::size_t>(w >> 8)};
  }
  const py::object& object() { return tree_.objects_[object_++]; }
  const py::object& carried() { return tree_.carried_[carried_++]; }

  // Past the type of a node that has one, and what it compares beside its children.
  py::object type(NodeKind kind, py::object* rest = nullptr) {
    if (kind == NodeKind::kNamedTuple || kind == NodeKind::kSequence || kind == NodeKind::kOtherDict) {
      if (kind == NodeKind::kOtherDict) carried();
      return object();
    }
    if (kind != NodeKind::kDataclass && kind != NodeKind::kModule && kind != NodeKind::kRegistered) return {};
    py::object found = object(), what = object();
    if (kind != NodeKind::kDataclass) carried();
    if (rest) *rest = std::move(what);
    return found;
  }
  static bool has_keys(NodeKind kind) {
    return kind == NodeKind::kDict || kind == NodeKind::kOtherDict || kind == NodeKind::kDataclass;
  }

  // Past the next node and all in it; the number of its leaves.
  std::size_t skip() { return skip(next()); }
  std::size_t skip(Node node) {
    if (node.kind == NodeKind::kLeaf) return 1;
    type(node.kind);
    std::size_t leaves = 0;
    for (std::size_t i = 0; i < node.n; ++i) {
      if (has_keys(node.kind)) object();
      leaves += skip();
    }
    return leaves;
  }

  void print(std::ostream& out) {
    const Node node = next();
    if (node.kind == NodeKind::kLeaf) {
      out << '*';
      return;
    }
    if (node.kind == NodeKind::kNone) {
      out << "None";
      return;
    }
    const py::object of = type(node.kind);
    const bool dict = node.kind == NodeKind::kDict || node.kind == NodeKind::kOtherDict;
    const bool list = node.kind == NodeKind::kList;
    if (of) out << reinterpret_cast<PyTypeObject*>(of.ptr())->tp_name;
    if (of && dict) out << '(';
    out << (dict ? '{' : list ? '[' : '(');
    for (std::size_t i = 0; i < node.n; ++i) {
      if (i) out << ", ";
      if (dict) out << std::string(py::repr(object())) << ": ";
      if (node.kind == NodeKind::kDataclass) out << std::string(py::str(object())) << '=';
      print(out);
    }
    if (node.kind == NodeKind::kTuple && node.n == 1) out << ',';
    out << (dict ? '}' : list ? ']' : ')');
    if (of && dict) out << ')';
  }

 private:
  const TreeDef& tree_;
  std::size_t word_ = 0, object_ = 0, carried_ = 0;
};

namespace {

class Reading {
 public:
  static constexpr const char* op = "tree";
  Reading(std::vector<std::uint64_t>& words, std::vector<py::object>& objects, std::vector<py::object>& carried,
          std::vector<py::object>& leaves, py::handle modules_are_leaves)
      : words_(words), objects_(objects), carried_(carried), leaves_(leaves), modules_are_leaves_(modules_are_leaves) {}

  void leaf(PyObject* o) {
    words_.push_back(word(NodeKind::kLeaf, 0));
    leaves_.push_back(borrowed(o));
  }
  bool is_leaf(NodeKind kind, PyObject* o) const {
    if (kind != NodeKind::kModule || PyBool_Check(modules_are_leaves_.ptr()))
      return kind == NodeKind::kModule && modules_are_leaves_.is(py::handle(Py_True));
    return modules_are_leaves_(py::handle(o)).cast<bool>();
  }
  void node(NodeKind kind, Py_ssize_t n) {
    words_.push_back(word(kind, static_cast<std::size_t>(n)));
    kind_ = kind;
  }
  void object(PyObject* o) { objects_.push_back(borrowed(o)); }
  void carry(PyObject* o) { carried_.push_back(kind_ == NodeKind::kOtherDict ? template_of(o) : borrowed(o)); }

 private:
  std::vector<std::uint64_t>& words_;
  std::vector<py::object>&objects_, &carried_, &leaves_;
  py::handle modules_are_leaves_;
  NodeKind kind_ = NodeKind::kLeaf;
};

class Making final : public NodeMaker {
 public:
  Making(const TreeDef& tree, const std::vector<py::object>& leaves) : reader_(tree), leaves_(leaves) {}

  py::object object() override { return reader_.object(); }
  py::object carried() override { return reader_.carried(); }
  py::object child() override {
    const TreeReader::Node node = reader_.next();
    return node.kind == NodeKind::kLeaf ? leaves_[leaf_++] : make(node.kind, node.n);
  }

 private:
  TreeReader reader_;
  const std::vector<py::object>& leaves_;
  std::size_t leaf_ = 0;
};

bool is_plain_sequence(NodeKind kind) {
  return kind == NodeKind::kList || kind == NodeKind::kTuple || kind == NodeKind::kNamedTuple ||
         kind == NodeKind::kSequence;
}
bool is_dict(NodeKind kind) { return kind == NodeKind::kDict || kind == NodeKind::kOtherDict; }

class Matching {
 public:
  Matching(const TreeDef& tree, bool prefix) : reader_(tree), prefix_(prefix) {}

  // False if the structures differ.
  bool one(PyObject* given) {
    const TreeReader::Node node = reader_.next();
    const NodeKind kind = kind_of_node(given);
    if (node.kind == NodeKind::kLeaf) {
      found_.push_back(borrowed(given));
      return kind == NodeKind::kLeaf || kind == NodeKind::kNone;
    }
    if (prefix_ && (kind == NodeKind::kLeaf || kind == NodeKind::kNone)) {
      const std::size_t n = reader_.skip(node);
      found_.insert(found_.end(), n, borrowed(given));
      return true;
    }
    py::object rest;
    const py::object type = reader_.type(node.kind, &rest);
    if (is_plain_sequence(node.kind)) return is_plain_sequence(kind) && items(node.n, given);
    if (is_dict(node.kind)) return is_dict(kind) && values(node.n, given);
    if (kind != node.kind) return false;
    if (kind == NodeKind::kNone) return true;
    if (!type.is(py::handle(reinterpret_cast<PyObject*>(Py_TYPE(given))))) return false;
    if (kind == NodeKind::kDataclass) {
      const trees::Fields fields = trees::fields_of(given);
      if (fields.children.size() != node.n) return false;
      for (const auto& [name, value] : fields.children) {
        reader_.object();
        if (!one(value.ptr())) return false;
      }
      return true;
    }
    const trees::Flattened flat = trees::flatten(given, kind);
    return same_data(rest.ptr(), flat.rest.ptr()) && items(node.n, flat.children.ptr());
  }

  std::vector<py::object> found() { return std::move(found_); }

 private:
  bool items(std::size_t n, PyObject* given) {
    if (static_cast<std::size_t>(PySequence_Fast_GET_SIZE(given)) != n) return false;
    for (std::size_t i = 0; i < n; ++i) {
      if (static_cast<std::size_t>(PySequence_Fast_GET_SIZE(given)) != n) trees::fail_changed("tree", "list");
      if (!one(borrowed(PySequence_Fast_GET_ITEM(given, static_cast<Py_ssize_t>(i))).ptr())) return false;
    }
    return true;
  }
  bool values(std::size_t n, PyObject* given) {
    if (static_cast<std::size_t>(PyDict_GET_SIZE(given)) != n) return false;
    for (std::size_t i = 0; i < n; ++i) {
      PyObject* value = PyDict_GetItemWithError(given, reader_.object().ptr());
      if (!value && PyErr_Occurred()) throw py::error_already_set();
      if (!value || !one(borrowed(value).ptr())) return false;
    }
    return true;
  }

  TreeReader reader_;
  bool prefix_;
  std::vector<py::object> found_;
};

}  // namespace

TreeDef TreeDef::of(PyObject* tree, std::vector<py::object>& leaves, py::handle modules_are_leaves) {
  TreeDef def;
  const std::size_t before = leaves.size();
  Reading reading(def.words_, def.objects_, def.carried_, leaves, modules_are_leaves);
  walk_tree(reading, tree);
  def.leaves_ = leaves.size() - before;
  return def;
}

py::object TreeDef::make(const std::vector<py::object>& leaves) const {
  if (leaves.size() != leaves_)
    fail(ErrorKind::Value, "tree: the structure ", text(), " has ", leaves_, " leaves; got ", leaves.size());
  return Making(*this, leaves).child();
}

std::vector<py::object> TreeDef::match(PyObject* tree, const std::string& what, bool prefix) const {
  Matching matching(*this, prefix);
  if (!matching.one(tree)) {
    std::vector<py::object> leaves;
    fail(ErrorKind::Shape, what, "; expected ", text(), ", got ", TreeDef::of(tree, leaves).text());
  }
  return matching.found();
}

bool TreeDef::operator==(const TreeDef& other) const {
  if (words_ != other.words_ || objects_.size() != other.objects_.size()) return false;
  for (std::size_t i = 0; i < objects_.size(); ++i)
    if (!same_data(objects_[i].ptr(), other.objects_[i].ptr())) return false;
  return true;
}

Py_hash_t TreeDef::hash() const {
  std::uint64_t h = 1469598103934665603u;
  const auto mix = [&](std::uint64_t v) { h = (h ^ v) * 1099511628211u; };
  for (const std::uint64_t w : words_) mix(w);
  for (const py::object& o : objects_) {
    if (PyUnicode_CheckExact(o.ptr()) || PyType_Check(o.ptr())) mix(static_cast<std::uint64_t>(py::hash(o)));
  }
  return h == ~std::uint64_t{0} ? 0 : static_cast<Py_hash_t>(h);  // -1 means an error
}

std::string TreeDef::text() const {
  std::ostringstream out;
  TreeReader(*this).print(out);
  return out.str();
}

int TreeDef::traverse(visitproc visit, void* arg) const {
  for (const py::object& o : objects_) Py_VISIT(o.ptr());
  for (const py::object& o : carried_) Py_VISIT(o.ptr());
  return 0;
}

// ---- the type -------------------------------------------------------------------------------------------------------

namespace {

py::object make_treedef(TreeDef def) {
  static_assert(std::is_nothrow_move_constructible_v<TreeDef>);
  py::object o = owned(treedef_type->tp_alloc(treedef_type, 0));
  new (&reinterpret_cast<TreeDefObject*>(o.ptr())->value) TreeDef(std::move(def));
  return o;
}

int traverse(TreeDefObject* o, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(o));
  return o->value.traverse(visit, arg);
}

// What goes may run code of users, which finds the structure of None.
int clear(TreeDefObject* o) noexcept {
  TreeDef gone;
  std::swap(gone, o->value);
  return 0;
}

void dealloc(TreeDefObject* o) noexcept {
  PyObject_GC_UnTrack(o);
  std::destroy_at(&o->value);
  PyTypeObject* type = Py_TYPE(o);
  type->tp_free(o);
  Py_DECREF(type);
}

py::object compare(PyObject* a, PyObject* b, int op) {
  if ((op != Py_EQ && op != Py_NE) || !is_treedef(a) || !is_treedef(b)) return borrowed(Py_NotImplemented);
  return py::bool_((treedef_of(a) == treedef_of(b)) == (op == Py_EQ));
}

Py_hash_t hash(TreeDefObject* o) { return o->value.hash(); }
py::object repr(TreeDefObject* o) { return py::str("TreeDef(" + o->value.text() + ")"); }
py::object text(TreeDefObject* o) { return py::str(o->value.text()); }
std::size_t num_leaves(TreeDefObject* o) { return o->value.leaves(); }

std::vector<py::object> objects_of(PyObject* iterable) {
  std::vector<py::object> all;
  for (py::handle item : py::iter(iterable)) all.push_back(borrowed(item.ptr()));
  return all;
}

py::list list_of(std::vector<py::object>&& all) {
  py::list out(all.size());
  for (std::size_t i = 0; i < all.size(); ++i)
    PyList_SET_ITEM(out.ptr(), static_cast<Py_ssize_t>(i), all[i].release().ptr());
  return out;
}

py::object unflatten(TreeDefObject* o, PyObject* leaves) { return o->value.make(objects_of(leaves)); }

py::object match(TreeDefObject* o, PyObject* const* args, Py_ssize_t n) {
  if (n < 2 || n > 3 || !PyUnicode_Check(args[1]))
    throw py::type_error("match: expected a structure, a text for errors and whether it is a prefix");
  return list_of(o->value.match(args[0], py::cast<std::string>(args[1]), n == 3 && PyObject_IsTrue(args[2]) == 1));
}

py::tuple flatten(py::object tree, py::object modules_are_leaves) {
  std::vector<py::object> leaves;
  TreeDef def = TreeDef::of(tree.ptr(), leaves, modules_are_leaves);
  return py::make_tuple(list_of(std::move(leaves)), make_treedef(std::move(def)));
}

}  // namespace

void add_tree(py::module_& m) {
  treedef_type = TypeMaker<TreeDefObject>("TreeDef", "The structure of a tree: nested containers without their leaves.",
                                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_DISALLOW_INSTANTIATION)
                     .slot<Py_tp_dealloc, dealloc>()
                     .slot<Py_tp_traverse, traverse>()
                     .slot<Py_tp_clear, clear>()
                     .slot<Py_tp_richcompare, compare>()
                     .slot<Py_tp_hash, hash>()
                     .slot<Py_tp_repr, repr>()
                     .slot<Py_tp_str, text>()
                     .getter<num_leaves>("num_leaves", "How many leaves there are.")
                     .method<unflatten>("unflatten", "The tree of this structure with the given leaves, an iterable.")
                     .method<match>("match")
                     .add_to(m);
  m.def("tree_flatten", &flatten, py::arg("tree"), py::arg("modules_are_leaves") = false);
  m.def("tree_register", &register_tree_type, py::arg("type"), py::arg("flatten"), py::arg("unflatten"));
}

}  // namespace alice
