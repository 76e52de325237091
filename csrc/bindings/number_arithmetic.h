// Operators between the numbers of a traced call, which stand for Python's.
#pragma once

#include "extension.h"

namespace alice {

inline bool is_number(PyObject* o) { return is_tensor(o) && is_weak(as_tensor(o)); }

// Of one or two numbers, of which at least one is such a number; the others may be Python's. The result is a number,
// too: integers are computed exactly, real ones in double precision, as Python's are.
py::object number_arithmetic(int slot, PyObject* const* args, int n);

// floor, ceil, trunc or round of such a number: an integer, as Python has it, and such a number, too.
py::object whole_number(int slot, PyObject* number);

}  // namespace alice
