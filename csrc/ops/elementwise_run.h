// From a functor to a row of the table (elementwise_loops.h): the one loop that runs them all.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

#include "elementwise.h"
#include "elementwise_loops.h"
#include "math_bits.h"
#include "math_table.h"

namespace alice::ALICE_ISA {
namespace {

// The compiler sees a trip count that is a multiple of every vector's length and so makes a vector body and no
// scalar rest; the last few elements go through the same body by way of a copy.
constexpr std::int64_t kBlock = 16;
constexpr std::int64_t kStepChunk = 128;
constexpr std::int64_t kRareChunk = 256;  // elements after which a functor's out-of-range elements are mended

// Of a functor that has a range: floating operands may be outside.
template <class F, class = void>
struct HasRange : std::false_type {};
template <class F>
struct HasRange<F, std::void_t<decltype(&F::template beyond<float>)>> : std::true_type {};

// Of a functor that does doubles in two steps, f.first(in...) with two numbers as result, and f.last(those, in...). A
// processor sees some hundred instructions ahead. In one loop, those of a long functor are but the next few elements,
// which is too few to do while results that are waited for are on their way.
template <class F, class R, class = void>
struct HasSteps : std::false_type {};
template <class F>
struct HasSteps<F, double, std::void_t<decltype(&F::last)>> : std::true_type {};

// Of a functor that takes float32 by vectors where there are any.
template <class F, class R, class = void>
struct InVectors : std::false_type {};
template <class F>
struct InVectors<F, float, std::void_t<decltype(F::kInVectors)>> : std::bool_constant<!std::is_same_v<Floats, float>> {
  using Vector = Floats;
};

template <class F>
F make_functor([[maybe_unused]] const double* params) {
  if constexpr (std::is_constructible_v<F, const double*>)
    return F(params);
  else
    return F{};
}

// Jump threading would copy the loop's body for each outcome of a select between constants, and gcc then joins the
// copies under masks: a fifth of the elementary functions' speed.
#if defined(__GNUC__) && !defined(__clang__)
#define ALICE_NO_JUMP_THREADING [[gnu::optimize("no-thread-jumps")]]
#else
#define ALICE_NO_JUMP_THREADING
#endif

// `blocks` counts blocks of kBlock elements.
template <class F, class R, class... T>
ALICE_NO_JUMP_THREADING [[gnu::noinline, gnu::noclone]] void run_blocks(F f, std::int64_t blocks, R* out,
                                                                        const T*... in) {
#if defined(__GNUC__)
  // Hides what the members hold: only of x < bound ? bound : x with an unknown bound does gcc make one instruction.
  if constexpr (!std::is_empty_v<F>) asm("" : "+m"(f));
#endif
  const std::int64_t n = blocks * kBlock;
  if constexpr (HasSteps<F, R>::value) {
    alignas(64) double hi[kStepChunk], lo[kStepChunk];
    for (std::int64_t at = 0; at < n; at += kStepChunk) {
      const std::int64_t m = (n - at < kStepChunk ? n - at : kStepChunk) / kBlock * kBlock;
#pragma GCC ivdep
      for (std::int64_t i = 0; i < m; ++i) {
        const Pair between = f.first(in[at + i]...);
        hi[i] = between.hi;
        lo[i] = between.lo;
      }
#pragma GCC ivdep
      for (std::int64_t i = 0; i < m; ++i) out[at + i] = f.last({hi[i], lo[i]}, in[at + i]...);
    }
  } else if constexpr (InVectors<F, R>::value) {
    using V = typename InVectors<F, R>::Vector;
    for (std::int64_t i = 0; i < n; i += V::kCount) f(V::load(in + i)...).store(out + i);
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
  }
}

// The few elements where the vectorised form does not hold.
template <class F, class R, class... T>
[[gnu::noinline]] void mend(F f, std::int64_t n, R* out, const T*... in) {
  for (std::int64_t i = 0; i < n; ++i)
    if (!f.in_range(in[i]...)) out[i] = f.beyond(in[i]...);
}

template <class F, class... T>
bool all_in_range(F f, std::int64_t n, const T*... in) {
  int outside = 0;
  for (std::int64_t i = 0; i < n; ++i) outside |= !f.in_range(in[i]...);
  return !outside;
}

// Copies n < 2 * Most elements, in powers of two: a call of memcpy would cost more than what is done with them.
template <std::int64_t Most, class T>
void copy_few(T* to, const T* from, std::int64_t n) {
  if (n & Most) {
    std::memcpy(to, from, static_cast<std::size_t>(Most) * sizeof(T));
    to += Most, from += Most;
  }
  if constexpr (Most > 1) copy_few<Most / 2>(to, from, n);
}

// Less than a block, to a whole one with zeros behind; and back.
#ifdef __AVX512F__
// What is written in pieces is waited for when it is read as a whole: vectors are written, of which few items are read.
template <class T>
void load_few(T* to, const T* from, std::int64_t n) {
  if constexpr (sizeof(T) == 8) {
    const unsigned mask = (1u << n) - 1;
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask), from));
    _mm512_storeu_si512(to + 8, _mm512_maskz_loadu_epi64(static_cast<__mmask8>(mask >> 8), from + (n > 8 ? 8 : 0)));
  } else if constexpr (sizeof(T) == 4) {
    _mm512_storeu_si512(to, _mm512_maskz_loadu_epi32(static_cast<__mmask16>((1u << n) - 1), from));
  } else {
    std::memset(to, 0, kBlock * sizeof(T));
    copy_few<kBlock>(to, from, n);
  }
}
#else
template <class T>
void load_few(T* to, const T* from, std::int64_t n) {
  std::memset(to, 0, kBlock * sizeof(T));
  copy_few<kBlock>(to, from, n);
}
#endif

// The last block of n elements; of fewer than a block, those and zeros.
template <class T>
struct LastBlock {
  T values[kBlock];
  LastBlock() {}  // leaves them as they are
  [[gnu::noinline]] void load(const T* from, std::int64_t n) {
    if (n > kBlock) {
      std::memcpy(values, from + n - kBlock, sizeof values);
    } else {
      load_few(values, from, n);
    }
  }
  [[gnu::noinline]] void store(T* to, std::int64_t n) const {
    if (n > kBlock)
      std::memcpy(to + n - kBlock, values, sizeof values);
    else
      copy_few<kBlock>(to, values, n);
  }
};

// Functors that scalar programs call all the time, as the lists of kernels say: one element alone needs no block. With
// the same bits, as every lane of a vector computes what a register does.
template <class F>
inline constexpr bool kAlone = false;
template <class F, class R, class... T>
[[gnu::noinline]] void run_alone(F f, R* out, const T*... in) {
  if constexpr (HasSteps<F, R>::value)
    *out = f.last(f.first(*in...), *in...);
  else
    *out = f(*in...);
}

// The last block may overlap the one before it: it is read before anything is written, as an operand may be the result
// itself.
template <class F, class R, class... T>
void run_typed(F f, std::int64_t n, R* out, const T*... in) {
  if constexpr (kAlone<F> && std::is_floating_point_v<R>)
    if (n == 1) return run_alone<F, R, T...>(f, out, in...);
  const bool rest = n % kBlock != 0;
  [&](LastBlock<T>... last) {
    if (rest) (last.load(in, n), ...);
    if (n >= kBlock) run_blocks<F, R, T...>(f, n / kBlock, out, in...);
    if (!rest) return;
    LastBlock<R> results;
    run_blocks<F, R, T...>(f, 1, results.values, last.values...);
    results.store(out, n);
  }(LastBlock<T>()...);
}

// Mending reads the operands again, so they must not be overwritten yet: chunk by chunk, beside `out` where it must be.
template <class F, class R, class... T>
void run_ranged(F f, std::int64_t n, R* out, const T*... in) {
  R chunk[kRareChunk];
  for (std::int64_t at = 0; at < n; at += kRareChunk) {
    const std::int64_t m = n - at < kRareChunk ? n - at : kRareChunk;
    if (all_in_range(f, m, in + at...)) {
      run_typed<F, R, T...>(f, m, out + at, in + at...);
      continue;
    }
    run_typed<F, R, T...>(f, m, chunk, in + at...);
    mend(f, m, chunk, in + at...);
    std::memcpy(out + at, chunk, static_cast<std::size_t>(m) * sizeof(R));
  }
}

template <class F, class R, class... T>
void run_elements(F f, std::int64_t n, R* out, const T*... in) {
  if constexpr (HasRange<F>::value && std::is_floating_point_v<R>)
    run_ranged<F, R, T...>(f, n, out, in...);
  else
    run_typed<F, R, T...>(f, n, out, in...);
}
template <class F, class R, class... T, std::size_t... I>
void run_loop(std::int64_t n, R* out, const double* params, const void* const* in, std::index_sequence<I...>) {
  run_elements<F, R, T...>(make_functor<F>(params), n, out, static_cast<const T*>(in[I])...);
}

// A Loop of functor F with the given result and operand types.
template <class F, class R, class... T>
void loop(std::int64_t n, void* out, const void* const* in, const double* params) {
  run_loop<F, R, T...>(n, static_cast<R*>(out), params, in, std::index_sequence_for<T...>{});
}

// A SlopeLoop of a functor that gives value and slope of an element.
template <class F, class T>
ALICE_NO_JUMP_THREADING [[gnu::noinline, gnu::noclone]] void run_slope_blocks(F f, std::int64_t blocks, T* values,
                                                                              T* slopes, const T* x) {
#if defined(__GNUC__)
  if constexpr (!std::is_empty_v<F>) asm("" : "+m"(f));  // as in run_blocks()
#endif
  const std::int64_t n = blocks * kBlock;
  if constexpr (InVectors<F, T>::value) {
    using V = typename InVectors<F, T>::Vector;
    for (std::int64_t i = 0; i < n; i += V::kCount) {
      const auto both = f(V::load(x + i));
      both.value.store(values + i);
      both.slope.store(slopes + i);
    }
  } else {
#pragma GCC ivdep
    for (std::int64_t i = 0; i < n; ++i) {
      const auto both = f(x[i]);
      values[i] = both.value;
      slopes[i] = both.slope;
    }
  }
}
template <class F, class T>
void both_loop(std::int64_t n, void* values, void* slopes, const void* x) {
  T *y = static_cast<T*>(values), *d = static_cast<T*>(slopes);
  const T* from = static_cast<const T*>(x);
  LastBlock<T> last;
  const bool rest = n % kBlock != 0;
  if (rest) last.load(from, n);
  if (n >= kBlock) run_slope_blocks<F, T>(F{}, n / kBlock, y, d, from);
  if (!rest) return;
  LastBlock<T> last_values, last_slopes;
  run_slope_blocks<F, T>(F{}, 1, last_values.values, last_slopes.values, last.values);
  last_values.store(y, n);
  last_slopes.store(d, n);
}

// Loops of which some operands are one element for all: F with its first, its second, or all but its first one held.
template <class F, class T>
struct HoldsFirst {
  T held;
  explicit HoldsFirst(const void* const* in) : held(*static_cast<const T*>(in[0])) {}
  static constexpr int kMoves = 1;
  ALICE_HD T operator()(T x) const { return F{}(held, x); }
};
template <class F, class T>
struct HoldsSecond {
  F f{};
  T held;
  explicit HoldsSecond(const void* const* in) : held(*static_cast<const T*>(in[1])) {}
  static constexpr int kMoves = 0;
  template <class U>
  ALICE_HD U operator()(U x) const {
    return f(x, U(held));
  }
};
template <class F, class T>
struct HoldsExponent : HoldsSecond<F, T> {  // of a functor that has a range
  using HoldsSecond<F, T>::HoldsSecond;
  static constexpr bool kInVectors = true;
  template <class U>
  ALICE_HD bool in_range(U x) const {
    return F::in_range(x, this->held);
  }
  template <class U>
  ALICE_HD U beyond(U x) const {
    return F::beyond(x, this->held);
  }
  ALICE_HD Pair first(double x) const { return F::first(x, this->held); }
  ALICE_HD double last(Pair between, double x) const { return this->f.last(between, x, this->held); }
};
template <class F, class T>
struct HoldsBounds {
  T low, high;
  explicit HoldsBounds(const void* const* in)
      : low(*static_cast<const T*>(in[1])), high(*static_cast<const T*>(in[2])) {}
  static constexpr int kMoves = 0;
  ALICE_HD T operator()(T x) const { return F{}(x, low, high); }
};
template <class Holds, class T>
void held_loop(std::int64_t n, void* out, const void* const* in, const double*) {
  run_elements<Holds, T, T>(Holds(in), n, static_cast<T*>(out), static_cast<const T*>(in[Holds::kMoves]));
}
// `operands`: which are held, a bit of each.
template <template <class, class> class Holds, class F>
constexpr HeldLoop held(unsigned operands) {
  return {operands,
          {nullptr, nullptr, nullptr, nullptr, held_loop<Holds<F, float>, float>, held_loop<Holds<F, double>, double>}};
}

template <class F, int N, class T, bool kBool, class = std::make_index_sequence<N>>
struct SameLoop;
template <class F, int N, class T, bool kBool, std::size_t... I>
struct SameLoop<F, N, T, kBool, std::index_sequence<I...>> {
  template <std::size_t>
  using Operand = T;
  static constexpr Loop value = loop<F, std::conditional_t<kBool, bool, T>, Operand<I>...>;
};

template <class F, class GradientOfF, class Both, class T>
constexpr SlopePair slope_pair() {
  return {SameLoop<F, 1, T, false>::value, SameLoop<GradientOfF, 2, T, false>::value, both_loop<Both, T>};
}

// Rows of kernels whose operands share one dtype, for floating dtypes, for numbers, or for all.
template <class F, int N>
constexpr ElementwiseRow floating(const char* name, float cost, const ElementwiseTraits& traits = {}) {
  return {
      name,
      N,
      Inputs::Floating,
      ElementwiseResult::Same,
      cost,
      {nullptr, nullptr, nullptr, nullptr, SameLoop<F, N, float, false>::value, SameLoop<F, N, double, false>::value},
      traits};
}
template <class F>
constexpr ElementwiseTraits with_sign(ElementwiseTraits traits) {
  traits.signless = std::is_base_of_v<Signless, F>;
  return traits;
}
template <class F, int N>
constexpr ElementwiseRow numeric(const char* name, float cost, const ElementwiseTraits& traits = {}) {
  return {name,
          N,
          Inputs::Numeric,
          ElementwiseResult::Same,
          cost,
          {nullptr, SameLoop<F, N, std::uint8_t, false>::value, SameLoop<F, N, std::int32_t, false>::value,
           SameLoop<F, N, std::int64_t, false>::value, SameLoop<F, N, float, false>::value,
           SameLoop<F, N, double, false>::value},
          with_sign<F>(traits)};
}
template <class F, int N>
constexpr ElementwiseRow predicate(const char* name, float cost) {
  return {name,
          N,
          Inputs::Compare,
          ElementwiseResult::Bool,
          cost,
          {SameLoop<F, N, bool, true>::value, SameLoop<F, N, std::uint8_t, true>::value,
           SameLoop<F, N, std::int32_t, true>::value, SameLoop<F, N, std::int64_t, true>::value,
           SameLoop<F, N, float, true>::value, SameLoop<F, N, double, true>::value},
          with_sign<F>({})};
}

// A row of the lists of kernels that stand beside the functors.
#define ALICE_KERNEL(kind, functor, operands, ...) kind<functor, operands>(__VA_ARGS__),

template <int N>
ElementwiseTable table_of(const ElementwiseRow (&rows)[N]) {
  return {rows, N};
}

}  // namespace
}  // namespace alice::ALICE_ISA
