#pragma once

#include "engine.h"

namespace alice {

void add_compiled(py::module_& m);

}  // namespace alice
