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

// What they work on. Where takes whatever has as many bytes; logic, of bools, stands with float32.
enum class Numbers : std::uint8_t { Float32, Float64, Int64 };
inline constexpr int kNumbers = 3;

inline constexpr int kArithmetics = static_cast<int>(Arithmetic::LogicalNot) + 1;
struct ArithmeticTable {
  ArithmeticLoops loops[kArithmetics][kNumbers];  // null where there is no such step
};

const ArithmeticLoops& arithmetic_loops(Arithmetic kind, Numbers of);
void set_arithmetic_loops(const ArithmeticTable& table);

}  // namespace alice
