// Arithmetic in steps, for programs of scalars: loops over many of them, which kernels have at their instruction-set
// level.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernel.h"

namespace alice {

// out = f(a, b, c), of registers that begin so many times 8 bytes behind the first one. Not all kinds read all three.
struct ArithmeticStep {
  std::int32_t out, a, b, c;
};

// Steps of one kind, one after the other. In each register lie `lanes` items, which take a multiple of kStepBytes; or
// just one.
inline constexpr std::int64_t kStepBytes = 64;
using ArithmeticLoop = void (*)(const ArithmeticStep* first, const ArithmeticStep* last, std::byte* registers,
                                std::int64_t lanes);
struct ArithmeticLoops {
  ArithmeticLoop alone, lanes;
};

inline constexpr int kArithmetics = static_cast<int>(Arithmetic::LogicalNot) + 1;
struct ArithmeticTable {
  ArithmeticLoops loops[kArithmetics][2];  // by kind, and whether of float64, else float32; null for None
};

const ArithmeticLoops& arithmetic_loops(Arithmetic kind, bool is_double);
void set_arithmetic_loops(const ArithmeticTable& table);

}  // namespace alice
