// Small: few numbers run through here.
// Ops that pass their operand on, and refuse values.
#include <cmath>
#include <iterator>

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

// attrs: a dtype, that of an integer. Of integers that nobody asked to be cut to size: a program computed them from
// Python's, or they go into a Tensor of that dtype.
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
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    const std::int64_t number = integer_at(y.bytes() + i * item, y.dtype());
    const bool large = y.dtype() == DType::UInt64 && number < 0;  // from 2^63 on
    if (large ? dtype == DType::UInt64 : holds(dtype, number)) continue;
    fail(ErrorKind::DType, "fitting: the number ", large ? "2^63 or more" : std::to_string(number), " does not fit ",
         name(dtype), "; cast it with x.astype, or what it goes into to a wider dtype");
  }
}

struct Named {
  const char* name;
  int numbers;
};
constexpr Named kNamed[] = {
#define ALICE_ROW(op, name, numbers) {name, numbers},
    ALICE_CHECKED(ALICE_ROW)
#undef ALICE_ROW
};

// attrs: a Checked. Arithmetic of numbers that stand for Python's, whose integers have no end: exact, or refused. Real
// numbers, doubles, are only looked at.
void checked_infer(Call& call) {
  const std::int64_t op = call.attrs[0].integer();
  if (op < 0 || op >= static_cast<std::int64_t>(std::size(kNamed)))
    fail(ErrorKind::Value, "checked_arithmetic", ": expected an op; got ", op);
  const DType dtype = call.in[0].dtype();
  for (const Array& x : call.in)
    if (x.dtype() != dtype || x.shape() != call.in[0].shape() ||
        dtype != (static_cast<Checked>(op) >= Checked::Divisor ? DType::Float64 : DType::Int64))
      fail(ErrorKind::DType, "checked_arithmetic: expected int64 of one shape, or float64 to be looked at; got ",
           name(x.dtype()));
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

template <class T>
[[noreturn]] void refuse(Checked op, const char* expected, T a, T b) {
  const auto [what, numbers] = kNamed[static_cast<int>(op)];
  std::ostringstream got;
  got << a;
  if (numbers == 2) got << " and " << b;
  fail(ErrorKind::DType, what, ": expected Python numbers ", expected, "; got ", got.str(),
       "; compute it before the call, name the arguments in static_argnames, or pass ",
       std::is_integral_v<T> ? "floats" : "Tensors");
}

void compute(Checked op, std::int64_t a, std::int64_t b, std::int64_t& y) {
  const char* const what = kNamed[static_cast<int>(op)].name;
  if (b == 0 && (op == Checked::FloorDivide || op == Checked::Remainder))
    fail(ErrorKind::Value, what, ": expected a divisor other than 0; got ", b);
  if (b < 0 && (op == Checked::LeftShift || op == Checked::RightShift))
    fail(ErrorKind::Value, what, ": expected a shift by at least 0 places; got ", b);
  if (!computed(op, a, b, y))
    refuse(op, op >= Checked::Divide ? "that float64 holds exactly" : "that have a result of int64", a, b);
}

void compute(Checked op, double a, double b, double& y) {
  y = a;
  if (op == Checked::Divisor && a == 0) fail(ErrorKind::Value, "divide: expected a divisor other than 0; got ", a);
  if (op == Checked::Whole && !(a >= -0x1p63 && a < 0x1p63)) refuse(op, "whose integer int64 holds", a, b);
  if (op == Checked::Base && std::isfinite(a) && std::isfinite(b) && !std::isfinite(std::pow(a, b)))
    refuse(op, "that have a power of float64", a, b);
}

template <class T>
void compute_all(const Call& call) {
  const Array a = as_contiguous(call.in[0]), b = as_contiguous(call.in[1]);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    compute(static_cast<Checked>(call.attrs[0].integer()), a.data<T>()[i], b.data<T>()[i], call.out[0].data<T>()[i]);
}

void checked_run(const Call& call) {
  if (call.in[0].dtype() == DType::Int64) return compute_all<std::int64_t>(call);
  compute_all<double>(call);
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
