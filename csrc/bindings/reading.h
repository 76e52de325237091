// The elements of a Tensor on their way out.
#pragma once

#include "tensor.h"

namespace alice {

// Throws if the elements may not be read: there are none, or they would become constants of a program (TraceError), or
// they have changed.
void check_readable(const TensorObject* t, const char* op);

// The one element as a Python number. Throws if it may not be read, or would lose a derivative.
py::object item(TensorObject* t, const char* op);

}  // namespace alice
