// What the kernel checked_arithmetic computes of two integers, or of the first alone.
#pragma once

#include <cstdint>

namespace alice {

enum class Checked : std::int64_t {
  Add,
  Subtract,
  Multiply,
  FloorDivide,
  Remainder,
  Power,
  Negative,
  Abs,
  LeftShift,
  RightShift,
  Divisor,  // itself, and not 0
  Divide,   // itself, and a double holds it
  Compare,  // as Divide
};

}  // namespace alice
