// From a functor to a row of the table (elementwise_loops.h): the one loop that runs them all.
#pragma once

#include <cstring>
#include <type_traits>
#include <utility>

#include "elementwise_loops.h"
#include "math_bits.h"

namespace alice::ALICE_ISA {
namespace {

// The compiler sees a trip count that is a multiple of every vector's length and so makes a vector body and no
// scalar rest; the last few elements go through the same body by way of a padded copy.
constexpr std::int64_t kBlock = 16;
constexpr std::int64_t kRareChunk = 256;  // elements after which a functor's out-of-range elements are mended

// Of a functor that has a range: floating operands may be outside.
template <class F, class = void>
struct HasRange : std::false_type {};
template <class F>
struct HasRange<F, std::void_t<decltype(&F::template beyond<float>)>> : std::true_type {};

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
ALICE_NO_JUMP_THREADING [[gnu::noinline, gnu::noclone]] void run_blocks(std::int64_t blocks, R* out,
                                                                        const double* params, const T*... in) {
  F f = make_functor<F>(params);
#if defined(__GNUC__)
  // Hides what the members hold: only of x < bound ? bound : x with an unknown bound does gcc make one instruction.
  if constexpr (!std::is_empty_v<F>) asm("" : "+m"(f));
#endif
  const std::int64_t n = blocks * kBlock;
#pragma GCC ivdep
  for (std::int64_t i = 0; i < n; ++i) out[i] = f(in[i]...);
}

// The few elements where the vectorised form does not hold.
template <class F, class R, class... T>
[[gnu::noinline]] void mend(std::int64_t n, R* out, const T*... in) {
  for (std::int64_t i = 0; i < n; ++i)
    if (!F::in_range(in[i]...)) out[i] = F::beyond(in[i]...);
}

template <class F, class... T>
bool all_in_range(std::int64_t n, const T*... in) {
  int outside = 0;
  for (std::int64_t i = 0; i < n; ++i) outside |= !F::in_range(in[i]...);
  return !outside;
}

// The last few elements, filled up with zeros.
template <class T>
struct Padded {
  T values[kBlock] = {};
  Padded(const T* from, std::int64_t n) { std::memcpy(values, from, static_cast<std::size_t>(n) * sizeof(T)); }
};

template <class F, class R, class... T>
void run_typed(std::int64_t n, R* out, const double* params, const T*... in) {
  const std::int64_t body = n / kBlock * kBlock, rest = n - body;
  if (body) run_blocks<F, R, T...>(n / kBlock, out, params, in...);
  if (rest) {
    R tail[kBlock];
    run_blocks<F, R, T...>(1, tail, params, Padded<T>(in + body, rest).values...);
    std::memcpy(out + body, tail, static_cast<std::size_t>(rest) * sizeof(R));
  }
}

template <class F, class R, class... T, std::size_t... I>
void run_loop(std::int64_t n, R* out, const double* params, const void* const* in, std::index_sequence<I...>) {
  if constexpr (HasRange<F>::value && std::is_floating_point_v<R>) {
    // Mending reads the operands again, so they must not be overwritten yet: work chunk by chunk beside `out`.
    R chunk[kRareChunk];
    for (std::int64_t at = 0; at < n; at += kRareChunk) {
      const std::int64_t m = n - at < kRareChunk ? n - at : kRareChunk;
      if (all_in_range<F>(m, static_cast<const T*>(in[I]) + at...)) {
        run_typed<F, R, T...>(m, out + at, params, static_cast<const T*>(in[I]) + at...);
        continue;
      }
      run_typed<F, R, T...>(m, chunk, params, static_cast<const T*>(in[I]) + at...);
      mend<F>(m, chunk, static_cast<const T*>(in[I]) + at...);
      std::memcpy(out + at, chunk, static_cast<std::size_t>(m) * sizeof(R));
    }
  } else {
    run_typed<F, R, T...>(n, out, params, static_cast<const T*>(in[I])...);
  }
}

// A Loop of functor F with the given result and operand types.
template <class F, class R, class... T>
void loop(std::int64_t n, void* out, const void* const* in, const double* params) {
  run_loop<F, R, T...>(n, static_cast<R*>(out), params, in, std::index_sequence_for<T...>{});
}

template <class F, int N, class T, bool kBool, class = std::make_index_sequence<N>>
struct SameLoop;
template <class F, int N, class T, bool kBool, std::size_t... I>
struct SameLoop<F, N, T, kBool, std::index_sequence<I...>> {
  template <std::size_t>
  using Operand = T;
  static constexpr Loop value = loop<F, std::conditional_t<kBool, bool, T>, Operand<I>...>;
};

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
          traits};
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
           SameLoop<F, N, float, true>::value, SameLoop<F, N, double, true>::value}};
}

// A row of the lists of kernels that stand beside the functors.
#define ALICE_KERNEL(kind, functor, operands, ...) kind<functor, operands>(__VA_ARGS__),

template <int N>
ElementwiseTable table_of(const ElementwiseRow (&rows)[N]) {
  return {rows, N};
}

}  // namespace
}  // namespace alice::ALICE_ISA
