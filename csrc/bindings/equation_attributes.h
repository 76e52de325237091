// What Python sees of an Equation: the printed trace and the compiler read it.
#pragma once

#include "equation.h"
#include "slot.h"

namespace alice {

void add_attributes(TypeMaker<EquationObject>& type);

}  // namespace alice
