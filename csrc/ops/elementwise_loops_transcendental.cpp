// Elementary functions.
#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {ALICE_ELEMENTARY_KERNELS(ALICE_KERNEL)};

}  // namespace

ElementwiseTable transcendental_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
