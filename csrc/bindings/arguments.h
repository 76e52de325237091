// Arguments: a call of a compiled function taken apart, once: what is data becomes variables, the rest a signature that
// names the structure. Everything is owned until clear(), since a call may run other threads and callbacks.
#pragma once

#include <unordered_map>
#include <vector>

#include "../program/contract.h"
#include "tree.h"
#include "variables.h"

namespace alice {

// The structure of the arguments, kinds of numbers, and the arguments that are no data. With equal signatures and a
// contract that holds a program can be run again.
struct Signature {
  std::vector<std::uint64_t> words;
  std::vector<PyObject*> objects;  // the same if same_data() says so
};

// Arguments that are part of the signature, whatever they are, and none of the data.
struct Statics {
  std::uint64_t positions = 0;  // a bit for each of the first 64
  py::object names;             // a frozenset; null if there are no such arguments
  py::object known;             // a dict: of equal ones the first, which then stands for all
};

class Arguments {
 public:
  Arguments() = default;
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() { clear(); }

  // Reads the arguments of a vectorcall. Throws for what cannot be an argument.
  void read(PyObject* const* args, Py_ssize_t n, PyObject* names, const Statics& statics);

  // What read() is or was looking at: the number of a positional argument, or the name of another.
  py::object reading() const;

  const Signature& signature() const { return signature_; }
  // An argument is more than a Tensor, or abstract: the function must run as it is.
  bool runs_as_it_is() const { return as_it_is_; }
  // Somebody differentiates an argument: no program alone can stand for the function.
  bool differentiated() const { return differentiated_; }

  std::size_t count() const { return leaves_.size(); }
  std::byte* data(std::size_t i);                                          // contiguous
  TensorObject* tensor(std::size_t i) const { return leaves_[i].tensor; }  // null for arrays and numbers
  py::object as_tensor_of(std::size_t i) const;                            // of any that is no number
  program::Variable variable(std::size_t i) const;

  // The same arguments with abstract Tensors in place of the data: (args, kwargs, these Tensors in order).
  py::tuple stand_ins() const;

  void clear();  // but keep the memory for the next call

 private:
  struct Leaf {
    TensorObject* tensor;  // owned
    std::int32_t held;     // its array among held_, or -1
    DType number;          // of a number
    std::uint8_t width;
    union {
      bool boolean;
      std::int64_t integer;
      double real;
    };
  };
  friend class StandIns;

  // As a visitor of walk_tree(). What modules hold is captured, not passed.
  template <class Visitor>
  friend void walk_tree(Visitor& v, PyObject* o, int depth);
  static constexpr const char* op = "compile";
  void leaf(PyObject* o);
  bool is_leaf(NodeKind kind, PyObject*) const { return kind == NodeKind::kModule; }
  void node(NodeKind kind, Py_ssize_t n) { word(static_cast<std::uint64_t>(kind), static_cast<std::uint64_t>(n)); }
  void object(PyObject* o) { constant(o); }
  void carry(PyObject* o);

  void read_tensor(TensorObject* t);
  std::int64_t leaf_of(TensorObject* t);
  void read_array(const Array& array);
  bool read_number(PyObject* o);
  bool read_array_like(PyObject* o);
  void word(std::uint64_t kind, std::uint64_t detail = 0) { signature_.words.push_back(kind | detail << 8); }
  void constant(PyObject* o);  // becomes part of the signature
  void read_static(PyObject* o, const Statics& statics);

  Signature signature_;             // owns its objects
  std::vector<PyObject*> carried_;  // owned; what nodes take along
  std::vector<Leaf> leaves_;
  std::unordered_map<TensorObject*, std::size_t> number_of_;  // of the first `numbered_` leaves, once there are many
  std::size_t numbered_ = 0;
  std::vector<Array> held_;
  Py_ssize_t position_ = 0;
  PyObject* keyword_ = nullptr;
  bool as_it_is_ = false, differentiated_ = false;
};

}  // namespace alice
