// What Python sees of a Primitive: its rules, which it may set, and what it is.
#pragma once

#include "primitive.h"
#include "slot.h"

namespace alice {

void add_attributes(TypeMaker<PrimitiveObject>& type);

}  // namespace alice
