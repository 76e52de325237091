// What each optimiser remembers, which numbers steer it, and what becomes of them in a step. The arithmetic of the
// items is in update_loops.cpp.
#pragma once

#include <vector>

#include "../core/kernel.h"
#include "update_loops.h"

namespace alice {

struct UpdateRule {
  static constexpr int kNumbers = 8, kProgress = 2, kCoefficients = 9, kMemories = 3;  // at most so many

  const char* name;
  int numbers;                     // float64 numbers that steer it, those of a group
  int progress;                    // float64 numbers that count the steps of each parameter
  int memories;                    // arrays that are remembered of each parameter
  std::vector<const char*> flags;  // attributes: for each that is true, one array more
  const UpdateLoop (*loops)[2];    // by the flags, the first one counting 1, the next one 2
  // The loop's numbers, of the steps that were made so far; and how many they are now.
  void (*coefficients)(const double* numbers, const double* before, double* now, double* c);
};

const std::vector<UpdateRule>& update_rules();

}  // namespace alice
