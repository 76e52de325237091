// TreeDef: the structure of a tree as a value, which is compared, printed, matched with other trees, and filled.
#pragma once

#include "tree.h"

namespace alice {

class TreeDef {
 public:
  // The structure of `tree`, whose leaves are appended. Modules may count as leaves, all of them (True) or those that a
  // function says are: a compiled function captures what they hold.
  static TreeDef of(PyObject* tree, std::vector<py::object>& leaves, py::handle modules_are_leaves = Py_False);

  std::size_t leaves() const { return leaves_; }
  bool is_leaf() const { return words_.size() == 1 && leaves_ == 1; }

  // The structure with these leaves, as many as there are. May be called by several threads.
  py::object make(const std::vector<py::object>& leaves) const;

  // The leaves of another tree of this structure, in this one's order: dicts may have their keys in any order, lists
  // and tuples stand for each other. What stands in the place of a leaf is taken whole. With `prefix`, what is no
  // container goes for all leaves of the node in its place. Throws ShapeError, which begins with `what` and names both
  // structures.
  std::vector<py::object> match(PyObject* tree, const std::string& what, bool prefix) const;

  bool operator==(const TreeDef& other) const;
  Py_hash_t hash() const;
  std::string text() const;  // [*, {'a': *}]

  int traverse(visitproc visit, void* arg) const;

 private:
  friend class TreeReader;

  std::vector<std::uint64_t> words_;
  std::vector<py::object> objects_, carried_;
  std::size_t leaves_ = 0;
};

bool is_treedef(PyObject* o);
const TreeDef& treedef_of(PyObject* o);  // of a Python object that is one

void add_tree(py::module_& m);

}  // namespace alice
