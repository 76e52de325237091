// Walking the lines of an array along an axis, each in order on one thread, neighbouring ones side by side.
#pragma once

#include <algorithm>

#include "../core/chunks.h"
#include "../core/kernel.h"
#include "axes.h"
#include "strided_copy.h"

namespace alice {

// So many neighbouring lines are walked side by side; of those that are contiguous themselves fewer, as many as hide
// that each step waits for the one before it.
inline constexpr std::int64_t kTile = 256, kContiguous = 8;

// Calls step(state, item) for the items of every line along an axis, from its first to its last or the other way round;
// an item is a place in contiguous arrays. Lines begin with the state `initial`.
template <class State, class Step>
void walk_lines(const Dims& shape, int axis, bool backwards, State initial, Step step) {
  std::int64_t outer = 1, inner = 1;
  const std::int64_t n = shape[axis];
  for (int i = 0; i < axis; ++i) outer *= shape[i];
  for (int i = axis + 1; i < shape.size(); ++i) inner *= shape[i];
  if (outer * n * inner == 0) return;
  const std::int64_t first = backwards ? (n - 1) * inner : 0, stride = backwards ? -inner : inner;
  // A tile is a run of inner lines, or of outer ones where each line is contiguous.
  const bool contiguous = inner == 1;
  const std::int64_t across = contiguous ? outer : inner, width = contiguous ? kContiguous : kTile;
  const std::int64_t tiles = (across + width - 1) / width, total = contiguous ? tiles : outer * tiles;
  parallel_chunks(total, rows_per_chunk(n * std::min(across, width)), [&](std::int64_t begin, std::int64_t end) {
    State states[kTile];
    const auto walk = [&](std::int64_t at, std::int64_t lanes, std::int64_t lane) {
      std::fill_n(states, lanes, initial);
      for (std::int64_t k = 0; k < n; ++k, at += stride)
        for (std::int64_t l = 0; l < lanes; ++l) step(states[l], at + l * lane);
    };
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t start = i % tiles * width, lanes = std::min(width, across - start);
      if (!contiguous)
        walk(i / tiles * n * inner + first + start, lanes, 1);
      else if (lanes == kContiguous)
        walk(first + start * n, kContiguous, n);
      else
        walk(first + start * n, lanes, n);
    }
  });
}

inline int axis_of(const Call& call) { return wrap_axis(call.kernel.name, call.attrs[0].integer(), call.in[0].rank()); }

inline void infer_like(Call& call) {
  axis_of(call);
  call.out[0] = call.in[0].shape_only();
}

}  // namespace alice
