// Ops that pass their operand on, and refuse values.
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

void same_infer(Call& call) { call.out[0] = call.in[0].shape_only(); }

void nonnegative_run(const Call& call) {
  const Array& y = call.out[0];
  strided_copy(y, call.in[0]);
  dispatch_any(y.dtype(), [&](auto tag) {
    using T = decltype(tag);
    if constexpr (std::is_integral_v<T> && std::is_signed_v<T>)
      for (std::int64_t i = 0; i < y.numel(); ++i)
        if (y.data<T>()[i] < 0)
          fail(ErrorKind::Value, "pow: expected exponents of at least 0 for integers; got ", y.data<T>()[i],
               ", and that power is no integer; convert with x.astype(ac.float32) first");
  });
}

}  // namespace

void register_checks(Registry& registry) {
  registry.add(
      Kernel{.name = "nonnegative", .n_in = 1, .infer = same_infer, .run = {nonnegative_run}, .cost = streaming_cost});
}

}  // namespace alice
