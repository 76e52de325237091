// Elementary functions.
#include <iterator>

#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

template <>
inline constexpr bool kAlone<Sin> = true;
template <>
inline constexpr bool kAlone<Cos> = true;
template <>
inline constexpr bool kAlone<Exp> = true;
template <>
inline constexpr bool kAlone<Log> = true;
template <>
inline constexpr bool kAlone<Tanh> = true;

template <int Twice>
constexpr RowAt simple_power_row() {
  if constexpr (Twice == 4)
    return {2.0, numeric<SimplePower<Twice>, 1>("pow", 0.2f)};
  else
    return {0.5 * Twice, floating<SimplePower<Twice>, 1>("pow", 0.3f)};
}
#define ALICE_ROW_AT(twice) simple_power_row<twice>(),
constexpr RowAt kSimplePowers[] = {ALICE_SIMPLE_POWERS(ALICE_ROW_AT)};
#undef ALICE_ROW_AT
constexpr RowsAt kPowAt = {kSimplePowers, std::size(kSimplePowers)};

constexpr ElementwiseRow kRows[] = {ALICE_ELEMENTARY_KERNELS(ALICE_KERNEL)};

}  // namespace

ElementwiseTable transcendental_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
