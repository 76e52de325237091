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

// As Vec<T>::fma (matmul_vec.h).
struct MultiplyAdd {
  template <class T>
  ALICE_HD T operator()(T a, T b, T c) const {
#if defined(__AVX2__)
    return std::fma(a, b, c);
#else
    return a * b + c;
#endif
  }
};

template <class F, class T, int kOperands>
ALICE_HD T apply(T a, [[maybe_unused]] T b, [[maybe_unused]] T c) {
  if constexpr (kOperands == 3)
    return F{}(a, b, c);
  else if constexpr (kOperands == 2)
    return F{}(a, b);
  else
    return F{}(a);
}

template <class F, class T, int kOperands>
void alone(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t) {
  for (; step != last; ++step)
    *at<T>(registers, step->out) =
        apply<F, T, kOperands>(*at<T>(registers, step->a), *at<T>(registers, step->b), *at<T>(registers, step->c));
}

// A result may lie where an operand did.
template <class F, class T, int kOperands>
void in_lanes(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t lanes) {
  constexpr std::int64_t kItems = kStepBytes / sizeof(T);
  const std::int64_t n = lanes / kItems * kItems;  // so that the compiler makes no scalar rest
  for (; step != last; ++step) {
    T* out = at<T>(registers, step->out);
    const T *a = at<T>(registers, step->a), *b = at<T>(registers, step->b), *c = at<T>(registers, step->c);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) out[i] = apply<F, T, kOperands>(a[i], b[i], c[i]);
  }
}

template <class F, int kOperands = 2>
struct Kind {
  static constexpr ArithmeticLoops floats = {alone<F, float, kOperands>, in_lanes<F, float, kOperands>};
  static constexpr ArithmeticLoops doubles = {alone<F, double, kOperands>, in_lanes<F, double, kOperands>};
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
    ALICE_KIND(Negative, 1),
    {},  // a square is a product
    ALICE_KIND(Sqrt, 1),
    ALICE_KIND(MultiplyAdd, 3),
}};
#undef ALICE_KIND

}  // namespace

const ArithmeticTable& step_table() { return kTable; }

}  // namespace alice::ALICE_ISA
