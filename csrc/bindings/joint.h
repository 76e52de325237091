// Joints: values that differentiate by rules of their own instead of the ops that made them. A joint is an equation
// that passes its first inputs on; what it adds is how cotangents and tangents get from there to the arguments.
#pragma once

#include "engine.h"

namespace alice {

// The kernel of all joints: each of its results is the input of the same number.
const Kernel& joint_kernel();

void add_joint(py::module_& m);

}  // namespace alice
