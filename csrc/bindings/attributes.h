// The static arguments of a call.
#pragma once

#include <string>
#include <vector>

#include "../core/kernel.h"
#include "errors.h"

namespace alice {

// As many as the kernel declares, of kinds that it takes.
std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* const* args);
std::vector<Attr> parse_attributes(const Kernel& kernel, PyObject* tuple);          // of an equation; null for none
py::tuple plain_attributes(const std::vector<Attr>& attrs, PyObject* const* args);  // Python's own objects of them
py::dict kernel_signature(const std::string& name);  // numbers of operands and results (-1: any), attributes and kinds

}  // namespace alice
