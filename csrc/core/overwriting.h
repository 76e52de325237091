// Kernels that change a copy of their first operand. They find it in their result already where a program lets this lie
// in the operand's memory, because nobody needs the operand any more and no other operand lies in it.
#pragma once

#include "kernel.h"

namespace alice {

void may_overwrite_first(const Kernel& kernel);  // says so; when kernels are registered
bool overwrites_first(const Kernel& kernel);

}  // namespace alice
