// Tensors as the variables of a program's contract, and the abstract Tensors that stand for them while it is traced.
#pragma once

#include "../program/contract.h"
#include "engine.h"

namespace alice {

inline program::Variable variable_of(const TensorObject* t) {
  return {&t->array, t->grad ? &as_tensor(t->grad)->array : nullptr, t->requires_grad};
}

// A Tensor without data, with all that the contract says of it.
py::object abstract_variable(const program::Binding& b);
// Stands for a Python number of that dtype and width.
py::object abstract_number(DType dtype, std::uint8_t width);

// What the contract says of an argument that one of the two stands for.
program::Binding binding_of(const TensorObject* stand_in);

}  // namespace alice
