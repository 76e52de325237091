// The three Python types of the engine and the state they share. They are plain CPython types rather than
// pybind11 classes because they stand on the hot path: making one costs tens of nanoseconds.
//
//   Tensor ──producer──► Equation ──sources──► Equation | leaf Tensor
//      │                    │
//    array               primitive, attributes, saved arrays
//
// An Equation never refers to the Tensors it produced (rules that need an output get a fresh handle on the
// same array), so a graph is no cycle, and is freed the moment its last Tensor goes. Cycles come from what a user
// stores: a gradient that can be differentiated, a rule or a checkpointed function that knows its results. They are the
// garbage collector's; all these types show it what they hold.
#pragma once

#include "attributes.h"
#include "convert.h"
#include "equation.h"
#include "primitive.h"
#include "tensor.h"
#include "thread_state.h"
