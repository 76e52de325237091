// Running sums, products, extremes, and the products of all items but one: reductions that keep every step.
#pragma once

#include "../core/kernel.h"

namespace alice {

void register_scan(Registry&);
void register_recurrences(Registry&);
void register_running_extremes(Registry&);

}  // namespace alice
