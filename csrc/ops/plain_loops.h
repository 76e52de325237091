// Elementwise rows whose loops are compiled once, for every instruction-set level the same: those of functions that are
// too long to be run several at once, and those that nobody waits for. elementwise.cpp registers the tables.
#pragma once

#include <string_view>
#include <type_traits>
#include <utility>

#include "elementwise_loops.h"

namespace alice {

ElementwiseTable special_table();
ElementwiseTable bitwise_table();

// Of uint64, where its numbers from 2^63 on make a difference; null where they make none, and for kernels that do not
// take it. A cast to a dtype that is shorter than float32 gives float32, rounded so that rounding again does no harm.
Loop unsigned_loop(std::string_view kernel);
Loop unsigned_cast(DType from, DType to);

template <class F, class R, class T, std::size_t... I>
void one_by_one(std::int64_t n, R* out, const double* params, const void* const* in, std::index_sequence<I...>) {
  const auto run = [&](const F& f) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = static_cast<R>(f(static_cast<const T*>(in[I])[i]...));
  };
  if constexpr (std::is_constructible_v<F, const double*>)
    run(F(params));
  else
    run(F{});
}

// A Loop of a functor of N operands of type T.
template <class F, int N, class T, class R = T>
void plain_loop(std::int64_t n, void* out, const void* const* in, const double* params) {
  one_by_one<F, R, T>(n, static_cast<R*>(out), params, in, std::make_index_sequence<N>{});
}

}  // namespace alice
