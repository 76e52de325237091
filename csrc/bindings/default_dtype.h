// The dtype of Python's floats, which have none of their own: of the current context (Python's contextvars), so that
// threads and asyncio tasks do not see each other's.
#pragma once

#include "convert.h"

namespace alice {

DType default_dtype();
DType exchange_default_dtype(DType dtype);  // returns the one before

}  // namespace alice
