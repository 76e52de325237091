// The bits of float16 and bfloat16: widening to float32, which is exact, and rounding to nearest, ties to even. Integer
// arithmetic and one exact multiplication: every instruction-set level gives the same bits, NaN payloads included.
#pragma once

#include <bit>
#include <cstdint>

#include "isa.h"

namespace alice::ALICE_ISA {
namespace {

struct HalfBits {
  static float widen(std::uint16_t half) {
    const std::uint32_t magnitude = half & 0x7fffu;
    // The exponent moves from its place in half precision by a product with a power of two; subnormals come right too.
    std::uint32_t bits = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude << 13) * 0x1p112f);
    bits |= magnitude >= 0x7c00u ? 0x7f800000u : 0u;
    return std::bit_cast<float>(bits | (half & 0x8000u) << 16);
  }
  static std::uint16_t narrow(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x), magnitude = bits & 0x7fffffffu;
    // Adding 1/2 leaves multiples of 2^-24, the subnormals, in the last places.
    const std::uint32_t tiny =
        std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5f) - std::bit_cast<std::uint32_t>(0.5f);
    const std::uint32_t normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    const std::uint32_t special = magnitude > 0x7f800000u ? 0x7e00u | (magnitude >> 13 & 0x3ffu) : 0x7c00u;
    const std::uint32_t half = magnitude >= 0x47800000u  ? special
                               : magnitude < 0x38800000u ? tiny
                                                         : normal;  // from 2^16, below 2^-14
    return static_cast<std::uint16_t>(half | (bits >> 16 & 0x8000u));
  }
};

struct BrainBits {
  static float widen(std::uint16_t brain) { return std::bit_cast<float>(static_cast<std::uint32_t>(brain) << 16); }
  static std::uint16_t narrow(float x) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(x);
    const std::uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16, nan = bits >> 16 | 0x40u;
    return static_cast<std::uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
};

// To float32 on the way to something shorter still: what is cut off leaves its mark in the last place (rounding to
// odd), so that rounding again is as good as rounding once.
inline float to_odd(double x) {
  const float nearest = static_cast<float>(x);
  const double back = static_cast<double>(nearest);
  std::uint32_t bits = std::bit_cast<std::uint32_t>(nearest);
  const double size = x < 0 ? -x : x, found = back < 0 ? -back : back;
  const bool mark = back != x && x == x && (bits & 1u) == 0;
  bits += mark ? (found < size ? 1u : ~0u) : 0u;
  return std::bit_cast<float>(bits);
}
inline float to_odd(std::int32_t x) { return to_odd(static_cast<double>(x)); }
inline float to_odd(std::uint64_t size) {
  const bool large = size >> 53 != 0;  // float64 would cut it off
  const std::uint64_t cut = (size & ~std::uint64_t{0x7ff}) | ((size & 0x7ff) != 0 ? 0x800u : 0u);
  return to_odd(static_cast<double>(large ? cut : size));
}
inline float to_odd(std::int64_t x) {
  const float odd = to_odd(x < 0 ? 0 - static_cast<std::uint64_t>(x) : static_cast<std::uint64_t>(x));
  return x < 0 ? -odd : odd;
}

}  // namespace
}  // namespace alice::ALICE_ISA
