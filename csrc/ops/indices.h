// Indices and labels: numbers that say where to read or write. The memory that they come from may be changed by others
// at any time (NumPy's owner of shared memory, another thread), so each is read once, and what was read is checked.
#pragma once

#include "../core/dtype.h"

namespace alice {

template <class T>
T read_once(const T* p) {
  return __atomic_load_n(p, __ATOMIC_RELAXED);
}

// Calls f with a value of the C++ type of an integer dtype.
template <class F>
decltype(auto) dispatch_index(DType t, F&& f) {
  switch (t) {
    case DType::UInt8: return f(std::uint8_t{});
    case DType::Int32: return f(std::int32_t{});
    default: return f(std::int64_t{});
  }
}

}  // namespace alice
