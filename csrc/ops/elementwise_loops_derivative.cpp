// Gradient kernels of the elementary functions, where the slope deserves a kernel of its own.
#include "elementary.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {
    floating<SquareVjp, 2>("square_vjp", 0.2f),
    floating<Vjp<SqrtSlope>, 2>("sqrt_vjp", 0.8f),
    floating<Vjp<RsqrtSlope>, 2>("rsqrt_vjp", 1.0f),
    floating<Vjp<ReciprocalSlope>, 2>("reciprocal_vjp", 0.8f),
    floating<Vjp<Exp2Slope>, 2>("exp2_vjp", 1.0f),
    floating<Vjp<Log2Slope>, 2>("log2_vjp", 0.8f),
    floating<Vjp<Log10Slope>, 2>("log10_vjp", 0.8f),
    floating<TurnVjp<TanSlope>, 2>("tan_vjp", 1.5f),
    floating<Vjp<AsinSlope>, 2>("asin_vjp", 0.8f),
    floating<Vjp<AtanSlope>, 2>("atan_vjp", 0.8f),
    floating<TanhVjp, 2>("tanh_vjp", 1.0f),
    floating<Vjp<AsinhSlope>, 2>("asinh_vjp", 0.8f),
    floating<Vjp<AcoshSlope>, 2>("acosh_vjp", 0.8f),
    floating<Vjp<AtanhSlope>, 2>("atanh_vjp", 0.8f),
    floating<Vjp<ErfSlope>, 2>("erf_vjp", 1.0f),
    floating<Atan2Vjp, 3>("atan2_vjp", 1.0f),
    floating<PowVjp, 3>("pow_vjp", 3.0f, {.at_two = "square_vjp"}),
    floating<LogAddExpVjp, 3>("logaddexp_vjp", 2.0f),
};

}  // namespace

ElementwiseTable derivative_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
