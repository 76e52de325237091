// What Python sees of a Tensor, by parts: each adds its own to the type.
#pragma once

#include "slot.h"
#include "tensor.h"

namespace alice {

void add_attributes(TypeMaker<TensorObject>& type);  // shape, dtype, who follows it, …
void add_gradient(TypeMaker<TensorObject>& type);    // .grad
void add_reading(TypeMaker<TensorObject>& type);     // the elements, as numbers of others
void add_operators(TypeMaker<TensorObject>& type);   // +, @, <, …: each is a primitive

}  // namespace alice
