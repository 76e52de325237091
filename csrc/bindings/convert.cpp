// Hot: arrays are copied here.
#include "convert.h"
#include "reading.h"

#include <pybind11/numpy.h>

#include <cmath>
#include <cstring>
#include <limits>

namespace alice {
namespace {

// What dtypes are in Python: NumPy's, but of bfloat16, which NumPy does not have, an object of ours.
py::object* dtype_table() {
  static py::object* table = [] {
    auto* made = new py::object[kDTypeCount];
    for (int i = 0; i < kDTypeCount; ++i)
      made[i] = i == static_cast<int>(DType::BFloat16)
                    ? py::object(py::module_::import("alice_core._dtypes").attr("bfloat16"))
                    : py::object(py::dtype(kDTypes[i].name));
    return made;
  }();
  return table;
}

py::dtype numpy_dtype(DType t) {
  if (t != DType::BFloat16) return py::reinterpret_borrow<py::dtype>(dtype_object(t));
  const py::object dtype = py::module_::import("alice_core._dtypes").attr("numpy_bfloat16")();
  if (dtype.is_none())
    fail(ErrorKind::DType,
         "numpy: NumPy has no bfloat16; convert with x.astype(ac.float32), or install the package ml_dtypes");
  return dtype;
}

std::string dtype_names() {
  std::string names;
  for (const DTypeInfo& row : kDTypes) names += (names.empty() ? "" : ", ") + std::string(row.name);
  return names;
}

PyTypeObject* numpy_type(const char* name) {  // never released: NumPy stays loaded
  return reinterpret_cast<PyTypeObject*>(py::object(py::module_::import("numpy").attr(name)).release().ptr());
}

// Keeps the Python owner of foreign memory; Storage may die on any thread.
void release_owner(void* owner) {
  if (!Py_IsInitialized()) return;
  py::gil_scoped_acquire gil;
  Py_DECREF(static_cast<PyObject*>(owner));
}

}  // namespace

bool is_numpy_array(PyObject* o) {
  static PyTypeObject* type = numpy_type("ndarray");
  return PyObject_TypeCheck(o, type);
}

bool is_numpy_scalar(PyObject* o) {
  static PyTypeObject* type = numpy_type("generic");
  return PyObject_TypeCheck(o, type);
}

py::object dtype_object(DType t) { return dtype_table()[static_cast<int>(t)]; }

bool parse_dtype(PyObject* o, DType* out) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (dtype_table()[i].ptr() == o) {
      *out = static_cast<DType>(i);
      return true;
    }
  if (!py::isinstance<py::dtype>(o)) return false;
  for (int i = 0; i < kDTypeCount; ++i)
    if (dtype_table()[i].equal(py::handle(o))) {
      *out = static_cast<DType>(i);
      return true;
    }
  return false;
}

py::object numpy_number(PyObject* o) {
  if (!is_numpy_scalar(o) && !(is_numpy_array(o) && py::reinterpret_borrow<py::array>(o).ndim() == 0)) return {};
  py::object number = py::handle(o).attr("item")();
  // Some are wider than Python's.
  if (is_numpy_scalar(number.ptr()) && std::string(py::str(number.attr("dtype").attr("kind"))) == "f")
    return py::float_(number);
  return number;
}

Array array_from_numpy(py::handle handle, bool copy, const char* op) {
  auto a = py::reinterpret_borrow<py::array>(handle);
  DType dtype;
  if (!parse_dtype(a.dtype().ptr(), &dtype))
    fail(ErrorKind::DType, op, ": dtype must be one of ", dtype_names(), "; got ", std::string(py::str(a.dtype())),
         "; convert with x.astype(\"float32\")");
  if (a.ndim() > kMaxRank)
    fail(ErrorKind::Shape, op, ": at most ", kMaxRank, " dimensions are supported; got ", a.ndim());
  const auto item = static_cast<std::int64_t>(itemsize(dtype));
  // Kernels count on bools of 0 and 1. Nobody can promise them for memory of others, who may write bytes there at any
  // time: bools are always copied.
  const bool is_bool = dtype == DType::Bool;
  Dims shape, strides;
  bool whole_strides = reinterpret_cast<std::uintptr_t>(a.data()) % static_cast<std::uintptr_t>(item) == 0;
  for (py::ssize_t i = 0; i < a.ndim(); ++i) {
    shape.push_back(a.shape(i));
    strides.push_back(a.strides(i) / item);
    whole_strides = whole_strides && a.strides(i) % item == 0;
  }
  if (!copy && whole_strides && !is_bool) {
    PyObject* owner = Py_NewRef(a.ptr());
    auto* data = static_cast<std::byte*>(const_cast<void*>(a.data()));
    StorageRef storage(Storage::adopt(data, static_cast<std::size_t>(a.nbytes()), a.writeable(), release_owner, owner));
    return Array::wrap(std::move(storage), data, dtype, shape, strides);
  }
  Array out = Array::empty(shape, dtype);
  if (out.numel() == 0) return out;
  const bool plain = whole_strides && (a.flags() & py::array::c_style);
  if (plain) {
    std::memcpy(out.bytes(), a.data(), static_cast<std::size_t>(a.nbytes()));
  } else {  // NumPy walks whatever strides it made
    auto contiguous = py::module_::import("numpy").attr("array")(a, py::arg("order") = "C").cast<py::array>();
    std::memcpy(out.bytes(), contiguous.data(), static_cast<std::size_t>(contiguous.nbytes()));
  }
  if (is_bool) {
    auto* byte = out.data<std::uint8_t>();
    for (std::int64_t i = 0, n = out.numel(); i < n; ++i) byte[i] = byte[i] != 0;
  }
  return out;
}

py::object numpy_from_tensor(const TensorObject* tensor, bool writable, const char* op) {
  check_readable(tensor, op);
  const Array& a = tensor->array;
  const auto item = static_cast<py::ssize_t>(itemsize(a.dtype()));
  std::vector<py::ssize_t> shape, strides;
  for (int i = 0; i < a.rank(); ++i) {
    shape.push_back(a.dim(i));
    strides.push_back(a.strides()[i] * item);
  }
  // The array holds the storage, not the Tensor: a view of a value does not keep its graph alive.
  auto* keep = new StorageRef(a.storage());
  py::capsule owner(keep, [](void* p) { delete static_cast<StorageRef*>(p); });
  py::array out(numpy_dtype(a.dtype()), shape, strides, a.bytes(), owner);
  if (!writable) py::detail::array_proxy(out.ptr())->flags &= ~py::detail::npy_api::NPY_ARRAY_WRITEABLE_;
  return out;
}

Scalar parse_scalar(PyObject* o, const char* op) {
  Scalar s;
  if (PyBool_Check(o)) {
    s.kind = Scalar::Kind::Bool;
    s.integer = o == Py_True;
    s.real = static_cast<double>(s.integer);
  } else if (PyFloat_Check(o)) {
    s.kind = Scalar::Kind::Real;
    s.real = PyFloat_AS_DOUBLE(o);
  } else if (PyLong_Check(o)) {
    int overflow = 0;
    s.kind = Scalar::Kind::Int;
    s.integer = PyLong_AsLongLongAndOverflow(o, &overflow);
    if (overflow) {
      s.kind = Scalar::Kind::Real;
      s.beyond = overflow < 0 ? Scalar::Beyond::Below : Scalar::Beyond::Above;
      if (const auto bits = PyLong_AsUnsignedLongLong(o); !PyErr_Occurred()) {
        s.beyond = Scalar::Beyond::Unsigned;
        s.integer = static_cast<std::int64_t>(bits);
      }
      PyErr_Clear();
      s.real = PyLong_AsDouble(o);
      if (PyErr_Occurred()) {
        PyErr_Clear();
        const py::object bits = py::handle(o).attr("bit_length")();
        PyErr_Format(PyExc_OverflowError, "%s: a number must fit a float; got an int of %S bits", op, bits.ptr());
        throw py::error_already_set();
      }
    } else {
      s.real = static_cast<double>(s.integer);
    }
  } else if (is_numpy_scalar(o)) {
    py::object item = py::reinterpret_borrow<py::object>(o).attr("item")();
    if (item.ptr() != o && (PyBool_Check(item.ptr()) || PyLong_Check(item.ptr()) || PyFloat_Check(item.ptr())))
      return parse_scalar(item.ptr(), op);
  }
  return s;
}

Array scalar_array(const Scalar& value, DType dtype, const char* op) {
  Array a = Array::empty(Dims{}, dtype);
  if (is_floating(dtype)) {
    write_real(value.real, dtype, a.bytes());
  } else if (dtype == DType::Bool) {
    write_integer(value.real != 0 || std::isnan(value.real), dtype, a.bytes());
  } else {
    const bool fits = value.kind == Scalar::Kind::Real
                          ? value.beyond == Scalar::Beyond::Unsigned && dtype == DType::UInt64
                          : holds(dtype, value.integer);
    if (!fits)
      fail(ErrorKind::DType, op, ": the Python number ", value.real, " does not fit ", name(dtype),
           "; convert the tensor with x.astype(ac.float32) first");
    write_integer(value.integer, dtype, a.bytes());
  }
  return a;
}

py::object number_from(const Array& a) {
  const DType t = a.dtype();
  if (is_floating(t)) return py::float_(real_at(a.bytes(), t));
  const std::int64_t number = integer_at(a.bytes(), t);
  if (t == DType::Bool) return py::bool_(number != 0);
  return t == DType::UInt64 ? py::int_(static_cast<std::uint64_t>(number)) : py::int_(number);
}

}  // namespace alice
