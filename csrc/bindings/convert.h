// NumPy arrays, scalars and dtypes to ours and back.
#pragma once

#include <cstdint>

#include "tensor.h"

namespace alice {

bool is_numpy_array(PyObject* o);
bool is_numpy_scalar(PyObject* o);
// Throws alice::Error for dtypes we do not have.
Array array_from_numpy(py::handle array, bool copy, const char* op = "asarray");
py::object numpy_from_tensor(const TensorObject* tensor, bool writable, const char* op);  // throws if not readable
py::object dtype_object(DType t);           // the np.dtype, borrowed from a table
bool parse_dtype(PyObject* o, DType* out);  // false without an error if `o` is no np.dtype of ours
// The number in a NumPy scalar or 0-d array, as Python has it (it has no complex one for us); null for other objects.
py::object numpy_number(PyObject* o);
// Weak value of a Python or NumPy scalar; kind None if `o` is neither. An integer that int64 does not hold is of kind
// Real, and `beyond` says so: below it, above it, or above it and still of uint64, whose bits are in `integer`.
struct Scalar {
  enum class Kind { None, Bool, Int, Real } kind = Kind::None;
  std::int64_t integer = 0;
  double real = 0;
  enum class Beyond : std::uint8_t { No, Below, Above, Unsigned } beyond = Beyond::No;
};
Scalar parse_scalar(PyObject* o, const char* op);
Array scalar_array(const Scalar& value, DType dtype, const char* op);
py::object number_from(const Array& a);  // the one element as a Python bool, int or float

}  // namespace alice
