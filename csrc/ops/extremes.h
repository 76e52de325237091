// The gradient of max and min.
#pragma once

#include "../core/kernel.h"

namespace alice {

void register_extremes(Registry&);

}  // namespace alice
