// The arithmetic of the elementwise ops, each exactly once: functors of the values of one element, for the loops of
// the CPU, for fused programs and for a GPU. This header: what every dtype has. Elementary functions stand in
// elementary.h, activations in activations.h.
#pragma once

#include <type_traits>

#include "math_bits.h"

namespace alice::ALICE_ISA {

template <class T>
inline constexpr bool kIsFloat = std::is_floating_point_v<T>;

// Integers wrap around: signed overflow is computed in the unsigned type.
template <class T>
struct WrapOf {
  using type = std::make_unsigned_t<T>;
};
template <>
struct WrapOf<float> {
  using type = float;
};
template <>
struct WrapOf<double> {
  using type = double;
};
template <class T>
using Wrap = typename WrapOf<T>::type;

struct Signless {};  // integers of one size give the same bits, with a sign or without

// --- Arithmetic -----------------------------------------------------------------------------------------------

struct Add : Signless {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    return static_cast<T>(static_cast<Wrap<T>>(x) + static_cast<Wrap<T>>(y));
  }
};
struct Subtract : Signless {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    return static_cast<T>(static_cast<Wrap<T>>(x) - static_cast<Wrap<T>>(y));
  }
};
struct Multiply : Signless {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    return static_cast<T>(static_cast<Wrap<T>>(x) * static_cast<Wrap<T>>(y));
  }
};
struct Divide {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    return x / y;
  }
};
struct Negative : Signless {
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return -x;
    else
      return static_cast<T>(Wrap<T>{0} - static_cast<Wrap<T>>(x));
  }
};
struct Abs {
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return absolute(x);
    else
      return x < T{0} ? Negative{}(x) : x;
  }
};
struct Sign {  // NaN at NaN, 0 at −0
  template <class T>
  ALICE_HD T operator()(T x) const {
    const T s = static_cast<T>((x > T{0}) - (x < T{0}));
    if constexpr (kIsFloat<T>)
      return x == x ? s : x;
    else
      return s;
  }
};
struct Square : Signless {
  template <class T>
  ALICE_HD T operator()(T x) const {
    return Multiply{}(x, x);
  }
};
struct Reciprocal {
  template <class T>
  ALICE_HD T operator()(T x) const {
    return T{1} / x;
  }
};
struct Sqrt {
  template <class T>
  ALICE_HD T operator()(T x) const {
    return std::sqrt(x);
  }
};
struct Rsqrt {
  ALICE_HD float operator()(float x) const { return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x))); }
  ALICE_HD double operator()(double x) const { return 1.0 / std::sqrt(x); }
};

// A cotangent times, or over, a factor: 0 stays 0 whatever it meets.
struct StrongMultiply {
  template <class T>
  ALICE_HD T operator()(T g, T d) const {
    return g == T{0} ? T{0} : g * d;
  }
};
struct StrongDivide {
  template <class T>
  ALICE_HD T operator()(T g, T y) const {
    return g == T{0} ? T{0} : g / y;
  }
};

// x − y times the integer nearest to x/y, exactly, where is_near(x, y).
template <class T>
ALICE_HD bool is_near(T x, T y) {
  constexpr T kQuotients = sizeof(T) == 4 ? T(0x1p21) : T(0x1p50);
  constexpr T kFar = sizeof(T) == 4 ? T(0x1p126) : static_cast<T>(0x1p1022);  // for the product not to overflow
  return (absolute(x) < absolute(y) * kQuotients) & (absolute(x) < kFar) & (absolute(y) < static_cast<T>(kInf));
}
template <class T>
ALICE_HD T near_rest(T x, T y, T quotient) {
  if constexpr (sizeof(T) == 4) {
    if (ALICE_HAS_FMA) return mul_add(-quotient, y, x);
    return static_cast<T>(static_cast<double>(x) - static_cast<double>(quotient) * static_cast<double>(y));
  } else {
    const Pair p = two_prod(quotient, y);
    return (x - p.hi) - p.lo;
  }
}

// Toward −∞, as Python has it. Integers: the result for a divisor of 0 is 0, as in NumPy.
struct FloorDivide {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    if constexpr (kIsFloat<T>) {
      const T real = x / y, q = nearest(real), r = near_rest(x, y, q);
      const T wrong = y < T{0} ? -r : r;  // below 0 where q is above the quotient
      const T floored = wrong < T{0} ? q - T{1} : q;
      return floored == T{0} ? copy_sign(T{0}, real) : floored;
    } else {
      if (y == T{0}) return T{0};
      if (std::is_signed_v<T> && y == static_cast<T>(-1)) return Negative{}(x);
      const T q = static_cast<T>(x / y);
      return x % y != 0 && (x < T{0}) != (y < T{0}) ? static_cast<T>(q - 1) : q;
    }
  }
  template <class T>
  ALICE_HD static bool in_range(T x, T y) {
    return is_near(x, y);
  }
  template <class T>
  ALICE_HD static T beyond(T x, T y) {
    const T r = std::fmod(x, y), q = (x - r) / y;  // x − r is a multiple of y: q is integral up to rounding
    const T floored = r != T{0} && (r < T{0}) != (y < T{0}) ? q - T{1} : q;
    return y == T{0} ? x / y : floored == T{0} ? copy_sign(T{0}, x / y) : std::rint(floored);
  }
};
// x − floor(x/y)·y: the sign of y.
struct Remainder {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    if constexpr (kIsFloat<T>) {
      const T r = near_rest(x, y, nearest(x / y)), wrong = y < T{0} ? -r : r;
      return r == T{0} ? copy_sign(T{0}, y) : wrong < T{0} ? r + y : r;
    } else {
      if (y == T{0} || (std::is_signed_v<T> && y == static_cast<T>(-1))) return T{0};
      const T r = static_cast<T>(x % y);
      return r != 0 && (r < T{0}) != (y < T{0}) ? static_cast<T>(r + y) : r;
    }
  }
  template <class T>
  ALICE_HD static bool in_range(T x, T y) {
    return is_near(x, y);
  }
  template <class T>
  ALICE_HD static T beyond(T x, T y) {
    const T r = std::fmod(x, y);
    return r == T{0} ? copy_sign(T{0}, y) : (r < T{0}) != (y < T{0}) ? r + y : r;
  }
};

struct Floor : Signless {
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return std::floor(x);
    else
      return x;
  }
};
struct Ceil : Signless {
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return std::ceil(x);
    else
      return x;
  }
};
struct Trunc : Signless {
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return std::trunc(x);
    else
      return x;
  }
};
struct Round : Signless {  // ties to even
  template <class T>
  ALICE_HD T operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return std::rint(x);
    else
      return x;
  }
};

// NaN wins; −0 and 0 are equal.
struct Maximum {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    if constexpr (kIsFloat<T>)
      return x != x ? x : x > y ? x : y;
    else
      return x > y ? x : y;
  }
};
struct Minimum {
  template <class T>
  ALICE_HD T operator()(T x, T y) const {
    if constexpr (kIsFloat<T>)
      return x != x ? x : x < y ? x : y;
    else
      return x < y ? x : y;
  }
};
struct Clip {  // NaN stays, and so is the NaN of a bound
  template <class T>
  ALICE_HD T operator()(T x, T low, T high) const {
    const T bounded = at_most(at_least(x, low), high);
    if constexpr (kIsFloat<T>)
      return __builtin_isunordered(low, high) ? low + high : bounded;
    else
      return bounded;
  }
};
struct Where : Signless {
  template <class T>
  ALICE_HD T operator()(std::uint8_t condition, T x, T y) const {  // 0 or 1; gcc does not vectorise loads of bools
    using U = std::conditional_t<sizeof(T) == 8, std::uint64_t,
                                 std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint8_t>>;
    const U mask = static_cast<U>(U{0} - static_cast<U>(condition));  // nor a select by a byte
    const U chosen = static_cast<U>((__builtin_bit_cast(U, x) & mask) | (__builtin_bit_cast(U, y) & ~mask));
    return __builtin_bit_cast(T, chosen);
  }
};

// Gradient kernels of the kinks: subgradients of least norm; a tie of maximum is shared.
struct AbsVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x) const {
    return x > T{0} ? g : x < T{0} ? -g : x == T{0} ? T{0} : x;
  }
};
struct MaximumVjp {  // of the first operand; where one is NaN, that one gets the cotangent
  template <class T>
  ALICE_HD T operator()(T g, T x, T y) const {
    const bool wins = (x > y) | ((x != x) & (y == y)), loses = (x < y) | ((x == x) & (y != y));
    const T shared = wins ? g : g * T(0.5);
    return loses ? T{0} : shared;
  }
};
struct MinimumVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x, T y) const {
    return MaximumVjp{}(g, -x, -y);
  }
};
struct ClipVjp {
  template <class T>
  ALICE_HD T operator()(T g, T x, T low, T high) const {
    return x > low && x < high ? g : x == x ? T{0} : x;
  }
};

// --- Comparison and logic -------------------------------------------------------------------------------------

struct Equal : Signless {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x == y;
  }
};
struct NotEqual : Signless {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x != y;
  }
};
struct Less {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x < y;
  }
};
struct LessEqual {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x <= y;
  }
};
struct Greater {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x > y;
  }
};
struct GreaterEqual {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return x >= y;
  }
};
struct LogicalAnd : Signless {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return (x != T{0}) & (y != T{0});
  }
};
struct LogicalOr : Signless {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return (x != T{0}) | (y != T{0});
  }
};
struct LogicalXor : Signless {
  template <class T>
  ALICE_HD bool operator()(T x, T y) const {
    return (x != T{0}) != (y != T{0});
  }
};
struct LogicalNot : Signless {
  template <class T>
  ALICE_HD bool operator()(T x) const {
    return x == T{0};
  }
};
struct IsNan : Signless {
  template <class T>
  ALICE_HD bool operator()(T x) const {
    return x != x;
  }
};
struct IsInf : Signless {
  template <class T>
  ALICE_HD bool operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return absolute(x) == static_cast<T>(kInf);
    else
      return false;
  }
};
struct IsFinite : Signless {
  template <class T>
  ALICE_HD bool operator()(T x) const {
    if constexpr (kIsFloat<T>)
      return absolute(x) < static_cast<T>(kInf);
    else
      return true;
  }
};

// --- Casts ----------------------------------------------------------------------------------------------------

// Floating to integer truncates toward zero, saturates, and takes NaN to 0; integers wrap; to bool is "not zero".
template <class To>
struct Cast {
  template <class From>
  ALICE_HD To operator()(From x) const {
    if constexpr (std::is_same_v<To, bool>) {
      return x != From{0};
    } else if constexpr (kIsFloat<From> && !kIsFloat<To>) {
      constexpr To least = std::numeric_limits<To>::min(), most = std::numeric_limits<To>::max();
      // 2ᵏ, one above the largest value, is exact where that value itself may not be.
      constexpr From above = static_cast<From>(most / 2 + 1) * From(2);
      const bool inside = x > static_cast<From>(least) - From(1) && x < above;
      const To inner = static_cast<To>(inside ? x : From{0});
      return x >= above ? most : x <= static_cast<From>(least) ? least : inner;
    } else {
      return static_cast<To>(x);
    }
  }
};

}  // namespace alice::ALICE_ISA
