#pragma once

#include <string>

#include "engine.h"

namespace alice {

// Runs a kernel into existing Tensors, leaves from outside any trace: the only in-place change there is. Their versions
// grow, so that a gradient rule which saved the old value can tell. While a function is being compiled the update is
// only written down.
// The primitive of a kernel that has none in Python.
PrimitiveObject* update_primitive(const Kernel* kernel);

void update(const std::string& kernel, py::sequence inputs, py::sequence attributes, py::sequence outputs);

}  // namespace alice
