// Hot: every call runs through here.
#include "operators.h"

#include <string_view>

#include "convert.h"
#include "extension.h"
#include "number_arithmetic.h"
#include "tensor_parts.h"

namespace alice {
namespace {

PrimitiveObject* operators[kOperatorSlots] = {};
const char* const operator_names[kOperatorSlots] = {"add",
                                                    "subtract",
                                                    "multiply",
                                                    "divide",
                                                    "floor_divide",
                                                    "remainder",
                                                    "pow",
                                                    "matmul",
                                                    "negative",
                                                    "abs",
                                                    "equal",
                                                    "not_equal",
                                                    "less",
                                                    "less_equal",
                                                    "greater",
                                                    "greater_equal",
                                                    "logical_and",
                                                    "logical_or",
                                                    "logical_xor",
                                                    "logical_not",
                                                    "bitwise_and",
                                                    "bitwise_or",
                                                    "bitwise_xor",
                                                    "bitwise_invert",
                                                    "bitwise_left_shift",
                                                    "bitwise_right_shift",
                                                    "astype",
                                                    "remat",
                                                    "nonnegative",
                                                    "fitting",
                                                    "checked_arithmetic",
                                                    "floor",
                                                    "ceil",
                                                    "trunc",
                                                    "round"};

// The other operand may be anything that bind() takes; for the rest Python asks the other operand's type.
bool operand(PyObject* o) {
  return is_tensor(o) || PyFloat_Check(o) || PyLong_Check(o) || is_numpy_array(o) || is_numpy_scalar(o);
}

// What is no operand is left to the other type, or to Python, unless Python would answer for it: it repeats lists and
// other sequences (a 0-d Tensor is an index), and compares lists and tuples by identity. Classes of users that have an
// operator of their own are asked.
template <auto Operator>
void refuse_sequence(int slot, PyObject* a, PyObject* b) {
  PyObject* o = is_tensor(a) ? b : a;
  PyTypeObject* type = Py_TYPE(o);
  if (PyComplex_Check(o))
    fail(ErrorKind::DType, operator_primitive(slot)->kernel->name,
         ": expected real numbers on either side of the operator; got a complex one");
  const bool list = PyList_Check(o) || PyTuple_Check(o);
  if constexpr (std::is_same_v<decltype(Operator), std::nullptr_t>) {  // comparisons
    if (!list || type->tp_richcompare != (PyList_Check(o) ? PyList_Type : PyTuple_Type).tp_richcompare) return;
  } else {
    if (type->tp_as_number && type->tp_as_number->*Operator) return;
    if (!list && !(slot == kMultiply && type->tp_as_sequence && type->tp_as_sequence->sq_repeat)) return;
  }
  fail(ErrorKind::DType, operator_primitive(slot)->kernel->name,
       ": expected a Tensor, a NumPy array or a number on either side of the operator; got ", type->tp_name,
       list ? "; make it a Tensor first: ac.tensor([1, 2]) * x" : "; a Tensor is no count, use int(x)");
}

py::object not_implemented() { return borrowed(Py_NotImplemented); }

py::object bind_one(int slot, PyObject* o) { return bind(operator_primitive(slot), &o, 1); }

template <int Slot, auto Operator = nullptr>
py::object binary(PyObject* a, PyObject* b) {
  if (!operand(a) || !operand(b)) {
    refuse_sequence<Operator>(Slot, a, b);
    return not_implemented();
  }
  PyObject* args[] = {a, b};
  const auto number = [](PyObject* o) {
    return is_number(o) || parse_scalar(o, operator_primitive(Slot)->kernel->name).kind != Scalar::Kind::None;
  };
  if ((is_number(a) || is_number(b)) && number(a) && number(b)) return number_arithmetic(Slot, args, 2);
  return bind(operator_primitive(Slot), args, 2);
}
template <int Slot>
py::object unary(PyObject* a) {
  return is_number(a) ? number_arithmetic(Slot, &a, 1) : bind(operator_primitive(Slot), &a, 1);
}

// Not of a floating dtype, whatever it is.
bool is_integer(PyObject* o) {
  if (is_tensor(o)) return !is_floating(as_tensor(o)->array.dtype());
  if (is_numpy_array(o)) return !is_floating(array_from_numpy(o, false).dtype());
  return parse_scalar(o, "pow").kind != Scalar::Kind::Real;
}
bool is_bool(PyObject* o) {
  if (is_tensor(o)) return as_tensor(o)->array.dtype() == DType::Bool;
  if (PyLong_Check(o) || PyFloat_Check(o)) return PyBool_Check(o);
  return py::object(py::handle(o).attr("dtype")).equal(dtype_object(DType::Bool));  // of NumPy's arrays and scalars
}

// &, |, ^ and ~ mean the logical ops on bools, and work on the bits of integers.
template <int Logical, int Bitwise, auto Operator = nullptr>
py::object bits(PyObject* a, PyObject* b) {
  if (!operand(a) || (b && !operand(b))) {
    refuse_sequence<Operator>(Logical, a, b);
    return not_implemented();
  }
  PyObject* args[] = {a, b};
  const int n = b ? 2 : 1;
  int bools = 0, integers = 0;
  for (int i = 0; i < n; ++i) {
    bools += is_bool(args[i]);
    integers += is_integer(args[i]);
  }
  bool weak = true;
  for (int i = 0; i < n; ++i) weak = weak && (is_number(args[i]) || !(is_tensor(args[i]) || is_numpy_array(args[i])));
  // Python's bools are integers, but for these ops of two.
  if (weak && integers == n) return number_arithmetic(bools == 2 ? Logical : Bitwise, args, n);
  if (bools == n) return bind(operator_primitive(Logical), args, n);
  if (bools > 0 || integers < n)
    fail(ErrorKind::DType, operator_primitive(Logical)->kernel->name,
         ": the operators &, |, ^ and ~ expect bools, or integers on both sides; compare first (x != 0), or use "
         "ac.logical_and and its kin on numbers");
  return bind(operator_primitive(Bitwise), args, n);
}
py::object invert(PyObject* a) { return bits<kInvert, kBitInvert>(a, nullptr); }

py::object as_typed(TensorObject* t) { return owned(tensor_of_number(t)); }

py::object itself(PyObject* a) { return borrowed(a); }

py::object power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None)
    fail(ErrorKind::DType, "pow: expected a base and an exponent; got a modulus, ", Py_TYPE(modulus)->tp_name,
         "; take (x ** n) % modulus, or compute it before a compiled call");
  if (!operand(a) || !operand(b)) return binary<kPower, &PyNumberMethods::nb_power>(a, b);
  if (is_number(a) && is_number(b)) return binary<kPower>(a, b);
  if (!is_integer(b) || !is_integer(a)) return binary<kPower>(a, b);
  const py::object exponent = bind_one(kNonnegative, b);
  if (is_number(b)) {  // still a number
    TensorExtension& extension = extended(as_tensor(exponent.ptr()));
    extension.weak = true;
    extension.width = weak_width(as_tensor(b));
  }
  return binary<kPower>(a, is_tensor(b) || is_numpy_array(b) ? exponent.ptr() : b);  // a number takes a's dtype
}

py::object divmod(PyObject* a, PyObject* b) {
  const py::object quotient = binary<kFloorDivide, &PyNumberMethods::nb_divmod>(a, b);
  if (quotient.ptr() == Py_NotImplemented) return quotient;
  return py::make_tuple(quotient, binary<kRemainder, &PyNumberMethods::nb_divmod>(a, b));
}

template <int Slot>
py::object whole(TensorObject* t) {
  return whole_number(Slot, as_object(t));
}

py::object compare(PyObject* a, PyObject* b, int op) {
  switch (op) {
    case Py_EQ: return binary<kEqual>(a, b);
    case Py_NE: return binary<kNotEqual>(a, b);
    case Py_LT: return binary<kLess>(a, b);
    case Py_LE: return binary<kLessEqual>(a, b);
    case Py_GT: return binary<kGreater>(a, b);
    default: return binary<kGreaterEqual>(a, b);
  }
}

}  // namespace

PrimitiveObject* operator_primitive(int slot) { return operators[slot]; }

void note_operator(PrimitiveObject* made) {
  for (int i = 0; i < kOperatorSlots; ++i)
    if (!operators[i] && std::string_view(operator_names[i]) == made->kernel->name)
      operators[i] = as_primitive(Py_NewRef(as_object(made)));
}

PyObject* tensor_of_number(TensorObject* t) {
  PyObject* made = same_value(t);
  if (is_weak(as_tensor(made))) as_tensor(made)->extension->weak = false;
  return made;
}

void add_operators(TypeMaker<TensorObject>& type) {
  type.method<as_typed>("_tensor_of_number", "A number of a traced call as a Tensor like any other.")
      .method<whole<kFloor>>("_floor", "Of a number of a traced call the integer, one as well.")
      .method<whole<kCeil>>("_ceil", "Likewise.")
      .method<whole<kTrunc>>("_trunc", "Likewise.")
      .method<whole<kRound>>("_round", "Likewise, ties to even.")
      .slot<Py_tp_richcompare, compare>()
      .slot<Py_nb_add, binary<kAdd, &PyNumberMethods::nb_add>>()
      .slot<Py_nb_subtract, binary<kSubtract, &PyNumberMethods::nb_subtract>>()
      .slot<Py_nb_multiply, binary<kMultiply, &PyNumberMethods::nb_multiply>>()
      .slot<Py_nb_true_divide, binary<kDivide, &PyNumberMethods::nb_true_divide>>()
      .slot<Py_nb_floor_divide, binary<kFloorDivide, &PyNumberMethods::nb_floor_divide>>()
      .slot<Py_nb_remainder, binary<kRemainder, &PyNumberMethods::nb_remainder>>()
      .slot<Py_nb_divmod, divmod>()
      .slot<Py_nb_power, power>()
      .slot<Py_nb_matrix_multiply, binary<kMatmul, &PyNumberMethods::nb_matrix_multiply>>()
      .slot<Py_nb_positive, itself>()
      .slot<Py_nb_negative, unary<kNegative>>()
      .slot<Py_nb_absolute, unary<kAbs>>()
      .slot<Py_nb_and, bits<kAnd, kBitAnd, &PyNumberMethods::nb_and>>()
      .slot<Py_nb_or, bits<kOr, kBitOr, &PyNumberMethods::nb_or>>()
      .slot<Py_nb_xor, bits<kXor, kBitXor, &PyNumberMethods::nb_xor>>()
      .slot<Py_nb_invert, invert>()
      .slot<Py_nb_lshift, binary<kLeftShift, &PyNumberMethods::nb_lshift>>()
      .slot<Py_nb_rshift, binary<kRightShift, &PyNumberMethods::nb_rshift>>();
}

}  // namespace alice
