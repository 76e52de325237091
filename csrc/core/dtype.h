// Element types: their sizes, names, kinds and promotion.
#pragma once

#include <cstddef>
#include <cstdint>

namespace alice {

// Ordered so that, within and across kinds, the larger value wins a promotion.
enum class DType : std::uint8_t { Bool, UInt8, Int32, Int64, Float32, Float64 };
inline constexpr int kDTypeCount = 6;

constexpr std::size_t itemsize(DType t) {
  constexpr std::size_t sizes[kDTypeCount] = {1, 1, 4, 8, 4, 8};
  return sizes[static_cast<int>(t)];
}

constexpr const char* name(DType t) {
  constexpr const char* names[kDTypeCount] = {"bool", "uint8", "int32", "int64", "float32", "float64"};
  return names[static_cast<int>(t)];
}

constexpr bool is_floating(DType t) { return t >= DType::Float32; }
constexpr bool is_integer(DType t) { return t >= DType::UInt8 && t <= DType::Int64; }

// Within a kind as the Array API standard says; across kinds bool < integer < floating, and the
// floating dtype decides alone: int64 with float32 gives float32, never a silent float64.
constexpr DType promote(DType a, DType b) { return a > b ? a : b; }

template <class T>
struct DTypeOf;
template <>
struct DTypeOf<bool> {
  static constexpr DType value = DType::Bool;
};
template <>
struct DTypeOf<std::uint8_t> {
  static constexpr DType value = DType::UInt8;
};
template <>
struct DTypeOf<std::int32_t> {
  static constexpr DType value = DType::Int32;
};
template <>
struct DTypeOf<std::int64_t> {
  static constexpr DType value = DType::Int64;
};
template <>
struct DTypeOf<float> {
  static constexpr DType value = DType::Float32;
};
template <>
struct DTypeOf<double> {
  static constexpr DType value = DType::Float64;
};

// Calls f with a value of the C++ type behind `t`: dispatch(t, [&](auto tag) { using T = decltype(tag); … }).
template <class F>
decltype(auto) dispatch(DType t, F&& f) {
  switch (t) {
    case DType::Bool: return f(bool{});
    case DType::UInt8: return f(std::uint8_t{});
    case DType::Int32: return f(std::int32_t{});
    case DType::Int64: return f(std::int64_t{});
    case DType::Float32: return f(float{});
    default: return f(double{});
  }
}

// The same for the two floating types; the caller has made sure that `t` is one of them.
template <class F>
decltype(auto) dispatch_floating(DType t, F&& f) {
  return t == DType::Float32 ? f(float{}) : f(double{});
}

}  // namespace alice
