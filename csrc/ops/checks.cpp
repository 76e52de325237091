// Ops that pass their operand on, and refuse values.
#include "register.h"
#include "strided_copy.h"

namespace alice {
namespace {

void same_infer(Call& call) { call.out[0] = call.in[0].shape_only(); }

void nonnegative_run(const Call& call) {
  const Array& y = call.out[0];
  strided_copy(y, call.in[0]);
  if (!is_signed(y.dtype())) return;
  const auto item = static_cast<std::int64_t>(itemsize(y.dtype()));
  for (std::int64_t i = 0; i < y.numel(); ++i)
    if (const std::int64_t exponent = integer_at(y.bytes() + i * item, y.dtype()); exponent < 0)
      fail(ErrorKind::Value, "pow: expected exponents of at least 0 for integers; got ", exponent,
           ", and that power is no integer; convert with x.astype(ac.float32) first");
}

// attrs: a dtype, that of an integer. Of integers that a program computed from Python's: those are not cut to size.
void fitting_infer(Call& call) {
  const DType dtype = call.in[0].dtype();
  if (!is_integer(dtype)) fail(ErrorKind::DType, "fitting: x must be integers; got dtype ", name(dtype));
  same_infer(call);
}

void fitting_run(const Call& call) {
  const Array &x = call.in[0], &y = call.out[0];
  const DType dtype = call.attrs[0].dtype();
  strided_copy(y, x);
  const auto item = static_cast<std::int64_t>(itemsize(y.dtype()));
  for (std::int64_t i = 0; i < y.numel(); ++i)
    if (const std::int64_t number = integer_at(y.bytes() + i * item, y.dtype()); !holds(dtype, number))
      fail(ErrorKind::DType, "fitting: the Python number ", number, " does not fit ", name(dtype),
           "; convert the tensor with x.astype(ac.float32) first");
}

}  // namespace

void register_checks(Registry& registry) {
  registry.add({.name = "nonnegative",
                .n_in = 1,
                .infer = same_infer,
                .run = {nonnegative_run},
                .cost = streaming_cost,
                .any_dtype = true});
  registry.add({.name = "fitting",
                .n_in = 1,
                .attributes = {{"dtype", AttrKind::DType}},
                .infer = fitting_infer,
                .run = {fitting_run},
                .cost = streaming_cost,
                .any_dtype = true});
}

}  // namespace alice
