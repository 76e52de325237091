// uint64 where its numbers from 2^63 on make a difference: loops of elementwise kernels, and casts.
// Small: it is for storage, and speed is not what it is chosen for.
#include <string_view>

#include "../core/half.h"
#include "elementary.h"
#include "elementwise.h"
#include "plain_loops.h"

namespace alice {

using namespace ALICE_ISA;

namespace {

using T = std::uint64_t;

struct RightShift {
  T operator()(T x, T places) const { return places < 64 ? x >> places : 0; }
};
struct Never {
  bool operator()(T) const { return false; }
};
struct ToOdd {
  float operator()(T x) const { return to_odd(x); }
};

constexpr std::pair<std::string_view, Loop> kLoops[] = {
    {"floor_divide", plain_loop<FloorDivide, 2, T>},
    {"remainder", plain_loop<Remainder, 2, T>},
    {"pow", plain_loop<Pow, 2, T>},
    {"abs", plain_loop<Floor, 1, T>},  // what it is
    {"sign", plain_loop<Sign, 1, T>},
    {"signbit", plain_loop<Never, 1, T, bool>},
    {"maximum", plain_loop<Maximum, 2, T>},
    {"minimum", plain_loop<Minimum, 2, T>},
    {"clip", plain_loop<Clip, 3, T>},
    {"less", plain_loop<Less, 2, T, bool>},
    {"less_equal", plain_loop<LessEqual, 2, T, bool>},
    {"greater", plain_loop<Greater, 2, T, bool>},
    {"greater_equal", plain_loop<GreaterEqual, 2, T, bool>},
    {"bitwise_right_shift", plain_loop<RightShift, 2, T>},
};

}  // namespace

Loop unsigned_loop(std::string_view kernel) {
  for (const auto& [name, loop] : kLoops)
    if (name == kernel) return loop;
  return nullptr;
}

Loop unsigned_cast(DType from, DType to) {
  if (from == DType::UInt64 && is_floating(to))
    return to == DType::Float32   ? plain_loop<Cast<float>, 1, T, float>
           : to == DType::Float64 ? plain_loop<Cast<double>, 1, T, double>
                                  : plain_loop<ToOdd, 1, T, float>;
  if (to == DType::UInt64 && is_floating(from))
    return from == DType::Float64 ? plain_loop<Cast<T>, 1, double, T> : plain_loop<Cast<T>, 1, float, T>;
  return nullptr;
}

}  // namespace alice
