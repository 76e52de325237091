// Gradient kernels of the elementary functions, where the slope deserves a kernel of its own.
#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {ALICE_SLOPE_KERNELS(ALICE_KERNEL)};

}  // namespace

ElementwiseTable derivative_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
