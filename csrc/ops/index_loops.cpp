#include "index_loops.h"

#include <cstring>

namespace alice::ALICE_ISA {
namespace {

template <class Index>
bool wrapped(std::int64_t n, const void* indices, std::int64_t size, std::int64_t* places) {
  constexpr std::int64_t kBlock = 64;
  const auto* from = static_cast<const Index*>(indices);
  std::int64_t outside = 0;
  Index block[kBlock];
  for (std::int64_t begin = 0; begin < n; begin += kBlock, from += kBlock, places += kBlock) {
    // Whoever changes them meanwhile changes what is read here, and no place that was checked.
    const std::int64_t count = n - begin < kBlock ? n - begin : kBlock;
    std::memcpy(block, from, static_cast<std::size_t>(count) * sizeof(Index));
    asm("" : "+m"(block));
    for (std::int64_t i = 0; i < count; ++i) {
      const auto index = static_cast<std::int64_t>(block[i]);
      const std::int64_t place = index < 0 ? index + size : index;
      outside |= place < 0 || place >= size;
      places[i] = place;
    }
  }
  return !outside;
}

}  // namespace

bool wrap_indices(DType dtype, std::int64_t n, const void* indices, std::int64_t size, std::int64_t* places) {
  switch (dtype) {
    case DType::UInt8: return wrapped<std::uint8_t>(n, indices, size, places);
    case DType::Int32: return wrapped<std::int32_t>(n, indices, size, places);
    default: return wrapped<std::int64_t>(n, indices, size, places);
  }
}

}  // namespace alice::ALICE_ISA
