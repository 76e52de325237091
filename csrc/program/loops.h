// Kernels that run programs: loops and choices.
#pragma once

#include "../core/kernel.h"

namespace alice::program {

void register_loops(Registry&);

// Of a call: the kernel's, or that of a body which it runs.
Exchange exchange_of(const Kernel& kernel, std::span<const Attr> attrs);

}  // namespace alice::program
