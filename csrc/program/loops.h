// Kernels that run programs: loops and choices.
#pragma once

#include "../core/kernel.h"

namespace alice::program {

void register_loops(Registry&);

}  // namespace alice::program
