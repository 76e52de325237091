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
// sum of products, say. So what holds for one of many examples that lie side by side holds for all. Its items come for
// each operand in row-major order, and results have the bits that the kernel gives.
class Expansion {
 public:
  static constexpr int kMostItems = 32;  // of a loop

  virtual ~Expansion() = default;
  // One result, in operations on numbers of its dtype, which is that of all operands.
  virtual std::int32_t result(const std::int32_t* const*, Operations&) const { return 0; }
  // Or, if `loop`, run(n, out, items): n results at once. Of the one operand the items number k of them all are
  // contiguous at items[k], and so are the results, which lie apart from them.
  virtual void run(std::int64_t, void*, const void* const*) const {}

  Dims shape;              // that of the results, and behind it the axes along which the items of each lie
  std::vector<Dims> axes;  // of each operand: which of those each of its axes is, broadcast where its extent is 1
  double operations = 0;   // for each result, about
  bool loop = false;
  double call_cost = 0, result_cost = 0;  // nanoseconds, of the loop
};

}  // namespace alice
