// What derivative rules return, as both modes check it.
#pragma once

#include "engine.h"

namespace alice {

// Throws unless a rule of `p` has made a Tensor like this one: a cotangent of input i, or a tangent of result i.
void check_derivative(const PrimitiveObject* p, Direction direction, py::handle made, const Array& like, std::size_t i);

}  // namespace alice
