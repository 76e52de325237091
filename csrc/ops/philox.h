// The rounds of Philox4x32-10 on one block, for whoever makes many of them side by side or one at a time.
// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <cstdint>

namespace alice {
namespace {  // see core/isa.h

constexpr int kPhiloxRounds = 10;
constexpr std::uint32_t kPhiloxFactor0 = 0xD2511F53, kPhiloxFactor1 = 0xCD9E8D57;  // of the multiplications
constexpr std::uint32_t kPhiloxWeyl0 = 0x9E3779B9, kPhiloxWeyl1 = 0xBB67AE85;      // added to the key after every round

constexpr std::uint32_t low(std::uint64_t x) { return static_cast<std::uint32_t>(x); }
constexpr std::uint32_t high(std::uint64_t x) { return static_cast<std::uint32_t>(x >> 32); }

// c: the counter, then the four words.
[[gnu::always_inline]] inline void philox_rounds(std::uint32_t& c0, std::uint32_t& c1, std::uint32_t& c2,
                                                 std::uint32_t& c3, std::uint64_t key) {
  std::uint32_t k0 = low(key), k1 = high(key);
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const std::uint64_t p0 = static_cast<std::uint64_t>(kPhiloxFactor0) * c0;
    const std::uint64_t p1 = static_cast<std::uint64_t>(kPhiloxFactor1) * c2;
    c0 = high(p1) ^ c1 ^ k0, c1 = low(p1);
    c2 = high(p0) ^ c3 ^ k1, c3 = low(p0);
    k0 += kPhiloxWeyl0, k1 += kPhiloxWeyl1;
  }
}

}  // namespace
}  // namespace alice
