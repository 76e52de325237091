// Activation functions and their gradients.
#include <iterator>

#include "activations.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

template <>
inline constexpr bool kAlone<Sigmoid> = true;

constexpr ElementwiseRow kRows[] = {ALICE_ACTIVATION_KERNELS(ALICE_KERNEL)};

#if ALICE_HAS_FMA  // where they have arithmetic of their own
constexpr SlopePair kSlopes[] = {slope_pair<Sigmoid, SigmoidVjp, SigmoidAndSlope, float>(),
                                 slope_pair<Sigmoid, SigmoidVjp, SigmoidAndSlope, double>(),
                                 slope_pair<Softplus, SoftplusVjp, SoftplusAndSlope, float>(),
                                 slope_pair<Softplus, SoftplusVjp, SoftplusAndSlope, double>(),
                                 slope_pair<Silu, SiluVjp, SiluAndSlope, float>(),
                                 slope_pair<Gelu, GeluVjp, GeluAndSlope, float>(),
                                 slope_pair<GeluTanh, GeluTanhVjp, GeluTanhAndSlope, float>()};
constexpr SlopeTable kSlopeTable = {kSlopes, std::size(kSlopes)};
#else
constexpr SlopeTable kSlopeTable = {nullptr, 0};
#endif

}  // namespace

SlopeTable activation_slopes() { return kSlopeTable; }

ElementwiseTable activation_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
