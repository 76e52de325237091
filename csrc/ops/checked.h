// What the kernel checked_arithmetic computes of two numbers, or of the first alone.
#pragma once

#include <cstdint>

namespace alice {

// Each with its name in errors, and of how many numbers it is. Those from Divide on give the first number as it is, if
// a double holds it (the first two), it is not 0, a double holds its power to the second, or int64 its integer.
// clang-format off
#define ALICE_CHECKED(row)                  \
  row(Add, "add", 2)                        \
  row(Subtract, "subtract", 2)              \
  row(Multiply, "multiply", 2)              \
  row(FloorDivide, "floor_divide", 2)       \
  row(Remainder, "remainder", 2)            \
  row(Power, "pow", 2)                      \
  row(Negative, "negative", 1)              \
  row(Abs, "abs", 1)                        \
  row(LeftShift, "bitwise_left_shift", 2)   \
  row(RightShift, "bitwise_right_shift", 2) \
  row(Divide, "divide", 1)                  \
  row(Compare, "compare", 1)                \
  row(Divisor, "divide", 1)                 \
  row(Base, "pow", 2)                       \
  row(Whole, "round", 1)
// clang-format on

enum class Checked : std::int64_t {
#define ALICE_ROW(op, name, numbers) op,
  ALICE_CHECKED(ALICE_ROW)
#undef ALICE_ROW
};

}  // namespace alice
