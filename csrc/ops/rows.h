// What kernels share that work along rows: the axes they fold brought to the end, and rows divided among threads.
#pragma once

#include <algorithm>

#include "../core/array.h"
#include "../core/thread_pool.h"

namespace alice {

inline constexpr std::int64_t kRowChunk = 1 << 15;  // items per chunk of parallel work

// The same memory with the flagged axes behind the others.
inline Array axes_last(const Array& a, const Dims& flags) {
  Dims shape, strides;
  for (const bool flagged : {false, true})
    for (int i = 0; i < a.rank(); ++i)
      if ((flags[i] != 0) == flagged) shape.push_back(a.dim(i)), strides.push_back(a.strides()[i]);
  return Array::view(a, shape, strides, 0);
}

// Calls body(first row, rows) in parallel, for rows of n items.
template <class Body>
void for_rows(std::int64_t rows, std::int64_t n, Body body) {
  const std::int64_t group = std::max<std::int64_t>(1, kRowChunk / std::max<std::int64_t>(1, n));
  parallel_for((rows + group - 1) / group,
               [&](std::int64_t chunk) { body(chunk * group, std::min(group, rows - chunk * group)); });
}

}  // namespace alice
