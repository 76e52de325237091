// What a kernel of tiny values does, in operations on single numbers: for programs that run as tapes (program/tape.h).
#pragma once

#include <cstdint>
#include <vector>

#include "kernel.h"

namespace alice {

// Takes down operations on scalars of one dtype, which are named by numbers.
class Operations {
 public:
  virtual std::int32_t zero() = 0;
  virtual std::int32_t operate(Arithmetic kind, std::int32_t a, std::int32_t b, std::int32_t c) = 0;
  std::int32_t operate(Arithmetic kind, std::int32_t a, std::int32_t b) { return operate(kind, a, b, a); }

 protected:
  ~Operations() = default;
};

// A call whose results are each made of a few elements of the operands, its items, and all of them in the same way: a
// sum of products, say. So what holds for one of many examples that lie side by side holds for all. All arrays have one
// dtype, float32 or float64.
class Expansion {
 public:
  virtual ~Expansion() = default;
  // One result, with the bits that the kernel gives: of its items, for each operand in row-major order.
  virtual std::int32_t result(const std::int32_t* const* items, Operations& to) const = 0;

  Dims shape;              // that of the results, and behind it the axes along which the items of each lie
  std::vector<Dims> axes;  // of each operand: which of those each of its axes is, broadcast where its extent is 1
  double operations = 0;   // for each result, about
};

}  // namespace alice
