// The arguments of a primitive as Tensors of the dtypes that its kernel takes.
#pragma once

#include <vector>

#include "../core/kernel.h"
#include "attributes.h"
#include "convert.h"
#include "primitive.h"

namespace alice {

struct Operands {
  std::vector<py::object> converted;   // owns the Tensors that conversion makes, up to the end of the call
  std::vector<TensorObject*> tensors;  // null while an argument is still a weakly typed scalar
  std::vector<Scalar> scalars;
  std::vector<TensorObject*> weak;  // the scalars that are numbers of a traced call, else null; empty if there is none
};

// Refuses a dtype of those whose promotion is `common` and does not hold its numbers: no integer dtype holds those of
// uint64 and of signed ones.
void check_sign(const char* op, DType common, DType dtype);

// Of a call with so many arguments: the operands, which come first. Throws if they are not as many as there should be.
Py_ssize_t count_inputs(const Kernel& kernel, Py_ssize_t nargs);

// An argument whose type defines __alice_bind__ takes the call over, with a result of its own: formulas do. Null if
// there is none.
py::object overridden(PrimitiveObject* p, PyObject* const* args, Py_ssize_t n_in);

void convert(Operands& a, const Kernel& kernel, PyObject* const* args, std::size_t n);

}  // namespace alice
