// The fused cross-entropy of logits, and its gradient.
#pragma once

#include "../core/kernel.h"
#include "softmax_loops.h"

namespace alice {

void register_cross_entropy(Registry&, const SoftmaxLoops& f32, const SoftmaxLoops& f64);

}  // namespace alice
