// Small: few numbers run through here.
// Ops that pass their operand on, and refuse values.
#include <cmath>

#include "checked.h"
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

// attrs: a Checked. Arithmetic of integers that stand for Python's, which have no end: exact, or refused.
void checked_infer(Call& call) {
  for (const Array& x : call.in)
    if (x.dtype() != DType::Int64 || x.shape() != call.in[0].shape())
      fail(ErrorKind::DType, "checked_arithmetic: expected int64 of one shape; got ", name(x.dtype()));
  if (const std::int64_t op = call.attrs[0].integer(); op < 0 || op > static_cast<std::int64_t>(Checked::Compare))
    fail(ErrorKind::Value, "checked_arithmetic", ": expected an op; got ", op);
  same_infer(call);
}

bool power(std::int64_t base, std::int64_t exponent, std::int64_t& y) {
  for (y = 1;;) {
    if (exponent % 2 != 0 && __builtin_mul_overflow(y, base, &y)) return false;
    exponent /= 2;
    if (exponent == 0) return true;
    if (__builtin_mul_overflow(base, base, &base)) return false;
  }
}

// Whether int64 holds the result.
bool computed(Checked op, std::int64_t a, std::int64_t b, std::int64_t& y) {
  const bool negates =
      op == Checked::Negative || (op == Checked::Abs && a < 0) || (op == Checked::FloorDivide && b == -1);
  if (negates) return !__builtin_sub_overflow(std::int64_t{0}, a, &y);
  y = a;
  switch (op) {
    case Checked::Add: return !__builtin_add_overflow(a, b, &y);
    case Checked::Subtract: return !__builtin_sub_overflow(a, b, &y);
    case Checked::Multiply: return !__builtin_mul_overflow(a, b, &y);
    case Checked::Power: return power(a, b, y);
    case Checked::FloorDivide: y = a / b - (a % b != 0 && (a < 0) != (b < 0)); return true;
    case Checked::Remainder:
      y = b == -1 ? 0 : a % b;
      if (y != 0 && (y < 0) != (b < 0)) y += b;
      return true;
    case Checked::LeftShift:
      if (a == 0) return true;
      y = static_cast<std::int64_t>(static_cast<std::uint64_t>(a) << (b & 63));
      return b < 64 && y >> b == a;
    case Checked::RightShift: y = a >> (b < 63 ? b : 63); return true;
    case Checked::Divide:
    case Checked::Compare:
      return std::abs(static_cast<double>(a)) < 0x1p63 && static_cast<std::int64_t>(static_cast<double>(a)) == a;
    default: return true;
  }
}

void compute(Checked op, std::int64_t a, std::int64_t b, std::int64_t& y) {
  static const char* const names[] = {"add",    "subtract", "multiply", "floor_divide",       "remainder",
                                      "pow",    "negative", "abs",      "bitwise_left_shift", "bitwise_right_shift",
                                      "divide", "divide",   "compare"};
  const char* const what = names[static_cast<int>(op)];
  if (b == 0 && (op == Checked::FloorDivide || op == Checked::Remainder || op == Checked::Divisor))
    fail(ErrorKind::Value, what, ": expected a divisor other than 0; got ", b);
  if (b < 0 && (op == Checked::LeftShift || op == Checked::RightShift))
    fail(ErrorKind::Value, what, ": expected a shift by at least 0 places; got ", b);
  if (computed(op, a, b, y)) return;
  fail(ErrorKind::DType, what, ": expected Python numbers that ",
       op >= Checked::Divide ? "float64 holds exactly" : "have a result of int64", "; got ", a, " and ", b,
       "; compute it before the call, name the arguments in static_argnames, or pass floats");
}

void checked_run(const Call& call) {
  const Array a = as_contiguous(call.in[0]), b = as_contiguous(call.in[1]);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    compute(static_cast<Checked>(call.attrs[0].integer()), a.data<std::int64_t>()[i], b.data<std::int64_t>()[i],
            call.out[0].data<std::int64_t>()[i]);
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
  registry.add({.name = "checked_arithmetic",
                .n_in = 2,
                .attributes = {{"op", AttrKind::Integer}},
                .infer = checked_infer,
                .run = {checked_run},
                .cost = streaming_cost});
}

}  // namespace alice
