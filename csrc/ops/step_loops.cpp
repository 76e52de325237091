// The steps of tapes (program/tape.h): functors of one operation of the processor, on registers that hold one item
// each, or as many lanes as there are examples side by side.
#include "step_loops.h"

#include <cmath>
#include <limits>

#include "elementary.h"
#include "math_bits.h"

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

struct SumError {
  ALICE_HD double operator()(double a, double b) const { return two_sum(a, b).lo; }
};

// An infinite sum makes its errors NaN.
struct SumTotal {
  ALICE_HD double operator()(double sum, double errors) const {
    return std::fabs(sum) <= std::numeric_limits<double>::max() ? sum + errors : sum;
  }
};

template <class F, int kOperands, class A, class T>
ALICE_HD auto apply(A a, [[maybe_unused]] T b, [[maybe_unused]] T c) {
  if constexpr (kOperands == 3)
    return F{}(a, b, c);
  else if constexpr (kOperands == 2)
    return F{}(a, b);
  else
    return F{}(a);
}

#if defined(__AVX2__)
#define ALICE_ALIGNED [[gnu::aligned(32)]]
#else  // shall be small
#define ALICE_ALIGNED
#endif

// Of operands of type T, and a first one that may be of another. Most groups are short: where in a line of the cache
// their code begins is a twentieth of the time.
template <class F, int kOperands, class T, class Out = T, class A = T>
ALICE_ALIGNED void alone(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t) {
  for (; step != last; ++step)
    *at<Out>(registers, step->out) =
        apply<F, kOperands>(*at<A>(registers, step->a), *at<T>(registers, step->b), *at<T>(registers, step->c));
}

// A result may lie where an operand did.
template <class F, int kOperands, class T>
void in_lanes(const ArithmeticStep* step, const ArithmeticStep* last, std::byte* registers, std::int64_t lanes) {
  constexpr std::int64_t kItems = kStepBytes / sizeof(T);
  const std::int64_t n = lanes / kItems * kItems;  // so that the compiler makes no scalar rest
  for (; step != last; ++step) {
    T* out = at<T>(registers, step->out);
    const T *a = at<T>(registers, step->a), *b = at<T>(registers, step->b), *c = at<T>(registers, step->c);
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) out[i] = apply<F, kOperands>(a[i], b[i], c[i]);
  }
}

template <class F, int kOperands = 2>
struct Kind {
  static constexpr ArithmeticLoops floats = {alone<F, kOperands, float>, in_lanes<F, kOperands, float>};
  static constexpr ArithmeticLoops doubles = {alone<F, kOperands, double>, in_lanes<F, kOperands, double>};
  static constexpr ArithmeticLoops integers = {alone<F, kOperands, std::int64_t>, nullptr};
};

#define ALICE_COMPARISON(F)                                                      \
  {                                                                              \
    {alone<F, 2, float, bool>, nullptr}, {alone<F, 2, double, bool>, nullptr}, { \
      alone<F, 2, std::int64_t, bool>, nullptr                                   \
    }                                                                            \
  }
#define ALICE_LOGIC(F, N)                                                  \
  {                                                                        \
    {alone<F, N, bool>, nullptr}, {nullptr, nullptr}, { nullptr, nullptr } \
  }
#define ALICE_ALONE(F)                                                                  \
  {                                                                                     \
    {alone<F, 2, float>, nullptr}, {alone<F, 2, double>, nullptr}, { nullptr, nullptr } \
  }
#define ALICE_KIND(...)                                                         \
  {                                                                             \
    Kind<__VA_ARGS__>::floats, Kind<__VA_ARGS__>::doubles, { nullptr, nullptr } \
  }
#define ALICE_NUMBERS(...) {Kind<__VA_ARGS__>::floats, Kind<__VA_ARGS__>::doubles, Kind<__VA_ARGS__>::integers}
constexpr ArithmeticTable kTable = {{
    {},  // Arithmetic::None, and so on in its order
    ALICE_NUMBERS(Add),
    ALICE_NUMBERS(Subtract),
    ALICE_NUMBERS(Multiply),
    ALICE_KIND(Divide),
    ALICE_KIND(StrongMultiply),
    ALICE_KIND(StrongDivide),
    ALICE_NUMBERS(Negative, 1),
    {},  // a square is a product
    ALICE_KIND(Sqrt, 1),
    ALICE_KIND(MultiplyAdd, 3),
    {{nullptr, nullptr}, Kind<SumError>::doubles, {nullptr, nullptr}},
    {{nullptr, nullptr}, Kind<SumTotal>::doubles, {nullptr, nullptr}},
    ALICE_ALONE(Vjp<SqrtSlope>),
    // Where moves bits, whatever they mean.
    {{alone<Where, 3, std::uint32_t, std::uint32_t, std::uint8_t>, nullptr},
     {alone<Where, 3, std::uint64_t, std::uint64_t, std::uint8_t>, nullptr},
     {nullptr, nullptr}},
    ALICE_COMPARISON(Equal),
    ALICE_COMPARISON(NotEqual),
    ALICE_COMPARISON(Less),
    ALICE_COMPARISON(LessEqual),
    ALICE_COMPARISON(Greater),
    ALICE_COMPARISON(GreaterEqual),
    ALICE_LOGIC(LogicalAnd, 2),
    ALICE_LOGIC(LogicalOr, 2),
    ALICE_LOGIC(LogicalNot, 1),
}};
#undef ALICE_ALIGNED
#undef ALICE_KIND
#undef ALICE_ALONE
#undef ALICE_NUMBERS
#undef ALICE_LOGIC
#undef ALICE_COMPARISON

}  // namespace

const ArithmeticTable& step_table() { return kTable; }

}  // namespace alice::ALICE_ISA
