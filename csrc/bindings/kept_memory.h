#pragma once

#include "engine.h"

namespace alice {

void add_kept_memory(py::module_& m);

}  // namespace alice
