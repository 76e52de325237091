// The operators of a Tensor: +, @, <, … Each is a primitive.
#pragma once

#include "slot.h"
#include "tensor.h"

namespace alice {

void add_operators(TypeMaker<TensorObject>& type);

}  // namespace alice
