// Small: runs while a function is traced.
#include "number_arithmetic.h"

#include <cmath>
#include <limits>
#include <utility>

#include "../ops/checked.h"
#include "convert.h"
#include "operators.h"

namespace alice {
namespace {

bool is_comparison(int slot) { return slot >= kEqual && slot <= kGreaterEqual; }

// One of the numbers of a traced call as a Tensor. Integers that int64 does not hold are compared with others as what
// none reaches, and with real numbers if they are a double.
py::object number(int slot, PyObject* o, bool beside_integers) {
  if (is_number(o)) return owned(tensor_of_number(as_tensor(o)));
  Scalar s = parse_scalar(o, "number");
  if (s.beyond != Scalar::Beyond::No && (beside_integers || is_comparison(slot))) {
    if (!is_comparison(slot) || (!beside_integers && !py::float_(s.real).equal(py::handle(o))))
      fail(ErrorKind::DType, operator_primitive(slot)->kernel->name, ": expected Python numbers that int64 holds; got ",
           std::string(py::str(py::handle(o))), "; compute it before the call, or pass floats");
    if (beside_integers) s.real = std::copysign(std::numeric_limits<double>::infinity(), s.real);
  }
  const DType dtype = s.kind == Scalar::Kind::Real  ? DType::Float64
                      : s.kind == Scalar::Kind::Int ? DType::Int64
                                                    : DType::Bool;
  return owned(make_tensor(scalar_array(s, dtype, "number")));
}

bool is_real(PyObject* o) {
  if (is_tensor(o)) return is_floating(as_tensor(o)->array.dtype());
  const Scalar s = parse_scalar(o, "number");
  return s.kind == Scalar::Kind::Real && s.beyond == Scalar::Beyond::No;
}

// Whether an integer may be one that a double rounds.
bool is_wide(PyObject* o) {
  if (is_number(o)) return weak_width(as_tensor(o)) == 0 || weak_width(as_tensor(o)) % 128 > 32;
  const Scalar s = parse_scalar(o, "number");
  return s.beyond == Scalar::Beyond::No && std::abs(s.real) > 0x1p53;
}

py::object checked(Checked op, const py::object& a, const py::object& b) {
  const py::int_ attribute(static_cast<std::int64_t>(op));
  PyObject* args[] = {a.ptr(), b.ptr(), attribute.ptr()};
  return bind(operator_primitive(kChecked), args, 3);
}

// How integers compute as Python's do, without an end; null where none leave their dtype.
const Checked* checked_op(int slot) {
  static constexpr std::pair<int, Checked> table[] = {{kAdd, Checked::Add},
                                                      {kSubtract, Checked::Subtract},
                                                      {kMultiply, Checked::Multiply},
                                                      {kFloorDivide, Checked::FloorDivide},
                                                      {kRemainder, Checked::Remainder},
                                                      {kPower, Checked::Power},
                                                      {kNegative, Checked::Negative},
                                                      {kAbs, Checked::Abs},
                                                      {kLeftShift, Checked::LeftShift},
                                                      {kRightShift, Checked::RightShift}};
  for (const auto& [from, op] : table)
    if (from == slot) return &op;
  return nullptr;
}

bool divides(int slot) { return slot == kDivide || slot == kFloorDivide || slot == kRemainder; }
bool is_bitwise(int slot) { return slot >= kBitAnd && slot <= kBitInvert; }

// Whether Python may raise an error for such a divisor.
bool may_be_zero(PyObject* o) { return is_number(o) || parse_scalar(o, "number").real == 0; }

py::object weak(py::object t) {
  extended(as_tensor(t.ptr())).weak = true;
  return t;
}

}  // namespace

py::object number_arithmetic(int slot, PyObject* const* args, int n) {
  py::object strong[2];
  PyObject* all[2] = {};
  bool real = slot == kDivide, integers = true;
  for (int i = 0; i < n; ++i) integers = integers && !is_real(args[i]);
  for (int i = 0; i < n; ++i) {
    strong[i] = number(slot, args[i], integers);
    real = real || is_floating(as_tensor(strong[i].ptr())->array.dtype());
  }
  const Checked* op = checked_op(slot);
  for (int i = 0; i < n; ++i) {
    const auto cast = [&](DType dtype) {
      PyObject* pair[] = {strong[i].ptr(), dtype_object(dtype).ptr()};
      strong[i] = bind(operator_primitive(kAstype), pair, 2);
    };
    DType dtype = as_tensor(strong[i].ptr())->array.dtype();
    if (dtype == DType::Bool && (op || slot == kDivide || is_bitwise(slot))) cast(dtype = DType::Int64);
    if (dtype == DType::Int64 && is_wide(args[i]) &&
        ((slot == kDivide && integers) || (is_comparison(slot) && !integers)))
      strong[i] = checked(slot == kDivide ? Checked::Divide : Checked::Compare, strong[i], strong[i]);
    if (real && slot != kInvert) cast(DType::Float64);
  }
  if (real && divides(slot) && may_be_zero(args[1])) strong[1] = checked(Checked::Divisor, strong[1], strong[1]);
  if (slot == kPower && real) strong[0] = checked(Checked::Base, strong[0], strong[1]);
  if (slot == kPower && !real) {
    PyObject* exponent = strong[1].ptr();
    strong[1] = bind(operator_primitive(kNonnegative), &exponent, 1);
  }
  for (int i = 0; i < n; ++i) all[i] = strong[i].ptr();
  return weak(op && !real ? checked(*op, strong[0], strong[n - 1]) : bind(operator_primitive(slot), all, n));
}

py::object whole_number(int slot, PyObject* o) {
  py::object x = owned(tensor_of_number(as_tensor(o)));
  if (is_real(o)) {
    PyObject* number = x.ptr();
    x = bind(operator_primitive(slot), &number, 1);
    x = checked(Checked::Whole, x, x);
  }
  PyObject* pair[] = {x.ptr(), dtype_object(DType::Int64).ptr()};
  return weak(bind(operator_primitive(kAstype), pair, 2));
}

}  // namespace alice
