// One pool for the whole process. Work is cut into chunks that depend on the shape alone, and taken
// dynamically: results are the same bits for any number of threads, and a busy neighbour delays one chunk only.
#pragma once

#include <cstdint>
#include <type_traits>

namespace alice {

int num_threads();
void set_num_threads(int n);  // 1 ≤ n; more than the CPUs available is allowed, and useless

namespace detail {
void run_chunks(std::int64_t chunks, void (*body)(void* context, std::int64_t chunk), void* context);
}

// Calls body(chunk) for every chunk in [0, chunks), on the caller's thread too, and returns when all are done.
// If bodies throw, chunks that nobody has begun are left out, and the first exception comes out. Nested calls, and
// calls while another thread uses the pool, run on the caller alone.
template <class Body>
void parallel_for(std::int64_t chunks, Body&& body) {
  if (chunks <= 1) {
    if (chunks == 1) body(std::int64_t{0});
    return;
  }
  using B = std::remove_reference_t<Body>;
  detail::run_chunks(
      chunks, [](void* context, std::int64_t chunk) { (*static_cast<B*>(context))(chunk); },
      const_cast<std::remove_const_t<B>*>(&body));
}

}  // namespace alice
