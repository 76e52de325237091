// Optimiser updates of one run of items, compiled once per instruction-set level.
#pragma once

#include <cstdint>

#include "../core/isa.h"

namespace alice {

// `in`: a parameter, its gradient, then what is remembered of it; `out`: the new parameter, then what is remembered
// from now on. An output may be its own input, item by item. `c`: the numbers of this step, as the rule's coefficients
// put them (update_rules.cpp).
using UpdateLoop = void (*)(std::int64_t n, const void* const* in, void* const* out, const double* c);

struct UpdateLoops {
  using OfDType = UpdateLoop[2];  // float32, float64
  OfDType sgd[2];                 // … with a velocity
  OfDType adagrad;
  OfDType rmsprop[4];  // … centred, with a velocity, both
  OfDType adam[2];     // … with the largest second moment
  OfDType nadam;
  OfDType lion;
  OfDType average;
};

ALICE_BY_LEVEL(const UpdateLoops&, update_loops, ())

}  // namespace alice
