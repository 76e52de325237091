// The gradient of max and min.
#pragma once

#include "../core/isa.h"
#include "../core/kernel.h"

namespace alice {

void register_extremes(Registry&, Isa);

}  // namespace alice
