// What Python shows of programs.
#pragma once

#include "../program/program.h"
#include "engine.h"

namespace alice {

// The instructions, in order: ([(kernel, operands, [(result, type)], in place?)], FLOPs, bytes, runs, nanoseconds).
py::list describe(const program::Program& p);

}  // namespace alice
