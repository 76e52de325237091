// The steps of tapes (program/tape.h): functors of one operation of the processor, on registers that hold one item
// each, or as many lanes as there are examples side by side.
#include "step_loops.h"

#include "elementwise.h"

namespace alice::ALICE_ISA {
namespace {

template <class T>
ALICE_HD T* at(std::byte* registers, std::int32_t place) {
  return reinterpret_cast<T*>(registers + std::int64_t{8} * place);
}

template <class F, class T, bool kBinary>
ALICE_HD T apply(T a, [[maybe_unused]] T b) {
  if constexpr (kBinary)
    return F{}(a, b);
  else
    return F{}(a);
}

template <class F, class T, bool kBinary>
void alone(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t) {
  for (; step != last; ++step)
    *at<T>(registers, step->out) = apply<F, T, kBinary>(*at<T>(registers, step->a), *at<T>(registers, step->b));
}

// A result may lie where an operand did.
template <class F, class T, bool kBinary>
void in_lanes(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t lanes) {
  constexpr std::int64_t kItems = kStepBytes / sizeof(T);
  const std::int64_t n = lanes / kItems * kItems;  // so that the compiler makes no scalar rest
  for (; step != last; ++step) {
    T* out = at<T>(registers, step->out);
    const T *a = at<T>(registers, step->a), *b = at<T>(registers, step->b);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) out[i] = apply<F, T, kBinary>(a[i], b[i]);
  }
}

template <class F, bool kBinary = true>
struct Kind {
  static constexpr ArithmeticLoops floats = {alone<F, float, kBinary>, in_lanes<F, float, kBinary>};
  static constexpr ArithmeticLoops doubles = {alone<F, double, kBinary>, in_lanes<F, double, kBinary>};
};

#define ALICE_KIND(...) {Kind<__VA_ARGS__>::floats, Kind<__VA_ARGS__>::doubles}
constexpr ArithmeticTable kTable = {{
    {},  // Arithmetic::None, and so on in its order
    ALICE_KIND(Add),
    ALICE_KIND(Subtract),
    ALICE_KIND(Multiply),
    ALICE_KIND(Divide),
    ALICE_KIND(StrongMultiply),
    ALICE_KIND(StrongDivide),
    ALICE_KIND(Negative, false),
    {},  // a square is a product
    ALICE_KIND(Sqrt, false),
}};
#undef ALICE_KIND

}  // namespace

const ArithmeticTable& step_table() { return kTable; }

}  // namespace alice::ALICE_ISA
