// Comparisons, logic, casts and fills.
#include "../core/half.h"
#include "elementwise.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {
    predicate<Equal, 2>("equal", 0.15f),
    predicate<NotEqual, 2>("not_equal", 0.15f),
    predicate<Less, 2>("less", 0.15f),
    predicate<LessEqual, 2>("less_equal", 0.15f),
    predicate<Greater, 2>("greater", 0.15f),
    predicate<GreaterEqual, 2>("greater_equal", 0.15f),
    predicate<LogicalAnd, 2>("logical_and", 0.15f),
    predicate<LogicalOr, 2>("logical_or", 0.15f),
    predicate<LogicalXor, 2>("logical_xor", 0.15f),
    predicate<LogicalNot, 1>("logical_not", 0.1f),
    predicate<IsNan, 1>("isnan", 0.1f),
    predicate<IsInf, 1>("isinf", 0.1f),
    predicate<IsFinite, 1>("isfinite", 0.1f),
};

template <class From>
struct CastsFrom {
  template <class To>
  static constexpr Loop to = loop<Cast<To>, To, From>;
};
#define ALICE_CASTS_FROM(From)                                                                              \
  {CastsFrom<From>::to<bool>,         CastsFrom<From>::to<std::uint8_t>, CastsFrom<From>::to<std::int32_t>, \
   CastsFrom<From>::to<std::int64_t>, CastsFrom<From>::to<float>,        CastsFrom<From>::to<double>}

template <class From>
void odd_loop(std::int64_t n, void* out, const void* const* in, const double*) {
  const From* x = static_cast<const From*>(in[0]);
  float* y = static_cast<float*>(out);
  for (std::int64_t i = 0; i < n; ++i) y[i] = to_odd(x[i]);
}

template <class Bits>
void widen(std::int64_t n, const void* stored, void* wide) {
  float* __restrict to = static_cast<float*>(wide);
  const std::uint16_t* x = static_cast<const std::uint16_t*>(stored);
  for (std::int64_t i = 0; i < n; ++i) to[i] = Bits::widen(x[i]);
}
template <class Bits>
void narrow(std::int64_t n, const void* wide, void* to) {
  const float* __restrict from = static_cast<const float*>(wide);
  std::uint16_t* y = static_cast<std::uint16_t*>(to);
  for (std::int64_t i = 0; i < n; ++i) y[i] = Bits::narrow(from[i]);
}

template <class T>
void fill_typed(const void* from, std::int64_t n, void* to) {
  T value, *out = static_cast<T*>(to);
  std::memcpy(&value, from, sizeof value);
  for (std::int64_t i = 0; i < n; ++i) out[i] = value;
}

template <class T>
void fill_rows_typed(const std::byte* from, std::int64_t step, std::int64_t row, std::int64_t within, std::int64_t n,
                     void* to) {
  constexpr std::int64_t kVector = kFillSlack / std::int64_t{sizeof(T)};
  T* out = static_cast<T*>(to);
  for (std::int64_t i = 0, length = row - within; i < n; i += length, length = row, from += step) {
    T value;
    std::memcpy(&value, from, sizeof value);
    for (std::int64_t j = 0; j < length; j += kVector)
      for (std::int64_t k = 0; k < kVector; ++k) out[i + j + k] = value;
  }
}

constexpr CastTable kCasts = {{ALICE_CASTS_FROM(bool), ALICE_CASTS_FROM(std::uint8_t), ALICE_CASTS_FROM(std::int32_t),
                               ALICE_CASTS_FROM(std::int64_t), ALICE_CASTS_FROM(float), ALICE_CASTS_FROM(double)},
                              {CastsFrom<bool>::to<float>, CastsFrom<std::uint8_t>::to<float>, odd_loop<std::int32_t>,
                               odd_loop<std::int64_t>, CastsFrom<float>::to<float>, odd_loop<double>},
                              {widen<HalfBits>, narrow<HalfBits>},
                              {widen<BrainBits>, narrow<BrainBits>}};

}  // namespace

void fill(std::int64_t item, const void* from, std::int64_t n, void* to) {
  switch (item) {
    case 8: return fill_typed<std::uint64_t>(from, n, to);
    case 4: return fill_typed<std::uint32_t>(from, n, to);
    case 2: return fill_typed<std::uint16_t>(from, n, to);
    default: return fill_typed<std::uint8_t>(from, n, to);
  }
}
void fill_rows(std::int64_t item, const std::byte* from, std::int64_t step, std::int64_t row, std::int64_t within,
               std::int64_t n, void* to) {
  switch (item) {
    case 8: return fill_rows_typed<std::uint64_t>(from, step, row, within, n, to);
    case 4: return fill_rows_typed<std::uint32_t>(from, step, row, within, n, to);
    case 2: return fill_rows_typed<std::uint16_t>(from, step, row, within, n, to);
    default: return fill_rows_typed<std::uint8_t>(from, step, row, within, n, to);
  }
}
ElementwiseTable comparison_table() { return table_of(kRows); }
const CastTable& cast_table() { return kCasts; }

}  // namespace alice::ALICE_ISA
