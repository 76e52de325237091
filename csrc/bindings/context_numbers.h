// Contexts as Python has them: a number, or a frozenset of numbers.
#pragma once

#include "contexts.h"
#include "errors.h"

namespace alice {

py::object numbers_of(const Contexts& contexts);
Contexts contexts_of(py::handle numbers);     // of any iterable
Contexts context_or_none(py::handle number);  // None: no context

void add_contexts(py::module_& m);

}  // namespace alice
