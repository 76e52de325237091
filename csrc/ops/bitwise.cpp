// Ops on the bits of integers, of bools too where that is what the logical ops do.
#include <iterator>
#include <limits>

#include "plain_loops.h"

namespace alice {
namespace {

struct BitAnd {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x & y);
  }
};
struct BitOr {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x | y);
  }
};
struct BitXor {
  template <class T>
  T operator()(T x, T y) const {
    return static_cast<T>(x ^ y);
  }
};
struct BitInvert {
  template <class T>
  T operator()(T x) const {
    if constexpr (std::is_same_v<T, bool>)
      return !x;
    else
      return static_cast<T>(~x);
  }
};

// By as many places as the type has, or by a negative number, everything is shifted out.
template <class T>
bool keeps(T places) {
  return places >= T{0} && static_cast<std::uint64_t>(places) < sizeof(T) * 8;
}
struct LeftShift {
  template <class T>
  T operator()(T x, T places) const {
    using U = std::make_unsigned_t<T>;
    return keeps(places) ? static_cast<T>(static_cast<std::uint64_t>(static_cast<U>(x)) << places) : T{0};
  }
};
struct RightShift {  // of a negative number with ones
  template <class T>
  T operator()(T x, T places) const {
    return keeps(places) ? static_cast<T>(x >> places) : x < T{0} ? static_cast<T>(-1) : T{0};
  }
};

template <class F, int N>
constexpr ElementwiseRow row(const char* name) {
  return {name,
          N,
          Inputs::Promote,
          ElementwiseResult::Same,
          0.3f,
          {plain_loop<F, N, bool>, plain_loop<F, N, std::uint8_t>, plain_loop<F, N, std::int32_t>,
           plain_loop<F, N, std::int64_t>},
          {.signless = true}};
}
template <class F>
constexpr ElementwiseRow shift(const char* name, bool signless) {
  return {name,
          2,
          Inputs::Numeric,
          ElementwiseResult::Same,
          0.5f,
          {nullptr, plain_loop<F, 2, std::uint8_t>, plain_loop<F, 2, std::int32_t>, plain_loop<F, 2, std::int64_t>},
          {.signless = signless}};
}

constexpr ElementwiseRow kRows[] = {
    row<BitAnd, 2>("bitwise_and"),
    row<BitOr, 2>("bitwise_or"),
    row<BitXor, 2>("bitwise_xor"),
    row<BitInvert, 1>("bitwise_invert"),
    shift<LeftShift>("bitwise_left_shift", true),
    shift<RightShift>("bitwise_right_shift", false),
};

}  // namespace

ElementwiseTable bitwise_table() { return {kRows, static_cast<int>(std::size(kRows))}; }

}  // namespace alice
