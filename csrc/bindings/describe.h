// What Python shows of programs.
#pragma once

#include "../program/cpu_executor.h"
#include "engine.h"

namespace alice {

// The instructions, in order: ([(kernel, operands, [(result, type)], in place?)], FLOPs, bytes, runs, nanoseconds).
py::list describe(const program::CpuExecutor& p);

}  // namespace alice
