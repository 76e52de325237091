// Into how large pieces parallel work is cut: by shape alone, never by the number of threads.
#pragma once

#include <algorithm>

#include "thread_pool.h"

namespace alice {

inline constexpr std::int64_t kChunkItems = 1 << 15;  // 128 KiB of float32: whole pages, and enough to hide the pool
inline constexpr std::int64_t kLightChunkItems = 1 << 16;  // where an item is read and added, no more
inline constexpr std::int64_t kChunkBytes = 256 * 1024;    // copied in less time than a thread takes to wake
inline constexpr double kChunkNanoseconds = 25000;         // where an item takes long

// Calls body(begin, end) in parallel, for pieces of [0, n) of `chunk` each.
template <class Body>
void parallel_chunks(std::int64_t n, std::int64_t chunk, const Body& body) {
  parallel_for((n + chunk - 1) / chunk, [&](std::int64_t c) { body(c * chunk, std::min(n, (c + 1) * chunk)); });
}

// Of rows of n items each: how many make up a chunk.
inline std::int64_t rows_per_chunk(std::int64_t n, std::int64_t items = kChunkItems) {
  return std::max<std::int64_t>(1, items / std::max<std::int64_t>(1, n));
}

}  // namespace alice
