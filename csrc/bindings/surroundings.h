// Surroundings: what a traced function may have read beside its data, and whether it still is as it was.
//
// A trace holds for what the function found in its closure, its globals, its defaults and the objects that it was
// given: numbers, flags, which modules are in a list, which Tensor is whose weight. All that can be reached from there
// is written down once, after tracing, as far as the code that may run names it: an attribute or global whose name no
// code of the function mentions cannot have been read. Before each replay it is gone through again, with the pointers
// that are there now: no object is kept alive for it but plain values, captured Tensors, types and code.
#pragma once

#include <string>
#include <vector>

#include "tree.h"

namespace alice {

class Surroundings {
 public:
  Surroundings() = default;
  // Of a function and the objects among its arguments that are no data; `captured` are the Tensors that it reads by
  // reference. Runs no code of users.
  static Surroundings of(PyObject* function, const std::vector<PyObject*>& objects,
                         const std::vector<py::object>& captured);

  // Runs no code of users.
  bool hold(PyObject* function, const std::vector<PyObject*>& objects) const;
  // What was different when they last did not hold: "model.layers[2]".
  std::string changed() const;

  int traverse(visitproc visit, void* arg) const;

  // An attribute that is a member of a native type or a slot; null if it is not set.
  static py::object part_of(PyObject* o, PyObject* name);

 private:
  friend class SurroundingsReader;

  enum class Kind : std::uint8_t {
    kMissing,    // there is nothing
    kPlain,      // a value equal to `object`
    kExactly,    // `object` itself
    kTensor,     // any Tensor of the dtype and shape of `object`, which is abstract
    kBytes,      // a small array with the bytes of `object`
    kItems,      // a list or tuple of type `object`, of `size` items
    kDict,       // likewise
    kSet,        // equal to the set `object`
    kLarge,      // a container of type `object` and `size` items, which are not looked at
    kFunction,   // a Python function with the code `object`
    kInstance,   // of the class `object`, with `size` attributes
    kParts,      // of the type `object`, whose attributes are native
    kClass,      // the class `object`, with what it defines itself
    kNamespace,  // the Python module `object`
    kSeen,       // what stood in place number `size`
  };
  enum class Access : std::uint8_t {
    kFunction,    // the function itself
    kArgument,    // objects[place]
    kCell,        // cell number `place` of a closure
    kGlobal,      // by its name `key`, as all below
    kDefaults,    // of a function
    kKwDefaults,  // likewise
    kAttribute,   // of an instance or a Python module
    kBase,        // number `place` of the classes that an instance looks in
    kPart,
    kItem,   // number `place`
    kValue,  // of entry number `place` of a dict, whose key is `key`
  };
  struct Node {
    Kind kind;
    Access access;
    bool weak = false;         // `object` is a weak reference
    std::int32_t seen = -1;    // the place where it is noted for others
    std::int32_t parent = -1;  // for messages
    // Its children come next, last those that cannot change inside and that its dict holds: attributes or globals.
    std::uint32_t children = 0, simple = 0;
    Py_ssize_t place = 0, size = 0;
    py::object key, object;
    const PyObject* itself = nullptr;  // which list, dict or instance it is; never followed
    // The version of that dict when the children were last found to be the same. While it is that, they still are, and
    // those that can change inside are `last`.
    mutable std::uint64_t version = 0;
    mutable PyObject* last = nullptr;
  };
  struct Holder;
  class Check;

  std::vector<Node> nodes_;  // in preorder
  std::uint32_t roots_ = 0;
  std::int32_t places_ = 0;
  mutable std::int32_t differs_ = -1;
};

}  // namespace alice
