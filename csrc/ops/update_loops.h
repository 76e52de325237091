// Optimiser updates of one run of items, compiled once per instruction-set level.
#pragma once

#include <cstdint>

#include "../core/isa.h"

namespace alice {

struct SgdHyper {
  double lr, momentum, weight_decay;
  bool nesterov;
};

// p_out = updated p, v_out = updated v (both null without momentum). An output may be its own input, item by item.
using SgdLoop = void (*)(std::int64_t n, const void* p, const void* g, const void* v, void* p_out, void* v_out,
                         const SgdHyper& hyper);

struct UpdateLoops {
  SgdLoop sgd[2];           // float32, float64
  SgdLoop sgd_momentum[2];  // with a velocity
};

ALICE_BY_LEVEL(const UpdateLoops&, update_loops, ())

}  // namespace alice
