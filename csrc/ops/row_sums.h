// Sums over a row, for loops that are compiled per instruction-set level: in the order that the number of items alone
// decides, in double lanes that are added as a tree.
#pragma once

#include <cstdint>

#include "math_bits.h"

namespace alice::ALICE_ISA {

inline constexpr int kLanes = 16;  // of a sum

struct Lanes {
  double lane[kLanes] = {};
  ALICE_HD double total() const {
    double s[8];
    for (int i = 0; i < 8; ++i) s[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; ++i) s[i] += s[i + 4];
    return (s[0] + s[2]) + (s[1] + s[3]);
  }
};

// Σ f(k) for k < n.
template <class F>
ALICE_HD double sum_over(std::int64_t n, F f) {
  Lanes sum;
  std::int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
    for (int l = 0; l < kLanes; ++l) sum.lane[l] += f(k + l);
  for (int l = 0; k + l < n; ++l) sum.lane[l] += f(k + l);
  return sum.total();
}

}  // namespace alice::ALICE_ISA
