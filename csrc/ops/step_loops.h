// The steps of programs of scalars, one table per instruction-set level.
#pragma once

#include "../core/arithmetic.h"
#include "../core/isa.h"

namespace alice {

ALICE_BY_LEVEL(const ArithmeticTable&, step_table, ())

}  // namespace alice
