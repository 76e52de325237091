// Gradient kernels of the elementary functions, where the slope deserves a kernel of its own.
#include <iterator>

#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

#define ALICE_ROW_AT(twice) {0.5 * twice + 1.0, floating<SimplePowerVjp<twice>, 2>("pow_vjp", 0.3f)},
constexpr RowAt kSimplePowers[] = {ALICE_SIMPLE_POWERS(ALICE_ROW_AT)};
#undef ALICE_ROW_AT
constexpr RowsAt kPowVjpAt = {kSimplePowers, std::size(kSimplePowers)};

constexpr ElementwiseRow kRows[] = {ALICE_SLOPE_KERNELS(ALICE_KERNEL)};

}  // namespace

ElementwiseTable derivative_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
