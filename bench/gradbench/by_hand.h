// What a derivative by hand is given: the arrays of the eval in their order, its sizes, and room for the results.
#pragma once
#include <cstdint>

struct Call {
  const void* const* arrays;
  const std::int64_t* sizes;
  double* const* results;

  const double* operator[](int i) const { return static_cast<const double*>(arrays[i]); }
  const std::int64_t* integers(int i) const { return static_cast<const std::int64_t*>(arrays[i]); }
};

// Defines the derivative `name`, called `times` times.
#define BY_HAND(name)                                                                                          \
  static void name(const Call& call);                                                                          \
  extern "C" void name##_by_hand(const void* const* arrays, const std::int64_t* sizes, double* const* results, \
                                 std::int64_t times) {                                                         \
    for (std::int64_t i = 0; i < times; ++i) name({arrays, sizes, results});                                   \
  }                                                                                                            \
  static void name(const Call& call)
