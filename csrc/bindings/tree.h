// Structures: how nested containers are taken apart into leaves, and put together again. There is one definition, for
// all transforms, compiled functions, rules and optimisers.
//
// Nodes are lists, tuples, named tuples, dicts and what derives from them, None (a node without leaves), dataclasses,
// modules, and types that users register. All else is a leaf.
//
// A structure is written down in preorder: a word for each node and leaf (its kind, above it how many children follow),
// and a list of objects: the type of what is no plain container, then what the node compares beside its children, and
// before each child its key or the name of its field.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tensor.h"

namespace alice {

enum class NodeKind : std::uint8_t {
  kLeaf,
  kNone,
  kList,
  kTuple,
  kNamedTuple,
  kSequence,  // another subclass of list or tuple: made again by calling its type with a list
  kDict,
  kOtherDict,  // a subclass: made again from a copy, which alone knows what else it holds
  kDataclass,
  kModule,
  kRegistered,
  kKinds,
};

NodeKind kind_of_node(PyObject* o);

// The same data: identical, or equal plain values (numbers, strings, bytes, dtypes, structures), or lists, tuples,
// dicts and sets of the same data. Runs no code of users.
bool same_data(PyObject* a, PyObject* b);

// What same_data() compares by value: plain values, and tuples of them.
bool is_plain(PyObject* o, int depth = 0);

[[noreturn]] void fail_too_deep(const char* op);

namespace trees {

constexpr int kDeepest = 200;  // deeper is what contains itself

// A dataclass as its fields. Those with metadata={"static": True} are no children.
struct Fields {
  std::vector<std::pair<py::object, py::object>> children;  // name and value
  py::object rest;                                          // a tuple of the static names and values
};
Fields fields_of(PyObject* o);

// A module or an object of a registered type as its __tree_flatten__ says.
struct Flattened {
  py::object children;  // a list or tuple
  py::object rest;      // what is compared
  py::object carried;   // what is not, or None
};
Flattened flatten(PyObject* o, NodeKind kind);

[[noreturn]] void fail_changed(const char* op, const char* what);

}  // namespace trees

// Walks a structure. The visitor has:
//   op            a name for errors
//   leaf(o)
//   is_leaf(kind, o) whether a node is a leaf for it
//   node(kind, n) a node with n children begins
//   object(o)     the next of its objects, see above
//   carry(o)      what it takes along without comparing it, for kinds that have such
// What is read may run code of users, which may change what is read.
template <class Visitor>
void walk_tree(Visitor& v, PyObject* o, int depth = 0) {
  const NodeKind kind = kind_of_node(o);
  if (kind == NodeKind::kLeaf || v.is_leaf(kind, o)) return v.leaf(o);
  if (depth >= trees::kDeepest) fail_too_deep(v.op);
  PyObject* const type = reinterpret_cast<PyObject*>(Py_TYPE(o));
  switch (kind) {
    case NodeKind::kNone: return v.node(kind, 0);
    case NodeKind::kDict:
    case NodeKind::kOtherDict: {
      const Py_ssize_t n = PyDict_GET_SIZE(o);
      v.node(kind, n);
      if (kind == NodeKind::kOtherDict) {
        v.object(type);
        v.carry(o);
      }
      if (PyODict_Check(o)) {  // has an order of its own
        const py::list keys = py::reinterpret_steal<py::list>(owned(PySequence_List(o)).release());
        if (static_cast<Py_ssize_t>(keys.size()) != n) trees::fail_changed(v.op, "dict");
        for (py::handle key : keys) {
          PyObject* const value = PyDict_GetItemWithError(o, key.ptr());
          if (!value && PyErr_Occurred()) throw py::error_already_set();
          if (!value) trees::fail_changed(v.op, "dict");
          const py::object held = borrowed(value);
          v.object(key.ptr());
          walk_tree(v, held.ptr(), depth + 1);
        }
        return;
      }
      Py_ssize_t at = 0, seen = 0;
      PyObject *key, *value;
      while (PyDict_Next(o, &at, &key, &value)) {
        const py::object held_key = borrowed(key), held = borrowed(value);
        v.object(key);
        walk_tree(v, held.ptr(), depth + 1);
        ++seen;
        if (PyDict_GET_SIZE(o) != n || seen > n) break;
      }
      if (seen != n || PyDict_GET_SIZE(o) != n) trees::fail_changed(v.op, "dict");
      return;
    }
    case NodeKind::kDataclass: {
      const trees::Fields fields = trees::fields_of(o);
      v.node(kind, static_cast<Py_ssize_t>(fields.children.size()));
      v.object(type);
      v.object(fields.rest.ptr());
      for (const auto& [name, value] : fields.children) {
        v.object(name.ptr());
        walk_tree(v, value.ptr(), depth + 1);
      }
      return;
    }
    case NodeKind::kModule:
    case NodeKind::kRegistered: {
      const trees::Flattened flat = trees::flatten(o, kind);
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(flat.children.ptr());
      v.node(kind, n);
      v.object(type);
      v.object(flat.rest.ptr());
      v.carry(flat.carried.ptr());
      for (Py_ssize_t i = 0; i < n && i < PySequence_Fast_GET_SIZE(flat.children.ptr()); ++i)
        walk_tree(v, borrowed(PySequence_Fast_GET_ITEM(flat.children.ptr(), i)).ptr(), depth + 1);
      if (PySequence_Fast_GET_SIZE(flat.children.ptr()) != n) trees::fail_changed(v.op, "list of children");
      return;
    }
    default: {
      const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
      v.node(kind, n);
      if (kind == NodeKind::kNamedTuple || kind == NodeKind::kSequence) v.object(type);
      for (Py_ssize_t i = 0; i < n; ++i) {
        if (PySequence_Fast_GET_SIZE(o) != n) trees::fail_changed(v.op, "list");
        walk_tree(v, borrowed(PySequence_Fast_GET_ITEM(o, i)).ptr(), depth + 1);
      }
      if (PySequence_Fast_GET_SIZE(o) != n) trees::fail_changed(v.op, "list");
    }
  }
}

// Makes a node again. Children are those that `next` makes, one after the other; `object` and `carried` give what the
// visitor was given.
class NodeMaker {
 public:
  virtual py::object object() = 0;
  virtual py::object carried() = 0;
  virtual py::object child() = 0;

  py::object make(NodeKind kind, std::size_t n);

 protected:
  ~NodeMaker() = default;

 private:
  py::list children(std::size_t n);
};

void register_tree_type(py::object type, py::object flatten, py::object unflatten);

}  // namespace alice
