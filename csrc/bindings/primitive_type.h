// The Python type of primitives.
#pragma once

#include <string>

#include "primitive.h"

namespace alice {

bool is_primitive(py::handle o);

// Of that Python type, a subclass of PrimitiveBase; null: of PrimitiveBase. Its rules read nothing of its operands, and
// it is not differentiable.
py::object make_primitive(py::handle type, const Kernel& kernel, const std::string& name);

}  // namespace alice
