// Hot: every call runs through here.
#include "operands.h"

#include <cmath>
#include <limits>

#include "default_dtype.h"
#include "extension.h"
#include "gil.h"
#include "operators.h"

namespace alice {
namespace {

[[noreturn]] void bad_argument(const char* op, Py_ssize_t i, PyObject* o) {
  fail(ErrorKind::DType, op, ": argument ", i, " must be a Tensor, a NumPy array or a number; got ",
       Py_TYPE(o)->tp_name, "; convert it with ac.tensor(…)");
}

// Integers that int64 does not hold are of no other kind than those that it does.
bool is_integer(const Scalar& s) { return s.kind == Scalar::Kind::Int || s.beyond != Scalar::Beyond::No; }

DType scalar_dtype(const Scalar& s) {
  return is_integer(s) ? DType::Int64 : s.kind == Scalar::Kind::Bool ? DType::Bool : default_dtype();
}

// The dtype that a weak scalar asks for beside tensors of dtype `common`: its kind counts, its width does not.
DType with_scalar(DType common, const Scalar& s) {
  if (is_integer(s)) return common == DType::Bool ? DType::Int64 : common;
  return s.kind == Scalar::Kind::Real && !is_floating(common) ? default_dtype() : common;
}

// A dtype in which an integer compares by its value with numbers of another one, that of none but bools and integers.
// Doubles are rounded, but keep their sign; what no integer reaches becomes infinite.
DType to_compare(Operands& a, std::size_t i, DType common) {
  Scalar& s = a.scalars[i];
  const bool traced = !a.weak.empty() && a.weak[i];
  if (s.beyond == Scalar::Beyond::Unsigned && common == DType::UInt64) return common;
  if (s.beyond != Scalar::Beyond::No) {
    s.real = std::copysign(std::numeric_limits<double>::infinity(), s.real);
    return DType::Float64;
  }
  if (s.kind != Scalar::Kind::Int) return with_scalar(common, s);
  if (common == DType::Bool) return DType::Int64;
  const std::uint8_t width = traced ? weak_width(a.weak[i]) : width_of(s.integer);
  if (width != 0 && holds_width(common, width)) return common;
  if (common != DType::UInt64) return DType::Int64;
  return width != 0 ? DType::Float64 : common;  // what a program computed is refused if it is negative
}

// The dtype to which the arguments from `first` on are brought.
DType promote_arguments(Operands& a, std::size_t first, Inputs mode, const char* op) {
  bool any = false;
  DType common = DType::Bool;
  for (std::size_t i = first; i < a.tensors.size(); ++i)
    if (a.tensors[i]) {
      common = any ? promote(common, a.tensors[i]->array.dtype()) : a.tensors[i]->array.dtype();
      any = true;
    }
  if (common == DType::UInt64)
    for (std::size_t i = first; i < a.tensors.size(); ++i)
      if (a.tensors[i]) check_sign(op, common, a.tensors[i]->array.dtype());
  for (std::size_t i = first; i < a.tensors.size(); ++i)
    if (!a.tensors[i])
      common = !any                                              ? promote(common, scalar_dtype(a.scalars[i]))
               : mode == Inputs::Compare && !is_floating(common) ? to_compare(a, i, common)
                                                                 : with_scalar(common, a.scalars[i]);
  if (mode == Inputs::Numeric && common == DType::Bool) return DType::Int32;
  if (mode == Inputs::Floating && !is_floating(common)) return default_dtype();
  return common;
}

// Kind of the number that a weak Tensor stands for.
Scalar weak_scalar(const TensorObject* t) {
  const DType dtype = t->array.dtype();
  return {dtype == DType::Bool    ? Scalar::Kind::Bool
          : dtype == DType::Int64 ? Scalar::Kind::Int
                                  : Scalar::Kind::Real,
          0, 0.0};
}

void cast_argument(Operands& a, std::size_t i, DType dtype, const char* op) {
  if (!a.tensors[i] && !a.weak.empty() && a.weak[i]) {
    if (is_integer(dtype) && !holds_width(dtype, weak_width(a.weak[i])))
      fail(ErrorKind::DType, op, ": the Python number does not fit ", name(dtype),
           "; convert the tensor with x.astype(ac.float32) first");
    py::object number = owned(tensor_of_number(a.weak[i]));
    if (is_integer(dtype) && weak_width(a.weak[i]) == 0 && a.scalars[i].kind == Scalar::Kind::Int) {  // it was computed
      PyObject* args[] = {number.ptr(), dtype_object(dtype).ptr()};
      number = bind(operator_primitive(kFitting), args, 2);
    }
    a.converted.push_back(number);
    a.tensors[i] = as_tensor(a.converted.back().ptr());
    a.weak[i] = nullptr;
    return cast_argument(a, i, dtype, op);
  }
  if (!a.tensors[i]) {
    a.converted.push_back(owned(make_tensor(scalar_array(a.scalars[i], dtype, op))));
  } else if (a.tensors[i]->array.dtype() != dtype) {
    PyObject* args[] = {as_object(a.tensors[i]), dtype_object(dtype).ptr()};
    a.converted.push_back(bind(operator_primitive(kAstype), args, 2));
  } else {
    return;
  }
  a.tensors[i] = as_tensor(a.converted.back().ptr());
}

}  // namespace

void check_sign(const char* op, DType common, DType dtype) {
  if (common != DType::UInt64 || !is_signed(dtype)) return;
  fail(ErrorKind::DType, op, ": expected dtypes that have a common one; got uint64 and ", name(dtype),
       ", and no integer dtype holds the numbers of both; cast one of them with x.astype, to ac.int64, ac.uint64 or a "
       "floating dtype");
}

Py_ssize_t count_inputs(const Kernel& kernel, Py_ssize_t nargs) {
  const Py_ssize_t n_in = kernel.n_in < 0 ? nargs - kernel.n_attrs() : kernel.n_in;
  if (nargs == n_in + kernel.n_attrs() && (kernel.n_in >= 0 || n_in >= 1)) return n_in;
  if (kernel.n_in < 0) fail(ErrorKind::Value, kernel.name, ": expected at least one array; got none");
  fail(ErrorKind::Value, kernel.name, ": expected ", kernel.n_in, " inputs and ", kernel.n_attrs(), " attributes; got ",
       nargs, " arguments");
}

py::object overridden(PrimitiveObject* p, PyObject* const* args, Py_ssize_t n_in) {
  static PyObject* hook = PyUnicode_InternFromString("__alice_bind__");
  for (Py_ssize_t i = 0; i < n_in; ++i) {
    PyTypeObject* type = Py_TYPE(args[i]);
    if (type == tensor_type || PyFloat_Check(args[i]) || PyLong_Check(args[i]) || PyTuple_Check(args[i]) ||
        args[i] == Py_None)
      continue;
    if (!PyObject_HasAttr(reinterpret_cast<PyObject*>(type), hook)) continue;
    const py::tuple attributes = plain_attributes(parse_attributes(*p->kernel, args + n_in), args + n_in);
    const py::tuple inputs = tuple_of(static_cast<std::size_t>(n_in), [&](std::size_t k) { return borrowed(args[k]); });
    const py::object all = inputs + attributes;
    return owned(
        into_python([&] { return PyObject_CallMethodObjArgs(args[i], hook, as_object(p), all.ptr(), nullptr); }));
  }
  return {};
}

void convert(Operands& a, const Kernel& kernel, PyObject* const* args, std::size_t n) {
  a.tensors.resize(n);
  bool plain = true;  // all Tensors of one dtype, the usual case
  for (std::size_t i = 0; i < n; ++i) {
    PyObject* o = args[i];
    if (is_tensor(o) && is_weak(as_tensor(o))) {
      a.scalars.resize(n);
      a.weak.resize(n);
      a.scalars[i] = weak_scalar(as_tensor(o));
      a.weak[i] = as_tensor(o);
      plain = false;
      continue;
    }
    if (is_tensor(o)) {
      a.tensors[i] = as_tensor(o);
      plain = plain && a.tensors[i]->array.dtype() == a.tensors[0]->array.dtype();
      continue;
    }
    if (is_numpy_array(o)) {
      a.converted.push_back(owned(make_tensor(array_from_numpy(o, true, kernel.name))));
      a.tensors[i] = as_tensor(a.converted.back().ptr());
      plain = plain && a.tensors[0] && a.tensors[i]->array.dtype() == a.tensors[0]->array.dtype();
      continue;
    }
    a.scalars.resize(n);
    a.scalars[i] = parse_scalar(o, kernel.name);
    if (a.scalars[i].kind == Scalar::Kind::None) bad_argument(kernel.name, static_cast<Py_ssize_t>(i), o);
    plain = false;
  }
  const DType first = plain ? a.tensors[0]->array.dtype() : DType::Bool;
  switch (kernel.inputs) {
    case Inputs::AsIs:
      if (plain) return;
      for (std::size_t i = 0; i < n; ++i)
        if (!a.tensors[i]) cast_argument(a, i, scalar_dtype(a.scalars[i]), kernel.name);
      return;
    case Inputs::Where: {
      cast_argument(a, 0, DType::Bool, kernel.name);
      const DType dtype = promote_arguments(a, 1, Inputs::Promote, kernel.name);
      for (std::size_t i = 1; i < n; ++i) cast_argument(a, i, dtype, kernel.name);
      return;
    }
    default: {
      if (plain && (is_floating(first) || kernel.inputs == Inputs::Promote || kernel.inputs == Inputs::Compare ||
                    (kernel.inputs == Inputs::Numeric && first != DType::Bool)))
        return;
      const DType dtype = promote_arguments(a, 0, kernel.inputs, kernel.name);
      for (std::size_t i = 0; i < n; ++i) cast_argument(a, i, dtype, kernel.name);
    }
  }
}

}  // namespace alice
