// Compiled once per instruction-set level; see core/isa.h for what such a file may contain. Integers and exact
// products only: every level gives the same bits.
#include "random_loops.h"

#include "../core/isa.h"
#include "philox.h"

namespace alice::ALICE_ISA {
namespace {

constexpr int kLanes = static_cast<int>(kPhiloxLanes);

struct Words {
  alignas(64) std::uint32_t w[4][kLanes];
};

// The words of blocks [block, block + kLanes).
inline void philox(const PhiloxStream& stream, std::uint64_t block, Words& words) {
  const std::uint32_t draw_low = low(stream.draw), draw_high = high(stream.draw);
#pragma GCC unroll 1  // unrolled early, this loop would not be vectorised
  for (int l = 0; l < kLanes; ++l) {
    const std::uint64_t b = block + static_cast<std::uint64_t>(l);
    std::uint32_t c0 = low(b), c1 = high(b), c2 = draw_low, c3 = draw_high;
    philox_rounds(c0, c1, c2, c3, stream.key);
    words.w[0][l] = c0, words.w[1][l] = c1, words.w[2][l] = c2, words.w[3][l] = c3;
  }
}

// Each turns the words of kLanes blocks into a group of items.
struct Bits {
  using T = std::uint64_t;
  static constexpr int kGroup = 2 * kLanes;
  static void convert(const Words& words, T* __restrict out) {
    for (int p = 0; p < 2; ++p)
      for (int l = 0; l < kLanes; ++l)
        out[p * kLanes + l] = words.w[2 * p][l] | static_cast<T>(words.w[2 * p + 1][l]) << 32;
  }
};

struct Uniform {
  using T = float;
  static constexpr int kGroup = 4 * kLanes;
  static void convert(const Words& words, T* __restrict out) {
    for (int p = 0; p < 4; ++p)
      for (int l = 0; l < kLanes; ++l)
        out[p * kLanes + l] = static_cast<float>(static_cast<std::int32_t>(words.w[p][l] >> 8)) * 0x1p-24f;
  }
};

struct UniformDouble {
  using T = double;
  static constexpr int kGroup = 2 * kLanes;
  static void convert(const Words& words, T* __restrict out) {
    for (int p = 0; p < 2; ++p)
      for (int l = 0; l < kLanes; ++l) {
        const double top = static_cast<std::int32_t>(words.w[2 * p + 1][l] >> 5);  // 27 bits
        const double bottom = static_cast<std::int32_t>(words.w[2 * p][l] >> 6);   // 26 bits
        out[p * kLanes + l] = (top * 0x1p26 + bottom) * 0x1p-53;
      }
  }
};

template <class Kind>
void fill(const PhiloxStream& stream, std::int64_t begin, std::int64_t n, void* out) {
  auto* to = static_cast<typename Kind::T*>(out);
  Words words;
  std::uint64_t block = stream.first + static_cast<std::uint64_t>(begin / Kind::kGroup * kLanes);
  for (; n >= Kind::kGroup; n -= Kind::kGroup, to += Kind::kGroup, block += kLanes) {
    philox(stream, block, words);
    Kind::convert(words, to);
  }
  if (n == 0) return;
  typename Kind::T rest[Kind::kGroup];
  philox(stream, block, words);
  Kind::convert(words, rest);
  for (std::int64_t i = 0; i < n; ++i) to[i] = rest[i];
}

constexpr RandomLoops kLoops = {fill<Bits>, fill<Uniform>, fill<UniformDouble>};

}  // namespace

const RandomLoops& random_loops() { return kLoops; }

}  // namespace alice::ALICE_ISA
