#pragma once

#include "engine.h"

namespace alice {

// Adjoints from the cotangents of `outputs`. With targets, a list with a Tensor or None for each; with None, the
// pairs (leaf, adjoint) of all leaves that require a gradient. `release` gives the saved values of each equation
// back as soon as its rules have run; with targets, only of those that no live context follows.
py::list reverse(py::sequence outputs, py::sequence cotangents, py::object targets, bool release);

}  // namespace alice
