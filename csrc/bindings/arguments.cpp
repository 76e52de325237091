#include "arguments.h"

#include "../ops/strided_copy.h"
#include "locked.h"

namespace alice {
namespace {

constexpr int kDeepest = 200;  // nesting of lists, tuples and dicts

enum Kind : std::uint64_t { kTensor, kBool, kInt, kReal, kList, kTuple, kNamedTuple, kDict, kObject, kKeyword };

bool same_object(PyObject* a, PyObject* b) {
  if (a == b) return true;
  if (Py_TYPE(a) != Py_TYPE(b)) return false;
  DType dtype;
  if (!PyUnicode_Check(a) && !PyBytes_Check(a) && !PyLong_Check(a) && !parse_dtype(a, &dtype)) return false;
  const int equal = PyObject_RichCompareBool(a, b, Py_EQ);
  if (equal < 0) throw py::error_already_set();
  return equal;
}

bool is_named_tuple(PyObject* o) {
  static PyObject* fields = PyUnicode_InternFromString("_fields");
  return !PyTuple_CheckExact(o) && PyObject_HasAttr(reinterpret_cast<PyObject*>(Py_TYPE(o)), fields);
}

}  // namespace

bool Signature::matches(const Signature& other) const {
  if (words != other.words || objects.size() != other.objects.size()) return false;
  for (std::size_t i = 0; i < objects.size(); ++i)
    if (!same_object(objects[i], other.objects[i])) return false;
  return true;
}

void Arguments::read(PyObject* const* args, Py_ssize_t n, PyObject* names) {
  word(kTuple, static_cast<std::uint64_t>(n));
  for (position_ = 0; position_ < n; ++position_) read_one(args[position_], 0);
  if (!names) return;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(names); ++i) {
    keyword_ = PyTuple_GET_ITEM(names, i);
    word(kKeyword);
    signature_.objects.push_back(keyword_);
    read_one(args[n + i], 0);
  }
}

void Arguments::read_tensor(TensorObject* t) {
  const std::uint32_t followed = t->levels & thread_state().active;
  as_it_is_ = as_it_is_ || t->array.is_abstract() || (followed & ~1u) || (t->producer && followed) ||
              (t->tangents && !thread_state().forward.empty());
  read_type(t->array, t->requires_grad);
  Leaf leaf{t, -1, {}};
  if (!t->array.is_abstract() && !t->array.is_contiguous()) {
    leaf.held = static_cast<std::int32_t>(held_.size());
    read_locked(t->array, [&] { held_.push_back(as_contiguous(t->array)); });
  }
  leaves_.push_back(leaf);
}

void Arguments::read_array(const Array& array) {
  read_type(array, false);
  leaves_.push_back({nullptr, static_cast<std::int32_t>(held_.size()), {}});
  held_.push_back(as_contiguous(array));
}

void Arguments::read_type(const Array& array, bool requires_grad) {
  word(kTensor, static_cast<std::uint64_t>(array.dtype()) | static_cast<std::uint64_t>(requires_grad) << 8 |
                    static_cast<std::uint64_t>(array.rank()) << 16);
  for (std::int64_t d : array.shape()) signature_.words.push_back(static_cast<std::uint64_t>(d));
}

bool Arguments::read_number(PyObject* o) {
  const Scalar s = parse_scalar(o);
  if (s.kind == Scalar::Kind::None) return false;
  Leaf leaf{nullptr, -1, {}};
  if (s.kind == Scalar::Kind::Bool)
    word(kBool), leaf.boolean = s.real != 0;
  else if (s.kind == Scalar::Kind::Int)
    word(kInt, width_of(s.integer)), leaf.integer = s.integer;
  else
    word(kReal), leaf.real = s.real;
  leaves_.push_back(leaf);
  return true;
}

void Arguments::read_one(PyObject* o, int depth) {
  if (depth > kDeepest) fail(ErrorKind::Value, "compile: arguments are nested more than ", kDeepest, " deep");
  if (is_tensor(o)) return read_tensor(as_tensor(o));
  if (PyTuple_Check(o) || PyList_Check(o)) {
    const Py_ssize_t n = PySequence_Fast_GET_SIZE(o);
    if (PyTuple_Check(o) && is_named_tuple(o)) {
      word(kNamedTuple, static_cast<std::uint64_t>(n));
      signature_.objects.push_back(reinterpret_cast<PyObject*>(Py_TYPE(o)));
    } else {
      word(PyTuple_Check(o) ? kTuple : kList, static_cast<std::uint64_t>(n));
    }
    for (Py_ssize_t i = 0; i < n; ++i) read_one(PySequence_Fast_GET_ITEM(o, i), depth + 1);
    return;
  }
  if (PyDict_Check(o)) {
    word(kDict, static_cast<std::uint64_t>(PyDict_GET_SIZE(o)));
    Py_ssize_t at = 0;
    PyObject *key, *value;
    while (PyDict_Next(o, &at, &key, &value)) {
      signature_.objects.push_back(key);
      read_one(value, depth + 1);
    }
    return;
  }
  if (is_numpy_array(o)) return read_array(array_from_numpy(o, false));
  if (o != Py_None && read_number(o)) return;
  static PyObject* hook = PyUnicode_InternFromString("__alice_bind__");
  as_it_is_ = as_it_is_ || PyObject_HasAttr(reinterpret_cast<PyObject*>(Py_TYPE(o)), hook);
  word(kObject);
  signature_.objects.push_back(o);
}

py::object Arguments::reading() const {
  return keyword_ ? py::reinterpret_borrow<py::object>(keyword_) : py::int_(position_);
}

void Arguments::clear() {
  signature_.words.clear();
  signature_.objects.clear();
  leaves_.clear();
  held_.clear();
  position_ = 0;
  keyword_ = nullptr;
  as_it_is_ = false;
}

std::byte* Arguments::data(std::size_t i) {
  Leaf& leaf = leaves_[i];
  if (leaf.held >= 0) return held_[static_cast<std::size_t>(leaf.held)].bytes();
  return leaf.tensor ? leaf.tensor->array.bytes() : reinterpret_cast<std::byte*>(&leaf.real);
}

}  // namespace alice
