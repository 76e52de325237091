// Traced functions as attributes of primitives: Python knows what they mean, the native side how to run them.
#pragma once

#include <memory>

#include "../program/body.h"
#include "engine.h"

namespace alice {

// Of a tuple of _core.Body. Outside of traces, each gets its program now, if it has none yet.
std::shared_ptr<const Bodies> bodies_of(PyObject* tuple);

// Those among the attributes of an equation (null for none) that have no program yet get one.
void complete_bodies(PyObject* attributes);

// Are the attributes of two calls the same, one of which repeats the other? The functions among them may have been
// traced twice.
bool repeated_attributes(PyObject* a, PyObject* b);

void add_body(py::module_& m);

}  // namespace alice
