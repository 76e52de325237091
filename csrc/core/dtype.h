// Element types: one row of a table for each, from which sizes, names, kinds and promotion follow.
//
// Some dtypes are for storage alone: nobody computes in them. Their elements become those of the dtype in which they
// are computed with, and results are rounded once when they are stored, or wrap around (conversion.h).
#pragma once

#include <cstddef>
#include <cstdint>

namespace alice {

// Those that are computed in come first.
enum class DType : std::uint8_t {
  Bool,
  UInt8,
  Int32,
  Int64,
  Float32,
  Float64,
  Float16,
  BFloat16,
  Int8,
  Int16,
  UInt16,
  UInt32,
  UInt64
};
inline constexpr int kDTypeCount = 13, kComputedCount = 6;

enum class DTypeKind : std::uint8_t { Bool, Unsigned, Signed, Floating };

struct DTypeInfo {
  const char* name;
  std::uint8_t size;  // bytes of an element
  DTypeKind kind;
  std::uint8_t rank;  // the higher one wins a promotion
  DType arithmetic;   // in which it is computed with; itself, if it is not for storage alone
  // What different dtypes of one rank promote to; of an unsigned one, what it promotes to with a signed one that does
  // not hold its numbers.
  DType meet;
};

inline constexpr DTypeInfo kDTypes[kDTypeCount] = {
    {"bool", 1, DTypeKind::Bool, 0, DType::Bool, DType::Bool},
    {"uint8", 1, DTypeKind::Unsigned, 1, DType::UInt8, DType::Int16},
    {"int32", 4, DTypeKind::Signed, 6, DType::Int32, DType::Int32},
    {"int64", 8, DTypeKind::Signed, 8, DType::Int64, DType::Int64},
    {"float32", 4, DTypeKind::Floating, 10, DType::Float32, DType::Float32},
    {"float64", 8, DTypeKind::Floating, 11, DType::Float64, DType::Float64},
    {"float16", 2, DTypeKind::Floating, 9, DType::Float32, DType::Float32},
    {"bfloat16", 2, DTypeKind::Floating, 9, DType::Float32, DType::Float32},
    {"int8", 1, DTypeKind::Signed, 2, DType::Int32, DType::Int8},
    {"int16", 2, DTypeKind::Signed, 4, DType::Int32, DType::Int16},
    {"uint16", 2, DTypeKind::Unsigned, 3, DType::Int32, DType::Int32},
    {"uint32", 4, DTypeKind::Unsigned, 5, DType::Int64, DType::Int64},
    {"uint64", 8, DTypeKind::Unsigned, 7, DType::Int64, DType::UInt64},
};

constexpr const DTypeInfo& info(DType t) { return kDTypes[static_cast<int>(t)]; }
constexpr std::size_t itemsize(DType t) { return info(t).size; }
constexpr const char* name(DType t) { return info(t).name; }
constexpr bool is_floating(DType t) { return info(t).kind == DTypeKind::Floating; }
constexpr bool is_unsigned(DType t) { return info(t).kind == DTypeKind::Unsigned; }
constexpr bool is_signed(DType t) { return info(t).kind == DTypeKind::Signed; }
constexpr bool is_integer(DType t) { return is_signed(t) || is_unsigned(t); }
constexpr DType arithmetic(DType t) { return info(t).arithmetic; }
constexpr bool for_storage(DType t) { return arithmetic(t) != t; }
constexpr int value_bits(DType t) {  // of an integer, without its sign
  return t == DType::Bool ? 1 : static_cast<int>(itemsize(t)) * 8 - (is_signed(t) ? 1 : 0);
}
constexpr DType widest(DType t) { return is_unsigned(t) ? DType::UInt64 : DType::Int64; }  // of sums of integers

// Within a kind as the Array API standard says; across kinds bool < integer < floating, and the floating dtype decides
// alone: int64 with float32 gives float32, never a silent float64. For uint64 and signed integers there is no dtype,
// and this gives uint64.
constexpr DType promote(DType a, DType b) {
  if (a == b) return a;
  if (info(a).rank == info(b).rank) return info(a).meet;
  const auto lacks = [](DType with_sign, DType without) {  // numbers of the other
    return is_signed(with_sign) && is_unsigned(without) && itemsize(with_sign) <= itemsize(without);
  };
  return lacks(a, b) ? info(b).meet : lacks(b, a) ? info(a).meet : info(a).rank > info(b).rank ? a : b;
}

// Elements of dtypes that are for storage alone.
struct Float16 {
  std::uint16_t bits = 0;
  Float16() = default;
  explicit Float16(double x);
  explicit operator double() const;
};
struct BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(double x);
  explicit operator double() const;
};

// Calls f with a value of the C++ type behind `t`: dispatch(t, [&](auto tag) { using T = decltype(tag); … }). For
// dtypes that are computed in.
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

// The same for all dtypes.
template <class F>
decltype(auto) dispatch_any(DType t, F&& f) {
  switch (t) {
    case DType::Float16: return f(Float16{});
    case DType::BFloat16: return f(BFloat16{});
    case DType::Int8: return f(std::int8_t{});
    case DType::Int16: return f(std::int16_t{});
    case DType::UInt16: return f(std::uint16_t{});
    case DType::UInt32: return f(std::uint32_t{});
    case DType::UInt64: return f(std::uint64_t{});
    default: return dispatch(t, f);
  }
}

// By size alone, for those who only move elements.
template <class F>
decltype(auto) dispatch_size(DType t, F&& f) {
  switch (itemsize(t)) {
    case 1: return f(std::uint8_t{});
    case 2: return f(std::uint16_t{});
    case 4: return f(std::uint32_t{});
    default: return f(std::uint64_t{});
  }
}

// For the two floating types that are computed in; the caller has made sure that `t` is one of them.
template <class F>
decltype(auto) dispatch_floating(DType t, F&& f) {
  return t == DType::Float32 ? f(float{}) : f(double{});
}

}  // namespace alice
