// Arguments: a call of a compiled function taken apart, into what the program reads and a signature that names it.
#pragma once

#include <vector>

#include "engine.h"

namespace alice {

// Structure, shapes, dtypes: equal signatures run the same program.
struct Signature {
  std::vector<std::uint64_t> words;
  std::vector<PyObject*>
      objects;  // arguments that are no data: compared by identity; strings, dtypes and keys by value

  bool matches(const Signature& other) const;
};

class Arguments {
 public:
  // Reads the arguments of a vectorcall. Throws for what cannot be an argument.
  void read(PyObject* const* args, Py_ssize_t n, PyObject* names);

  // What read() is or was looking at: the number of a positional argument, or the name of another.
  py::object reading() const;

  const Signature& signature() const { return signature_; }
  // Somebody differentiates an argument, or it is more than a Tensor, or abstract: the function must run as it is.
  bool runs_as_it_is() const { return as_it_is_; }

  std::size_t count() const { return leaves_.size(); }
  std::byte* data(std::size_t i);                                          // contiguous
  void clear();                                                            // but keep the memory for the next call
  TensorObject* tensor(std::size_t i) const { return leaves_[i].tensor; }  // null for arrays and numbers

 private:
  struct Leaf {
    TensorObject* tensor;
    std::int32_t held;  // its array among held_, or -1
    union {
      bool boolean;
      std::int64_t integer;
      double real;
    };
  };
  void read_one(PyObject* o, int depth);
  void read_tensor(TensorObject* t);
  void read_array(const Array& array);
  void read_type(const Array& array, bool requires_grad);
  bool read_number(PyObject* o);
  void word(std::uint64_t kind, std::uint64_t detail = 0) { signature_.words.push_back(kind | detail << 8); }

  Signature signature_;
  std::vector<Leaf> leaves_;
  std::vector<Array> held_;
  Py_ssize_t position_ = 0;
  PyObject* keyword_ = nullptr;
  bool as_it_is_ = false;
};

}  // namespace alice
