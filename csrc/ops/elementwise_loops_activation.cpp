// Activation functions and their gradients.
#include "activations.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

template <>
inline constexpr bool kAlone<Sigmoid> = true;

constexpr ElementwiseRow kRows[] = {ALICE_ACTIVATION_KERNELS(ALICE_KERNEL)};

}  // namespace

ElementwiseTable activation_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
