// What kernels share that work along rows: the axes they fold brought to the end, and rows divided among threads.
#pragma once

#include "../core/array.h"
#include "../core/chunks.h"

namespace alice {

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
  parallel_chunks(rows, rows_per_chunk(n), [&](std::int64_t begin, std::int64_t end) { body(begin, end - begin); });
}

}  // namespace alice
