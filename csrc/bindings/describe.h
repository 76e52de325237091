// What Python shows of programs and their numbers.
#pragma once

#include "../program/program.h"
#include "engine.h"

namespace alice {

// The one element as a Python bool, int or float.
py::object number_from(const Array& a);

// The instructions, in order: ([(kernel, operands, [(result, type)], in place?)], FLOPs, bytes, runs, nanoseconds).
py::list describe(const program::Program& p);

}  // namespace alice
