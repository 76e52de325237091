// Every family of kernels, entered into the registry once, at import, at the CPU's best level.
#pragma once

#include "../core/isa.h"
#include "../core/kernel.h"

namespace alice {

void register_elementwise(Registry&, Isa);
void register_matmul(Registry&, Isa);
void register_reduce(Registry&, Isa);
void register_softmax(Registry&, Isa);
void register_shape(Registry&, Isa);
void register_indexing(Registry&, Isa);
void register_update(Registry&, Isa);
void register_random(Registry&, Isa);

}  // namespace alice
