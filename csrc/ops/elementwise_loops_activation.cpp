// Activation functions and their gradients.
#include "activations.h"
#include "elementwise_run.h"

namespace alice::ALICE_ISA {
namespace {

constexpr ElementwiseRow kRows[] = {
    floating<Relu, 1>("relu", 0.15f),
    floating<ReluVjp, 2>("relu_vjp", 0.2f),
    floating<Relu6, 1>("relu6", 0.15f),
    floating<Relu6Vjp, 2>("relu6_vjp", 0.2f),
    floating<LeakyRelu, 1>("leaky_relu", 0.15f, {.params = {"negative_slope"}}),
    floating<LeakyReluVjp, 2>("leaky_relu_vjp", 0.2f, {.params = {"negative_slope"}}),
    floating<Prelu, 2>("prelu", 0.2f),
    floating<PreluVjp, 3>("prelu_vjp", 0.3f),
    floating<PreluSlopeVjp, 2>("prelu_slope_vjp", 0.2f),
    floating<Elu, 1>("elu", 1.0f, {.params = {"alpha"}}),
    floating<EluVjp, 2>("elu_vjp", 1.0f, {.params = {"alpha"}}),
    floating<Selu, 1>("selu", 1.0f),
    floating<Vjp<SeluSlope>, 2>("selu_vjp", 1.0f),
    floating<Sigmoid, 1>("sigmoid", 0.4f),
    floating<SigmoidVjp, 2>("sigmoid_vjp", 1.0f),
    floating<Softplus, 1>("softplus", 1.5f),
    floating<SoftplusVjp, 2>("softplus_vjp", 1.0f),
    floating<LogSigmoid, 1>("log_sigmoid", 1.5f),
    floating<Silu, 1>("silu", 1.0f),
    floating<Vjp<SiluSlope>, 2>("silu_vjp", 1.2f),
    floating<Gelu, 1>("gelu", 1.5f),
    floating<Vjp<GeluSlope>, 2>("gelu_vjp", 1.8f),
    floating<GeluTanh, 1>("gelu_tanh", 1.2f),
    floating<Vjp<GeluTanhSlope>, 2>("gelu_tanh_vjp", 1.8f),
};

}  // namespace

ElementwiseTable activation_table() { return table_of(kRows); }

}  // namespace alice::ALICE_ISA
