// Arithmetic, rounding, extremes, selection: the rows that every dtype has.
#include <iterator>

#include "elementwise.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

#define ALICE_HOLDS_EITHER(F) {held<HoldsFirst, F>(0b01), held<HoldsSecond, F>(0b10)}
constexpr ElementwiseRow kRows[] = {
    numeric<Add, 2>("add", 0.2f, {.held = ALICE_HOLDS_EITHER(Add)}),
    numeric<Subtract, 2>("subtract", 0.2f, {.held = ALICE_HOLDS_EITHER(Subtract)}),
    numeric<Multiply, 2>("multiply", 0.2f, {.neutral = 1, .held = ALICE_HOLDS_EITHER(Multiply)}),
    floating<Divide, 2>("divide", 0.3f, {.held = ALICE_HOLDS_EITHER(Divide)}),
    numeric<FloorDivide, 2>("floor_divide", 2.0f),
    numeric<Remainder, 2>("remainder", 2.0f),
    numeric<Negative, 1>("negative", 0.15f),
    numeric<Abs, 1>("abs", 0.15f),
    numeric<Sign, 1>("sign", 0.15f),
    numeric<Square, 1>("square", 0.15f),
    numeric<Floor, 1>("floor", 0.2f),
    numeric<Ceil, 1>("ceil", 0.2f),
    numeric<Round, 1>("round", 0.2f),
    numeric<Trunc, 1>("trunc", 0.2f),
    numeric<Maximum, 2>("maximum", 0.2f),
    numeric<Minimum, 2>("minimum", 0.2f),
    numeric<Clip, 3>("clip", 0.3f, {.held = {held<HoldsBounds, Clip>(0b110)}}),
    floating<Sqrt, 1>("sqrt", 0.3f),
    floating<Rsqrt, 1>("rsqrt", 0.8f),
    floating<Reciprocal, 1>("reciprocal", 0.3f),
    floating<StrongMultiply, 2>("strong_mul", 0.2f, {.scaling = Scaling::ByFactor}),
    floating<StrongDivide, 2>("strong_div", 0.3f),
    floating<AbsVjp, 2>("abs_vjp", 0.2f),
    floating<MaximumVjp, 3>("maximum_vjp", 0.3f),
    floating<MinimumVjp, 3>("minimum_vjp", 0.3f),
    floating<ClipVjp, 4>("clip_vjp", 0.3f),
    {"where",
     3,
     Inputs::Where,
     ElementwiseResult::Same,
     0.25f,
     {loop<Where, bool, std::uint8_t, bool, bool>, loop<Where, std::uint8_t, std::uint8_t, std::uint8_t, std::uint8_t>,
      loop<Where, std::int32_t, std::uint8_t, std::int32_t, std::int32_t>,
      loop<Where, std::int64_t, std::uint8_t, std::int64_t, std::int64_t>,
      loop<Where, float, std::uint8_t, float, float>, loop<Where, double, std::uint8_t, double, double>},
     {.signless = true}},
};

// The second functor after the first, whose result is its operand number At.
template <class First, class Second, int At>
struct Then {
  template <class T>
  ALICE_HD T operator()(T x, T y, T other) const {
    return join(First{}(x, y), other);
  }
  template <class T>
  ALICE_HD T operator()(T x, T other) const {
    return join(First{}(x), other);
  }
  template <class T>
  ALICE_HD static T join(T inner, T other) {
    return At == 0 ? Second{}(inner, other) : Second{}(other, inner);
  }
};

template <class First, int N, class Second, int At, class T>
constexpr LoopPair pair() {
  return {SameLoop<First, N, T, false>::value, SameLoop<Second, 2, T, false>::value, At,
          SameLoop<Then<First, Second, At>, N + 1, T, false>::value};
}

#define ALICE_PAIRS(First, N, Second)                                                                          \
  pair<First, N, Second, 0, float>(), pair<First, N, Second, 1, float>(), pair<First, N, Second, 0, double>(), \
      pair<First, N, Second, 1, double>()
#define ALICE_PAIRS_BEFORE(Second)                                                                 \
  ALICE_PAIRS(Add, 2, Second), ALICE_PAIRS(Subtract, 2, Second), ALICE_PAIRS(Multiply, 2, Second), \
      ALICE_PAIRS(Negative, 1, Second)
constexpr LoopPair kPairs[] = {ALICE_PAIRS_BEFORE(Add), ALICE_PAIRS_BEFORE(Subtract), ALICE_PAIRS_BEFORE(Multiply)};
#undef ALICE_PAIRS_BEFORE
#undef ALICE_PAIRS

}  // namespace

PairTable arithmetic_pairs() { return {kPairs, static_cast<int>(std::size(kPairs))}; }
ElementwiseTable arithmetic_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
